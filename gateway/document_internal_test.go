package gateway

import (
	"fmt"
	"testing"

	"github.com/wampgate/wampgate/openapi/generate"
)

// TestDocumentsAreBounded makes more documents than are kept.
func TestDocumentsAreBounded(t *testing.T) {
	t.Parallel()
	var d documents
	c := &generate.Config{Realm: "realm1", Release: "1", Routes: func(string) []string { return nil }, Compiles: func(any) bool { return true }}
	one := func(i int) []generate.Procedure {
		return []generate.Procedure{{URI: fmt.Sprintf("a.p%d", i), Match: "exact", Invoke: "single"}}
	}
	first, err := d.of(c, one(0), false)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := d.of(c, one(0), false); err != nil || again != first {
		t.Errorf("the same procedures came to another document: %v", err)
	}
	for i := range 3 * keptDocuments {
		if _, err := d.of(c, one(i), i%2 == 0); err != nil {
			t.Fatal(err)
		}
		size := 0
		for _, doc := range d.known {
			size += len(doc.text)
		}
		if len(d.known) > keptDocuments || size != d.bytes {
			t.Fatalf("%d documents are kept, of %d bytes, counted as %d", len(d.known), size, d.bytes)
		}
	}
	if again, err := d.of(c, one(0), false); err != nil || again.tag != first.tag {
		t.Errorf("the same procedures came to other bytes: %v", err)
	}
}
