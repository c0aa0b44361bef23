package authn_test

import (
	"net/http"
	"testing"

	"github.com/wampgate/wampgate/gateway/limit"
)

// BenchmarkAuthenticate measures what credentials cost that were good a moment
// ago.
func BenchmarkAuthenticate(b *testing.B) {
	key, _ := theKey()
	cfg := everything(b)
	cfg.Anonymous, cfg.Guard = &anonymous, limit.NewFailures()
	a := newAuthenticator(b, cfg)
	for _, bench := range []struct{ name, header string }{
		{"anonymous", ""}, {"jwt", "Bearer " + goodToken()}, {"api-key", "Bearer " + key}, {"basic", basic("joe", "s3cret: pass")},
	} {
		b.Run(bench.name, func(b *testing.B) {
			r := request(http.MethodPost, "/call/x", "")
			if bench.header != "" {
				r.Header.Set("Authorization", bench.header)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Authenticate(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
