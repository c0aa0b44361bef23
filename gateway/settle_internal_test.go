package gateway

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

// TestSettleAnswersDuringUpload: headers and body of an answer leave while the
// upload is still open, and the connection is announced to end with it.
func TestSettleAnswersDuringUpload(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusOK, http.StatusBadRequest} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			s := startServer(t, settle(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(status)
				_, _ = io.WriteString(w, "early\n")
				_ = http.NewResponseController(w).Flush()
				_, _ = io.Copy(w, r.Body)
			})))
			c := dial(t, s.addr)
			c.send(t, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
			resp := c.answer(t)
			early := make([]byte, 6)
			if _, err := io.ReadFull(resp.Body, early); err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != status || string(early) != "early\n" || !resp.Close {
				t.Errorf("answer = %d %q, close %t, want %d %q, close true", resp.StatusCode, early, resp.Close, status, "early\n")
			}
			c.send(t, "4\r\nlate\r\n0\r\n\r\n")
			late, err := io.ReadAll(resp.Body)
			if string(late) != "late" || err != nil {
				t.Errorf("rest of the answer = %q, %v, want %q", late, err, "late")
			}
		})
	}
}

// TestSettleNeverDesyncs: whatever a handler does with a body, no byte of it
// is served as a request.
func TestSettleNeverDesyncs(t *testing.T) {
	t.Parallel()
	handlers := map[string]http.HandlerFunc{
		"nothing read": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") },
		"no answer":    func(http.ResponseWriter, *http.Request) {},
		"no body":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"a bit read": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadFull(r.Body, make([]byte, 2))
			_, _ = io.WriteString(w, "ok")
		},
		"read to the error": func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(lingerTime))
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, "ok")
		},
		"closed": func(w http.ResponseWriter, r *http.Request) {
			_ = r.Body.Close()
			_, _ = io.WriteString(w, "ok")
		},
		"flushed, then read to the error": func(w http.ResponseWriter, r *http.Request) {
			rc := http.NewResponseController(w)
			_ = rc.Flush()
			_ = rc.SetReadDeadline(time.Now().Add(lingerTime))
			_, _ = io.Copy(io.Discard, r.Body)
		},
	}
	uploads := map[string]struct{ head, first, later string }{
		"length, all at once":    {fmt.Sprintf("Content-Length: %d", 2+len(smuggled)), "ab" + smuggled, ""},
		"length, rest later":     {fmt.Sprintf("Content-Length: %d", 2+len(smuggled)), "ab", smuggled},
		"length, more pipelined": {fmt.Sprintf("Content-Length: %d", 9<<20+len(smuggled)), "ab", smuggled},
		"chunked, rest later":    {"Transfer-Encoding: chunked", "2\r\nab\r\n", smuggled},
		"chunked, bad chunk":     {"Transfer-Encoding: chunked", "2\r\nab\r\nzz\r\n" + smuggled, ""},
		"chunked, bad size":      {"Transfer-Encoding: chunked", "2\r\nabGET\r\n" + smuggled, ""},
		"chunked, cut":           {"Transfer-Encoding: chunked", "2\r\nab\r\n", "5\r\n" + smuggled},
		"expecting 100":          {"Expect: 100-continue\r\nContent-Length: 40", "", smuggled},
	}
	for hname, h := range handlers {
		for uname, u := range uploads {
			t.Run(hname+"/"+uname, func(t *testing.T) {
				t.Parallel()
				var hits atomic.Int32
				mux := http.NewServeMux()
				mux.HandleFunc("/", h)
				mux.HandleFunc("/smuggled", func(http.ResponseWriter, *http.Request) { hits.Add(1) })
				mux.HandleFunc("/next", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Next", "yes") })
				s := startServer(t, settle(mux))
				c := dial(t, s.addr)
				c.send(t, "POST / HTTP/1.1\r\nHost: x\r\n"+u.head+"\r\n\r\n"+u.first)
				resp := c.answer(t)
				_, _ = io.WriteString(c.TCPConn, u.later) // may fail: the server may have hung up
				if resp.StatusCode == http.StatusContinue {
					resp = c.answer(t)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				switch {
				case resp.StatusCode/100 != 2:
					t.Errorf("status = %d, want 2xx", resp.StatusCode)
				case resp.Close:
					c.ended(t)
				default:
					c.send(t, "GET /next HTTP/1.1\r\nHost: x\r\n\r\n")
					if next := c.answer(t); next.Header.Get("Next") == "" {
						t.Error("the connection stayed open and the next answer is not for the next request")
					}
				}
				if n := hits.Load(); n > 0 {
					t.Errorf("leftover bytes of the body were served as %d requests", n)
				}
				if log := s.log.String(); strings.Contains(log, "panic") {
					t.Errorf("the server panicked: %s", log)
				}
			})
		}
	}
}

// TestSettleKeepsConnections: a body that was read to its end costs nothing.
func TestSettleKeepsConnections(t *testing.T) {
	t.Parallel()
	s := startServer(t, settle(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	})))
	c := dial(t, s.addr)
	for _, body := range []string{"Content-Length: 2\r\n\r\nab", "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", "Content-Length: 0\r\n\r\n", "\r\n"} {
		c.send(t, "POST / HTTP/1.1\r\nHost: x\r\n"+body)
		resp := c.answer(t)
		got, err := io.ReadAll(resp.Body)
		if err != nil || resp.Close || strings.Contains(body, "ab") != (string(got) == "ab") {
			t.Errorf("%q: answer = %q, %v, close %t, want the body and the connection open", body, got, err, resp.Close)
		}
	}
}

// TestSettleSavesEarlyAnswers: an answer in the middle of a large upload
// arrives to its end, although the client sends on.
func TestSettleSavesEarlyAnswers(t *testing.T) {
	t.Parallel()
	const size = 16 << 20
	s := startServer(t, settle(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", "5")
		}
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = io.WriteString(w, "wrong")
		_ = http.NewResponseController(w).Flush()
	})))
	for _, path := range []string{"/length", "/chunked"} {
		t.Run("HTTP/1.1"+path, func(t *testing.T) {
			t.Parallel()
			for range 5 {
				c := dial(t, s.addr)
				c.send(t, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", path, size))
				sent := make(chan struct{})
				go func() {
					defer close(sent)
					_, _ = io.CopyN(c.TCPConn, zeros{}, size)
					_ = c.Close() // as clients do when they cannot send
				}()
				wantWrong(t, c.answer(t))
				_ = c.Close()
				wait(t, sent, "the end of the upload")
			}
		})
		t.Run("HTTP/2"+path, func(t *testing.T) {
			t.Parallel()
			client := h2c(t)
			for range 5 {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.addr+path, io.LimitReader(zeros{}, size))
				if err != nil {
					t.Fatal(err)
				}
				resp, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				wantWrong(t, resp)
				_ = resp.Body.Close()
			}
		})
	}
}

func wantWrong(t *testing.T, resp *http.Response) {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusUnprocessableEntity || string(body) != "wrong" || err != nil {
		t.Errorf("answer = %d %q, %v, want 422 %q", resp.StatusCode, body, err, "wrong")
	}
}

// zeros is an endless reader.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestSettleLetsAbortsThrough: a handler that aborts leaves no clean end.
func TestSettleLetsAbortsThrough(t *testing.T) {
	t.Parallel()
	s := startServer(t, settle(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})))
	c := dial(t, s.addr)
	c.send(t, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
	body, err := io.ReadAll(c.answer(t).Body)
	if string(body) != "half" || err == nil || isTimeout(err) {
		t.Errorf("answer = %q, %v, want %q and a cut connection", body, err, "half")
	}
}
