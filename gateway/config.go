package gateway

import (
	"errors"
	"log/slog"
	"math"
	"net/http"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/authn"
	"github.com/wampgate/wampgate/gateway/webhook"
)

// Config says what a Gateway serves and within which limits. Zero values mean
// the defaults in the comments.
type Config struct {
	// Realm is the realm that all calls go to, for the text on "/".
	Realm string
	// Join opens a session in the realm; required. The gateway calls Leave on
	// what it returns.
	Join func(id wamp.Identity, out Outbox) (Session, error)
	// JoinCallee is Join for sessions that register; nil means that nobody can
	// over HTTP. An outbox that refuses an INVOCATION with [ErrFull] stays.
	JoinCallee func(id wamp.Identity, out Outbox) (Session, error)
	// Webhooks reaches the servers that registered to be called; nil means that
	// none can.
	Webhooks *webhook.Client
	// WebSocket serves WAMP on /ws; nil means that nothing does.
	WebSocket http.Handler
	// Nearest finds a registered procedure with a similar name; nil finds none.
	Nearest func(uri wamp.URI) (wamp.URI, bool)
	// Safe tells whether a procedure was declared safe, which makes it
	// callable by GET, HEAD and QUERY; nil means that none is.
	Safe func(uri wamp.URI) bool
	// Descriptions tells what callees say of their procedures; nil means that
	// nobody describes any.
	Descriptions Descriptions
	// Directory lists the procedures at /procedures, and in /openapi.json and
	// /openapi.yaml; nil means that nothing is there.
	Directory Directory

	// Results says what becomes of results, final and progressive, that are
	// not as their procedure describes them.
	Results AnswerCheck
	// Release is the version that the OpenAPI document has.
	Release string

	Log       *slog.Logger // failures; required
	AccessLog *slog.Logger // one line per request; default: Log

	// PublicURL is the address clients use, such as "https://gw.example.com".
	// Problem types are absolute URIs below it; they are about:blank without.
	PublicURL string
	// Hosts, if not nil, are the names that a Host header may hold, without
	// port, beside the loopback ones. It keeps web pages from reaching a
	// gateway on loopback, which asks for no credentials, by DNS rebinding.
	Hosts []string
	// Anonymous is who calls without credentials; default: authid, authrole
	// and authmethod "anonymous".
	Anonymous wamp.Identity
	// Authenticate finds out who sent a request; its error is an
	// *authn.Refusal. If it is nil, everybody is Anonymous.
	Authenticate func(r *http.Request) (authn.Principal, error)
	// Rate is how many requests a second a principal may make, or an address
	// without credentials; 0 means as many as he wants. Burst may come at once;
	// default: twice the rate.
	Rate  float64
	Burst int
	// Proxies are believed what they say of the addresses of their clients.
	Proxies authn.Proxies
	// Origins are those of other pages that may call, such as
	// "https://app.example.com"; there is no pattern for them.
	Origins []string
	// Debug lets tracebacks of callees out.
	Debug bool
	// ErrorStatus is the status of callees' own errors that nothing else
	// decides; default 500.
	ErrorStatus int
	// ErrorsLiteral keeps from reading a status out of the last component of
	// such an error's URI, as in com.example.not_found.
	ErrorsLiteral bool
	// ExposeCallee tells clients which registration and which callee's session
	// answered, which others would keep to themselves.
	ExposeCallee bool
	// HideUnauthorized answers 404 in place of 401 and 403 to those who may not
	// call a procedure, so that they don't learn that it is there.
	HideUnauthorized bool

	Timeout       time.Duration // of a call that names none; default 30 s
	StreamTimeout time.Duration // of a streaming call that names none; default 10 min
	MaxTimeout    time.Duration // longest allowed; default 1 h
	KillGrace     time.Duration // how long the dealer waits for a killed callee; default 5 s
	WriteTimeout  time.Duration // for each piece of an answer; a client that takes longer is cut off; default 30 s

	// ShedDelay is how long requests may wait, before anything is done for them,
	// until calls are refused; 0 refuses none for that. Probe waits for the
	// realm as a call does; nil measures the wait for a processor alone.
	ShedDelay time.Duration
	Probe     func()

	MaxPath  int   // bytes of the request path; default 2 KiB
	MaxQuery int   // bytes of the query; default 8 KiB
	MaxBody  int64 // bytes of the body of a unary call, decompressed; default 4 MiB, at most 2 GiB
	MaxFrame int   // bytes of one frame of a streamed upload; default 1 MiB

	MaxCalls               int // in flight in total; default 10,000
	MaxCallsPerPrincipal   int // in flight; default 256
	MaxStreamsPerPrincipal int // of those, streaming; default 64

	QueueEvents int // answers waiting to be written, per call; default 1,024
	QueueBytes  int // of those; default 4 MiB

	// Calls that are resources under /calls. When there are more than allowed,
	// those that ended first are forgotten; if none has, new ones are refused.
	Retention                time.Duration // after which an ended call is forgotten; default 10 min
	MaxKeptCalls             int           // of a principal; default 1,000
	MaxKeptBytesPerPrincipal int           // of the answers and events of a principal's ended calls; default 16 MiB
	MaxKeptBytes             int           // of those of all principals; default 256 MiB
	ReplayEvents             int           // of a call, that a client can go back to; default 256
	ReplayBytes              int           // of those, and the one event that is larger; default 1 MiB
	// Durable are calls that are kept elsewhere; nil means that none are.
	Durable DurableCalls
	// Transactions says that the realm has somebody who coordinates
	// transactions, at wampgate.tx.*.
	Transactions bool

	MaxCallees             int // registrations made over HTTP; default 10,000
	MaxCalleesPerPrincipal int // of those; default 100

	MaxSessions int           // principals with a session; default 10,000
	SessionIdle time.Duration // after which a principal's session ends; default 5 min
}

// withDefaults returns a copy of cfg without zero limits.
func (cfg Config) withDefaults() Config {
	if cfg.Nearest == nil {
		cfg.Nearest = func(wamp.URI) (wamp.URI, bool) { return "", false }
	}
	if cfg.Safe == nil {
		cfg.Safe = func(wamp.URI) bool { return false }
	}
	if cfg.Probe == nil {
		cfg.Probe = func() {}
	}
	if cfg.AccessLog == nil {
		cfg.AccessLog = cfg.Log
	}
	if cfg.Anonymous == (wamp.Identity{}) {
		cfg.Anonymous = wamp.Identity{Authid: "anonymous", Authrole: "anonymous", Authmethod: "anonymous"}
	}
	orDefault(&cfg.Burst, int(math.Ceil(min(2*cfg.Rate, 1e6))))
	orDefault(&cfg.ErrorStatus, http.StatusInternalServerError)
	orDefault(&cfg.Timeout, 30*time.Second)
	orDefault(&cfg.StreamTimeout, 10*time.Minute)
	orDefault(&cfg.MaxTimeout, time.Hour)
	orDefault(&cfg.KillGrace, 5*time.Second)
	orDefault(&cfg.WriteTimeout, 30*time.Second)
	orDefault(&cfg.MaxPath, 2<<10)
	orDefault(&cfg.MaxQuery, 8<<10)
	orDefault(&cfg.MaxBody, 4<<20)
	orDefault(&cfg.MaxFrame, 1<<20)
	orDefault(&cfg.MaxCalls, 10_000)
	orDefault(&cfg.MaxCallsPerPrincipal, 256)
	orDefault(&cfg.MaxStreamsPerPrincipal, 64)
	orDefault(&cfg.QueueEvents, 1024)
	orDefault(&cfg.QueueBytes, 4<<20)
	orDefault(&cfg.MaxCallees, 10_000)
	orDefault(&cfg.MaxCalleesPerPrincipal, 100)
	orDefault(&cfg.Retention, 10*time.Minute)
	orDefault(&cfg.MaxKeptCalls, 1000)
	orDefault(&cfg.MaxKeptBytesPerPrincipal, 16<<20)
	orDefault(&cfg.MaxKeptBytes, 256<<20)
	orDefault(&cfg.ReplayEvents, 256)
	orDefault(&cfg.ReplayBytes, 1<<20)
	orDefault(&cfg.MaxSessions, 10_000)
	orDefault(&cfg.SessionIdle, 5*time.Minute)
	return cfg
}

// validate reports what is missing.
func (cfg Config) validate() error {
	switch {
	case cfg.Join == nil:
		return errors.New("gateway: Config.Join is missing")
	case cfg.Log == nil:
		return errors.New("gateway: Config.Log is missing")
	case cfg.MaxBody < 0 || cfg.MaxBody > math.MaxInt32:
		return errors.New("gateway: Config.MaxBody is not between 0 and 2 GiB")
	}
	return CheckOrigins(cfg.Origins)
}

// orDefault sets *v to d if it is zero.
func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
