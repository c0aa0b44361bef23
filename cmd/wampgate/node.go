package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/durable"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/transaction"
	"github.com/wampgate/wampgate/dealer/transport"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
	"github.com/wampgate/wampgate/gateway/authn"
	"github.com/wampgate/wampgate/gateway/certs"
	"github.com/wampgate/wampgate/gateway/limit"
)

// lastWords is how long ending may take beyond the time to drain.
const lastWords = 15 * time.Second

// A node is a gateway and the dealer behind it, in this process.
type node struct {
	settings *settings
	log      *slog.Logger

	failures *limit.Failures // of WAMP and HTTP clients
	router   *router.Router
	storage  *storage       // nil if nothing is kept; closed when nobody uses it any more
	durable  *durable.Store // nil with storage

	transactions *transaction.Coordinator // nil with storage

	sockets    *transport.Handler
	gateway    *gateway.Gateway
	imports    *importer
	told       descriptions
	server     *gateway.Server
	certs      certSource   // nil if the listener speaks no TLS
	admin      *http.Server // nil if there is no admin listener
	adminDoor  *adminDoor   // nil with admin
	adminCerts *certs.Store // nil if the admin listener speaks no TLS

	// In dev these are nil.
	entrance *entrance // belongs to reloader
	level    *slog.LevelVar
	reloader *reloader

	config *effective // what the process runs with; nil where nobody knows
	drains drains

	// Set by serve.
	listener, adminListener net.Listener
	rawSocket               net.Listener   // nil if there is none
	work                    sync.WaitGroup // everything that serve started
	stopWork                context.CancelFunc
}

// newNode puts a node together. It starts nothing.
func newNode(s *settings, log *slog.Logger) (*node, error) {
	n := &node{settings: s, log: log, failures: limit.NewFailures(), drains: drains{begun: make(chan struct{})}, stopWork: func() {}}
	n.told.set(s.descriptions)
	config := routerConfig(s, log)
	config.Guard = n.failures
	if err := n.join(config); err != nil {
		return nil, err
	}
	n.storage = newStorage(s, log)
	n.durable = newStore(s, n.storage, log)
	n.transactions = newCoordinator(s, n.storage, log)
	n.sockets = transport.New(transportConfig(s, n.router, log))
	var err error
	if n.gateway, err = gateway.New(n.gatewayConfig()); err != nil {
		return nil, err
	}
	n.imports = &importer{gateway: n.gateway, log: log, registered: func(uri wamp.URI) bool { return n.router.Registered(wamp.URI(s.Realm[0]), uri) }}
	if err := n.imports.read(context.Background(), s); err != nil {
		return nil, err
	}
	if n.certs, err = loadCerts(s, log); err != nil {
		return nil, err
	}
	n.server = gateway.NewServer(gateway.ServerConfig{
		Handler:   n.gateway,
		Log:       log,
		TLS:       n.tlsConfig(),
		Drain:     max(s.Drain, time.Nanosecond), // zero would be the default
		Draining:  n.drain,
		Answering: n.gateway.AwaitAnswers,
		Linger:    n.gateway.Linger,
		Goodbye:   n.sayGoodbye,
	})
	if err := n.newAdmin(); err != nil {
		return nil, err
	}
	return n, nil
}

// join makes the router, and lets in whom the configuration file says: in dev,
// where there is none, everybody.
func (n *node) join(config router.Config) (err error) {
	if n.settings.access == nil {
		n.router = router.New(config)
		return nil
	}
	if n.entrance, err = n.newEntrance(n.settings, nil); err != nil {
		return err
	}
	config.Auth, config.Policy = n.entrance.rights.Auth, n.entrance.rights.Policy
	n.router = router.New(config)
	n.router.SetAccess(n.entrance.rights)
	return nil
}

// drain lets no more in: the load balancer is told, and RawSocket closed.
func (n *node) drain() {
	n.gateway.Drain()
	n.stopKeeping()
	if n.rawSocket != nil {
		_ = n.rawSocket.Close() // nobody is left to be told
	}
}

// sayGoodbye ends all WAMP sessions, those of the samples first.
func (n *node) sayGoodbye(ctx context.Context) {
	n.closeKept(ctx)
	n.stopWork()
	n.router.Shutdown(ctx)
	if err := n.sockets.Shutdown(ctx); err != nil {
		n.log.Warn("WAMP connections were cut", "err", err)
	}
}

func routerConfig(s *settings, log *slog.Logger) router.Config {
	config := router.Config{Agent: "wampgate/" + version, Log: log, MaxSessions: s.MaxSessions, MaxSessionsEach: s.MaxSessionsEach}
	for _, realm := range s.Realm {
		disclose, discloseFor := s.disclosure(realm)
		config.Realms = append(config.Realms, dealer.Config{
			Realm:            wamp.URI(realm),
			Strict:           s.Compat == "strict",
			Disclose:         disclose,
			DiscloseFor:      discloseFor,
			Trustlevels:      s.trustlevels(realm),
			AckTimeout:       s.AckTimeout,
			KillGrace:        s.KillGrace,
			MaxRegistrations: s.MaxRegistrations,
			MaxCalls:         s.MaxCalls,
			MaxWaiting:       s.MaxWaiting,
			MaxWaitingBytes:  int(s.MaxWaitingBytes),
			MaxWait:          s.MaxWait,
			HandoverTimeout:  s.Handover,
			MaxGather:        int(s.MaxMessage),
			MaxCounted:       s.MetricsProcedures,
			Epoch:            uint64(time.Now().UnixMilli()),
			MaxSubscriptions: s.MaxSubscriptions,
			MetaKill:         s.MetaKill || s.guarded(),
			MetaInside:       s.MetaHTTP || s.guarded(),
		})
	}
	return config
}

func transportConfig(s *settings, r *router.Router, log *slog.Logger) transport.Config {
	config := transport.Config{
		Router:         r,
		Log:            log,
		OriginPatterns: s.WSOrigins,
		MaxFrame:       int(s.MaxMessage),
		MaxFrameOut:    int(s.MaxMessage),
		Queue:          int(s.Queue),
		HelloTimeout:   s.HelloTimeout,
		PingInterval:   s.PingInterval,
		PingTimeout:    s.PingTimeout,
		WriteTimeout:   s.StallTimeout,
		MaxConns:       s.MaxSessions,
	}
	if proxies, _ := authn.ParseProxies(s.TrustedProxies); len(proxies) > 0 { // which have been checked
		config.ClientIP = proxies.ClientIP
	}
	return config
}

func (n *node) gatewayConfig() gateway.Config {
	s, realm := n.settings, wamp.URI(n.settings.Realm[0])
	proxies, _ := authn.ParseProxies(s.TrustedProxies) // which have been checked
	procedures := directory{n.router, &n.told, realm}
	return gateway.Config{
		Realm:        string(realm),
		Release:      version,
		Results:      gateway.AnswerCheck(slices.Index(answerChecks(), s.CheckResults)), //nolint:gosec // three checks
		WebSocket:    n.sockets,
		WriteTimeout: s.WriteTimeout,
		Safe:         procedures.safe,
		Directory:    procedures,
		Descriptions: procedures,
		Nearest: func(uri wamp.URI) (wamp.URI, bool) {
			if s.guarded() {
				return "", false // may be nothing that the caller shall know of
			}
			return n.router.Nearest(realm, uri)
		},
		Join: func(id wamp.Identity, out gateway.Outbox) (gateway.Session, error) {
			return n.joinHTTP(realm, id, callerRoles(), out)
		},
		JoinCallee: func(id wamp.Identity, out gateway.Outbox) (gateway.Session, error) {
			return n.joinHTTP(realm, id, calleeRoles(), calleeOutbox{out})
		},
		Webhooks:     s.webhooks(),
		Durable:      n.durableCalls(realm),
		Transactions: n.transactions != nil,
		Authenticate: n.authenticate(),

		Log:       n.log,
		PublicURL: s.PublicURL,
		Origins:   s.CORSOrigins,
		Proxies:   proxies,
		Rate:      s.Rate,
		Burst:     s.Burst,
		Hosts:     allowedHosts(s),

		ErrorStatus:      s.ErrorStatus,
		ErrorsLiteral:    !s.ErrorHints,
		HideUnauthorized: s.HideUnauthorized,
		ExposeCallee:     s.ExposeCallee,
		Debug:            s.Tracebacks,

		ShedDelay:     s.ShedDelay,
		Probe:         func() { n.router.Safe(realm, "") },
		Timeout:       s.CallTimeout,
		StreamTimeout: s.StreamTimeout,
		MaxTimeout:    s.MaxTimeout,
		KillGrace:     s.KillGrace,

		MaxBody:                  int64(s.MaxBody),
		MaxFrame:                 int(s.MaxFrame),
		MaxCalls:                 s.MaxCalls,
		MaxCallsPerPrincipal:     s.MaxCallsEach,
		MaxStreamsPerPrincipal:   s.MaxStreamsEach,
		MaxCalleesPerPrincipal:   s.MaxCalleesEach,
		Retention:                s.Retention,
		MaxKeptCalls:             s.MaxKeptEach,
		MaxKeptBytesPerPrincipal: int(s.MaxKeptBytesEach),
		MaxKeptBytes:             int(s.MaxKeptBytes),
		QueueBytes:               int(s.Queue),
	}
}

// authenticate returns what finds out who sent a request; nil lets all in.
func (n *node) authenticate() func(*http.Request) (authn.Principal, error) {
	if n.entrance == nil {
		return nil
	}
	return n.entrance.authenticate
}

// httpAgent is what sessions of HTTP clients are called.
const httpAgent = "wampgate HTTP"

// joinHTTP opens a session for somebody on HTTP.
func (n *node) joinHTTP(realm wamp.URI, id wamp.Identity, roles wamp.Roles, out gateway.Outbox) (gateway.Session, error) {
	session, err := n.router.JoinLocal(realm, id, roles, httpAgent, out)
	if err != nil {
		return nil, err // not a nil *Session in an interface
	}
	return session, nil
}

// callerRoles are the roles of the sessions that HTTP calls run on.
func callerRoles() wamp.Roles {
	return wamp.Roles{Caller: true, CallerFeatures: wamp.FeatureProgressiveCallResults |
		wamp.FeatureProgressiveCallInvocations | wamp.FeatureCallTimeout |
		wamp.FeatureCallCanceling | wamp.FeatureCallerIdentification |
		wamp.FeaturePayloadPassthruMode}
}

// allowedHosts returns the host names that requests may ask for; nil means any.
// A gateway that only this machine reaches and that asks for no credentials
// must know its names, or any web page could call it by DNS rebinding.
func allowedHosts(s *settings) []string {
	if !loopback(s.Listen) {
		return nil
	}
	hosts := []string{}
	if u, err := url.Parse(s.PublicURL); err == nil && u.Host != "" {
		hosts = append(hosts, u.Hostname())
	}
	return hosts
}

// serve listens and serves until ctx ends, then drains and returns when all
// that it started has ended. When the node can be reached it calls started,
// whose context ends when the node has drained.
func (n *node) serve(ctx context.Context, started func(context.Context) error) error {
	if err := n.startKept(ctx); err != nil {
		return err
	}
	if err := n.listen(ctx); err != nil {
		n.closeKept(ctx)
		return err
	}
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	n.stopWork = stop
	failed := make(chan error, 5) // one for each of the following
	n.work.Go(func() { failed <- n.server.Serve(n.listener) })
	if n.admin != nil {
		n.work.Go(func() { failed <- n.serveAdmin() })
	}
	if n.rawSocket != nil {
		n.work.Go(func() { n.serveRawSocket(failed) }) //nolint:contextcheck // connections end with Goodbye
	}
	if n.reloader != nil {
		n.work.Go(func() { n.reloader.run(working) })
	}
	if n.certs != nil {
		n.work.Go(func() {
			if err := n.watchCerts(working); err != nil {
				failed <- err
			}
		})
	}
	if n.adminCerts != nil {
		n.work.Go(func() { n.watchFiles(working, n.adminCerts) })
	}
	n.work.Go(func() {
		if err := started(working); err != nil {
			failed <- err
		}
	})
	var err error
	select {
	case <-ctx.Done():
		n.log.Info("draining", "at_most", n.settings.Drain)
	case err = <-failed:
	case <-n.drains.begun:
		n.log.Info("draining, as an administrator asked", "at_most", n.drains.time(n.settings.Drain))
	}
	return errors.Join(err, n.shutdown())
}

// listen takes the addresses, all or none.
func (n *node) listen(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll(n.listener, n.adminListener, n.rawSocket))
		}
	}()
	if n.listener, err = n.server.Listen(ctx, n.settings.Listen); err != nil {
		return listenError("listen", err)
	}
	if n.admin != nil {
		var config net.ListenConfig
		if n.adminListener, err = config.Listen(ctx, "tcp", n.settings.AdminListen); err != nil {
			return listenError("admin-listen", err)
		}
	}
	if addr := n.settings.RawSocketListen; addr != "" {
		if n.rawSocket, err = listenRawSocket(ctx, addr, fs.FileMode(n.settings.RawSocketMode)); err != nil {
			return listenError("rawsocket-listen", err)
		}
	}
	return nil
}

// closeAll closes the listeners that there are.
func closeAll(listeners ...net.Listener) error {
	var errs []error
	for _, l := range listeners {
		if l != nil {
			errs = append(errs, l.Close())
		}
	}
	return errors.Join(errs...)
}

// listenError says what to do about an address that cannot be had.
func listenError(setting string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w\n  Stop what listens there, or choose another address with --%s; port 0 takes a free one", err, setting)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w\n  Ports below 1024 need privileges; choose another address with --%s", err, setting)
	}
	return err
}

// shutdown ends the node and waits for everything that it started.
func (n *node) shutdown() error {
	drain := n.drains.time(n.settings.Drain)
	ctx, cancel := context.WithTimeout(context.Background(), drain+lastWords)
	defer cancel()
	err := n.server.ShutdownWithin(ctx, drain)
	n.closeKept(ctx) // Goodbye has, unless the server never ran
	n.stopWork()     // as above
	n.gateway.Close()
	if n.admin != nil {
		err = errors.Join(err, n.closeAdmin(ctx))
	}
	n.work.Wait()
	return err
}

// announce says where the node is reached.
func (n *node) announce(w io.Writer) error {
	addr := reachable(n.listener.Addr())
	parts := []string{"wampgate " + version, n.scheme("http") + "://" + addr, n.scheme("ws") + "://" + addr + "/ws", "realm=" + strings.Join(n.settings.Realm, ","), "docs=/docs"}
	if n.rawSocket != nil {
		parts = append(parts, rawSocketURL(n.rawSocket.Addr()))
	}
	if n.admin != nil {
		parts = append(parts, n.adminURL())
	}
	_, err := fmt.Fprintln(w, strings.Join(parts, "  "))
	return err
}
