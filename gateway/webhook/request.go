package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// secretPrefix begins a secret, as Standard Webhooks has it.
const secretPrefix = "whsec_"

// NewSecret returns a new secret to sign requests with: 32 random bytes.
func NewSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return secretPrefix + base64.StdEncoding.EncodeToString(b[:])
}

// A Request is a call to hand over.
type Request struct {
	URL    string
	Secret string // from NewSecret
	ID     string // of this call, for the signature; never twice

	Procedure    wamp.URI
	Request      wamp.ID // of the INVOCATION
	CallerAuthid string  // empty if it is not disclosed
	Traceparent  string
	Tracestate   string

	Progress bool   // the caller takes progressive results; else they are passed over
	Body     []byte // JSON: {"args":[…],"kwargs":{…}}
}

// An Answer is a result, or a progressive one.
type Answer struct {
	ContentType string // as it was sent; empty if nothing was
	Body        []byte
}

// A CallError is why there is no result. Its texts may go to the caller; Err is
// for the log, and may be nil.
type CallError struct {
	URI          wamp.URI
	Detail       string
	Args, Kwargs []byte // of the server's error, JSON; nil if there are none
	Err          error
}

// Error implements error.
func (f *CallError) Error() string {
	text := string(f.URI) + ": " + f.Detail
	if f.Err != nil {
		text += ": " + f.Err.Error()
	}
	return text
}

// Unwrap returns Err.
func (f *CallError) Unwrap() error { return f.Err }

func upstream(err error, format string, args ...any) *CallError {
	return &CallError{URI: ErrUpstream, Detail: fmt.Sprintf(format, args...), Err: err}
}

// Do hands a call over, once, and returns its result; progressive results go to
// progress as they come, whose error ends the request and is returned. Any
// other error is a *CallError. Ending ctx ends the request.
func (c *Client) Do(ctx context.Context, r *Request, progress func(Answer) error) (Answer, error) {
	req, err := c.newRequest(ctx, r)
	if err != nil {
		return Answer{}, upstream(err, "the webhook cannot be called: %v", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Answer{}, ended(ctx, err, "the webhook cannot be reached")
	}
	defer resp.Body.Close() //nolint:errcheck // what counts was read
	a, err := c.read(resp, r, progress)
	if err != nil && ctx.Err() != nil {
		err = ended(ctx, err, "the webhook's answer broke off")
	}
	return a, err
}

// ended returns the failure of a request, which is different if it was ended
// by us.
func ended(ctx context.Context, err error, otherwise string) error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &CallError{URI: wamp.ErrTimeout, Detail: "the webhook did not answer in time", Err: err}
	case ctx.Err() != nil:
		return &CallError{URI: wamp.ErrCanceled, Detail: "the request to the webhook was stopped", Err: err}
	case errors.Is(err, errForbidden):
		return upstream(err, "the webhook cannot be called: %v", errForbidden)
	}
	return upstream(err, "%s", otherwise)
}

func (c *Client) newRequest(ctx context.Context, r *Request) (*http.Request, error) {
	if err := c.Check(r.URL); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return nil, err
	}
	if req.URL.Scheme == "https" { // in lower case, however it was written
		req = req.WithContext(context.WithValue(ctx, secureKey{}, true))
	}
	req.GetBody = nil // nothing is sent twice
	set := func(name, value string) {
		if value != "" && printable(value) {
			req.Header.Set(name, value)
		}
	}
	set("Content-Type", "application/json")
	set("Accept", "application/json, application/vnd.wamp.call+json, application/problem+json, application/x-ndjson, text/event-stream")
	set("User-Agent", "wampgate")
	set("Wamp-Procedure", fieldValue(string(r.Procedure)))
	set("Wamp-Request", strconv.FormatUint(uint64(r.Request), 10))
	set("Wamp-Caller-Authid", fieldValue(r.CallerAuthid))
	set("Traceparent", r.Traceparent)
	set("Tracestate", r.Tracestate)
	now := strconv.FormatInt(time.Now().Unix(), 10)
	signature, err := sign(r.Secret, r.ID, now, r.Body)
	if err != nil {
		return nil, err
	}
	set("Webhook-Id", r.ID)
	set("Webhook-Timestamp", now)
	set("Webhook-Signature", signature)
	return req, nil
}

// fieldValue percent-encodes what is not visible ASCII, and the percent sign, so
// that a server that decodes it has exactly the text: net/http would cut spaces
// at its ends off, and so make one authid of another.
func fieldValue(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// printable reports whether a text may stand in a header field.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// sign returns the signature of a request (Standard Webhooks 1.0, "Signature
// scheme", symmetric).
func sign(secret, id, timestamp string, body []byte) (string, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, secretPrefix))
	if err != nil || len(key) == 0 {
		return "", errors.New("the registration has no secret")
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
}

// read makes an answer, or a failure, of a response.
func (c *Client) read(resp *http.Response, r *Request, progress func(Answer) error) (Answer, error) {
	contentType := resp.Header.Get("Content-Type")
	media, _, _ := mime.ParseMediaType(contentType) // none is like any other
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return Answer{}, upstream(nil, "the webhook redirects with status %d, which is not followed; register the address that it leads to", resp.StatusCode)
	case resp.StatusCode >= 300 || resp.StatusCode < 200:
		return Answer{}, c.refusal(resp, media)
	case resp.StatusCode == http.StatusNoContent:
		return Answer{}, nil
	case media == "application/x-ndjson" || media == "application/jsonl":
		return c.readLines(resp.Body, r, progress)
	case media == "text/event-stream":
		return c.readEvents(resp.Body, r, progress)
	}
	body, err := c.readAll(resp.Body)
	if err != nil {
		return Answer{}, err
	}
	return Answer{ContentType: contentType, Body: body}, nil
}

// readAll reads a body up to the limit.
func (c *Client) readAll(from io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(from, c.cfg.MaxBody+1))
	switch {
	case err != nil:
		return nil, upstream(err, "the webhook's answer broke off")
	case int64(len(body)) > c.cfg.MaxBody:
		return nil, upstream(nil, "the webhook's answer is larger than %d bytes", c.cfg.MaxBody)
	}
	return body, nil
}

// An errorBody is an error of the server: a problem (RFC 9457), or the data of
// an event "error".
type errorBody struct {
	Error  wamp.URI        `json:"error"`
	Detail string          `json:"detail"`
	Args   json.RawMessage `json:"args"`
	Kwargs json.RawMessage `json:"kwargs"`
}

// failureOf returns the failure that a body stands for, or nil if it names no
// error. The arguments go into a message as they are, so they must be what the
// gateway demands of any body, and package json takes more than that: text that
// is not UTF-8, keys twice, any depth.
func failureOf(body []byte) *CallError {
	var e errorBody
	if wamp.JSON.ValidStrict(body) != nil || json.Unmarshal(body, &e) != nil || !e.Error.Valid() {
		return nil //nolint:nilerr // such a body names no error
	}
	f := &CallError{URI: e.Error, Detail: e.Detail}
	if len(e.Args) > 0 && wamp.JSON.Kind(e.Args) == wamp.KindList {
		f.Args = e.Args
	}
	if len(e.Kwargs) > 0 && wamp.JSON.Kind(e.Kwargs) == wamp.KindMap {
		f.Kwargs = e.Kwargs
	}
	return f
}

// refusal returns the failure of a status that is no success. A body that is no
// problem stays inside: nobody knows what it tells of.
func (c *Client) refusal(resp *http.Response, media string) *CallError {
	if media == "application/problem+json" {
		if body, err := c.readAll(resp.Body); err == nil {
			if f := failureOf(body); f != nil {
				return f
			}
		}
	}
	return upstream(nil, "the webhook answered with status %d", resp.StatusCode)
}
