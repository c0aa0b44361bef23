package load

import "testing"

// An old call stays open however many younger ones come and go.
func TestWindowKeepsOldCalls(t *testing.T) {
	t.Parallel()
	var w window
	if w.find(1) != nil {
		t.Error("an empty window has a call")
	}
	old := w.add(7)
	for range 1000 {
		w.remove(w.find(w.add(0)))
	}
	if s := w.find(old); s == nil || s.sent != 7 || w.open != 1 {
		t.Fatalf("find(%d) = %+v with %d open; want the call, alone", old, s, w.open)
	}
	w.remove(w.find(old))
	if w.find(old) != nil || w.open != 0 {
		t.Errorf("the call is still there, %d open", w.open)
	}
}
