package gateway

import (
	"fmt"
	"net/http"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// uriHeaders is the error of a request with too many header fields.
const uriHeaders wamp.URI = "gateway.error.too_many_headers"

// limitHeaders refuses requests with more header fields than any client needs.
// Their size is limited by net/http.
func limitHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := 0
		for _, values := range r.Header {
			n += len(values)
		}
		if n <= maxHeaderCount {
			next.ServeHTTP(w, r)
			return
		}
		detail := fmt.Sprintf("%d header fields are too many; the limit is %d", n, maxHeaderCount)
		problem.New(http.StatusRequestHeaderFieldsTooLarge, uriHeaders, detail).Send(w, false)
	})
}
