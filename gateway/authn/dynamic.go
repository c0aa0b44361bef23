package authn

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// A Question is what an application is told of a request when it decides who
// sent it. Header holds the selected fields that the request has.
type Question struct {
	Realm  string
	Method string
	Path   string
	Header http.Header
	Client netip.Addr
}

// An Answer is what it says.
type Answer struct {
	Identity wamp.Identity // unless Denied
	Denied   bool
	Detail   string        // why, for the client; may be empty
	TTL      time.Duration // for which the answer counts for equal requests; 0 means this one
}

// An Asker asks the application. The error means that there is no answer, and
// never lets anybody in.
type Asker func(ctx context.Context, q Question) (Answer, error)

// Dynamic is how an application authenticates requests.
type Dynamic struct {
	Ask     Asker
	Headers []string // fields it is told, and asked about; default Authorization and X-API-Key
}

// maxTTL is the longest that an application's answer counts.
const maxTTL = time.Hour

// errNoIdentity is the error of an application that lets nobody in by name.
var errNoIdentity = errors.New("the application's answer holds no authid, or no authrole")

// headers returns the names of the fields that the application is told of.
func (d *Dynamic) headers() []string {
	if d.Headers == nil {
		return []string{"Authorization", "X-Api-Key"}
	}
	return d.Headers
}

// question returns what to ask about r; ok is false if it gives nothing that
// could be asked about.
func (a *Authenticator) question(r *http.Request) (q Question, ok bool) {
	q = Question{Realm: a.cfg.Realm, Method: r.Method, Path: r.URL.Path, Header: http.Header{}, Client: a.cfg.Proxies.ClientIP(r)}
	for _, name := range a.cfg.Dynamic.headers() {
		name = http.CanonicalHeaderKey(name)
		if values := r.Header[name]; values != nil {
			q.Header[name] = values
		}
	}
	return q, len(q.Header) > 0
}

// key returns what stands for a question: all that may decide on the answer.
func (q *Question) key(names []string) string {
	var b strings.Builder
	add := func(s string) {
		b.WriteString(s)
		b.WriteByte(0) // in none of the parts
	}
	add(q.Method)
	add(q.Path)
	add(q.Client.String())
	for _, name := range names {
		for _, value := range q.Header[http.CanonicalHeaderKey(name)] {
			add(value)
		}
		add("\n")
	}
	return b.String()
}

// dynamic asks the application who sent r.
func (a *Authenticator) dynamic(r *http.Request, q Question) (Principal, error) {
	key, now := a.verdicts.key(MethodDynamic, q.key(a.cfg.Dynamic.headers())), time.Now()
	if p, ok := a.verdicts.get(key, now); ok {
		return p, nil
	}
	if wait := a.mustWait(q.Client, MethodDynamic, ""); wait != nil {
		return Principal{}, wait
	}
	answer, err := a.cfg.Dynamic.Ask(r.Context(), q)
	switch id := answer.Identity; {
	case err != nil:
		return Principal{}, broken(MethodDynamic, "who you are cannot be found out now", err)
	case answer.Denied:
		detail := answer.Detail
		if detail == "" {
			detail = "the application does not know these credentials"
		}
		return Principal{}, wrong(MethodDynamic, Denied, detail)
	case id.Authid == "" || id.Authrole == "":
		return Principal{}, broken(MethodDynamic, "who you are cannot be found out now", errNoIdentity)
	}
	p := Principal{Identity: answer.Identity, Credential: MethodDynamic}
	p.Identity.Authmethod = MethodDynamic
	if answer.TTL > 0 {
		a.verdicts.put(key, p, now, min(answer.TTL, maxTTL))
	}
	return p, nil
}
