package main

import (
	"fmt"
	"io/fs"
	"math"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
	"github.com/wampgate/wampgate/gateway/authn"
)

// settings are what an operator may choose. A field is the flag --name, the
// environment variable WAMPGATE_NAME and the key name of the configuration
// file, and wins in that order. The group tag is what makes a flag a setting.
type settings struct {
	Listen          string   `group:"Addresses" default:"127.0.0.1:8080" placeholder:"ADDR" help:"Address for HTTP and WebSocket; port 0 takes a free one."`
	AdminListen     string   `group:"Addresses" default:"${admin}" placeholder:"ADDR" help:"Address for health checks, counters, profiles and administration; empty turns it off. If other machines reach it, it needs admin-keys or admin-tls-client-ca."`
	RawSocketListen string   `group:"Addresses" name:"rawsocket-listen" placeholder:"ADDR" help:"Address for RawSocket, HOST:PORT or unix:/path; empty turns it off."`
	RawSocketMode   fileMode `group:"Addresses" name:"rawsocket-mode" default:"0600" placeholder:"MODE" help:"Who may connect to a Unix socket: its permissions, in octal."`
	PublicURL       string   `group:"Addresses" name:"public-url" placeholder:"URL" help:"Where clients reach the gateway; makes the types of problems absolute."`
	WSOrigins       []string `group:"Addresses" name:"ws-origins" placeholder:"HOST" help:"Other hosts whose pages may open a WebSocket, such as *.example.com."`
	CORSOrigins     []string `group:"Addresses" name:"cors-origins" placeholder:"ORIGIN" help:"Origins of other pages that may call, such as https://app.example.com."`
	WebhookAllow    []string `group:"Addresses" placeholder:"NETWORK" help:"Networks of the inside where webhooks may be, such as 10.1.0.0/16, over HTTP too; elsewhere they need HTTPS and a public address."`
	TrustedProxies  []string `group:"Addresses" placeholder:"NETWORK" help:"Proxies that are believed what they say of their clients, such as 10.0.0.0/8."`
	TLSCert         string   `group:"TLS" name:"tls-cert" placeholder:"FILE" help:"Certificate in PEM; with it, listen is for HTTPS alone. Read again when it changes."`
	TLSKey          string   `group:"TLS" name:"tls-key" placeholder:"FILE" help:"Its private key."`
	TLSClientCA     string   `group:"TLS" name:"tls-client-ca" placeholder:"FILE" help:"Authorities whose client certificates are taken."`
	ACMEDomains     []string `group:"TLS" name:"acme-domains" placeholder:"NAME" help:"Names to get certificates for by ACME, in place of tls-cert; their port 443 must lead to listen. It is to agree to the authority's terms."`
	ACMEEmail       string   `group:"TLS" name:"acme-email" placeholder:"ADDRESS" help:"Where the authority may write to."`
	ACMEStorage     string   `group:"TLS" name:"acme-storage" placeholder:"FOLDER" help:"Keeps accounts, keys and certificates."`
	ACMEDirectory   string   `group:"TLS" name:"acme-directory" placeholder:"URL" help:"The authority; Let's Encrypt unless given."`
	ACMEDirectoryCA string   `group:"TLS" name:"acme-directory-ca" placeholder:"FILE" help:"Authorities of its own certificate; those of the system unless given."`

	AdminKeys        []string `group:"Admin listener" name:"admin-keys" placeholder:"SHA256" help:"Hashes of the API keys that open it (see 'wampgate token'). Without any, and without admin-tls-client-ca, who is on this machine needs none."`
	AdminTLSCert     string   `group:"Admin listener" name:"admin-tls-cert" placeholder:"FILE" help:"Its certificate in PEM; with it, it speaks HTTPS alone. Read again when it changes."`
	AdminTLSKey      string   `group:"Admin listener" name:"admin-tls-key" placeholder:"FILE" help:"The private key of that."`
	AdminTLSClientCA string   `group:"Admin listener" name:"admin-tls-client-ca" placeholder:"FILE" help:"Authorities whose client certificates open it, each that they sign."`

	MetricsProcedures int `group:"Admin listener" default:"100" help:"Procedures of a realm whose calls /metrics counts by themselves, those registered first; 0 counts none by itself, at most 10000."`

	Realm       []string `group:"Access" default:"realm1" placeholder:"URI" help:"Realms to serve; HTTP calls go to the first."`
	Compat      string   `group:"Access" default:"lenient" enum:"lenient,strict" help:"How to treat clients that bend the protocol: ${enum}."`
	Disclose    string   `group:"Access" default:"both" enum:"both,either,always,never" help:"Who must agree before a callee is told its caller: ${enum}."`
	DiscloseFor []string `group:"Access" placeholder:"RULE" help:"Exceptions, such as com.example.p=never, prefix:com.example.=either, or realm2#=always for a realm."`
	MetaKill    bool     `group:"Access" negatable:"" default:"${metakill}" help:"Let WAMP clients kill sessions and remove callees (wamp.session.kill and others)."`
	MetaHTTP    bool     `group:"Access" name:"meta-http" negatable:"" default:"false" help:"Let HTTP calls reach the meta API (wamp.session.list and others)."`
	Trustlevel  []string `group:"Access" placeholder:"RULE" help:"Trust level that callees are told, such as prefix:com.example.=1, or com.example.pay@admin=3 for a role."`

	DataDir            string        `group:"Persistent calls" name:"data-dir" default:"auto" placeholder:"FOLDER" help:"Folder to keep them in, of this gateway alone. The folder of auto is wampgate in $$XDG_STATE_HOME or ~/.local/state; it is made by the first call, and if it cannot be used, calls are refused. Empty keeps none."`
	NATSURLs           []string      `group:"Persistent calls" name:"nats-urls" placeholder:"URL" help:"NATS servers with JetStream to keep them in, in place of data-dir."`
	NATSCredentials    string        `group:"Persistent calls" name:"nats-credentials-file" placeholder:"FILE" help:"NATS credentials for these."`
	NATSMonitor        string        `group:"Persistent calls" name:"nats-monitor" placeholder:"URL" help:"Monitoring port of one of these; it tells whether they wait for the disk."`
	NATSReplicas       int           `group:"Persistent calls" name:"nats-replicas" default:"1" help:"On how many of these each is kept, 1 to 5."`
	DurableMaxBytes    size          `group:"Persistent calls" default:"1GiB" help:"Bytes of calls, and of results, that are kept; beyond it, none are accepted."`
	DurableMaxCalls    int           `group:"Persistent calls" default:"500000" help:"Calls that are not over, of all realms."`
	DurableMaxResults  int           `group:"Persistent calls" default:"500000" help:"Results that are kept, of all realms; the oldest are forgotten first."`
	DurableMaxLetters  int           `group:"Persistent calls" name:"durable-max-dead-letters" default:"10000" help:"Dead letters, of all realms; with that many, no calls are accepted."`
	DurableRetention   time.Duration `group:"Persistent calls" default:"24h" help:"How long results are kept, if there is room."`
	DurableMinKeep     time.Duration `group:"Persistent calls" name:"durable-min-retention" default:"10m" help:"How long in any case; without room for younger ones, no calls are accepted."`
	DurableExpiry      time.Duration `group:"Persistent calls" default:"24h" help:"How long a call is tried that does not say."`
	DurableAttempts    int           `group:"Persistent calls" default:"5" help:"How often a call is tried."`
	DurableCrashes     int           `group:"Persistent calls" default:"3" help:"How many callees' sessions a call may take along."`
	DurableAttemptTime time.Duration `group:"Persistent calls" name:"durable-attempt-timeout" default:"15m" help:"How long a callee may take."`
	DurableConcurrency int           `group:"Persistent calls" default:"256" help:"Calls of one procedure that are under way at once."`
	DurableRetryOn     []string      `group:"Persistent calls" placeholder:"URI" help:"Errors of callees after which a call is tried again."`

	TransactionTimeout    time.Duration `group:"Transactions" default:"1m" help:"How long a transaction may take to be decided that does not say; then it is rolled back. At most 1h."`
	TransactionMax        int           `group:"Transactions" default:"10000" help:"Open transactions, of all realms; with that many, no more begin."`
	TransactionRetention  time.Duration `group:"Transactions" default:"24h" help:"How long those are kept that have ended."`
	TransactionStuckAfter int           `group:"Transactions" default:"20" help:"After how many failed tries to undo or confirm a call a transaction is called stuck. It is tried on."`

	OpenapiPrefix  string `group:"Documents" default:"/api" placeholder:"PATH" help:"What the paths of imported OpenAPI documents begin with, unless they have a prefix of their own."`
	OpenapiAnswers string `group:"Documents" default:"off" enum:"off,log,enforce" help:"What becomes of answers that are not as such a document describes them: ${enum} (502)."`

	CheckResults string `group:"Documents" default:"off" enum:"off,log,enforce" help:"What becomes of results that are not as their procedure describes them: ${enum} (502)."`

	ErrorStatus      int  `group:"Errors" default:"500" help:"Status of callees' own errors that nothing else decides, from 400 to 599."`
	ErrorHints       bool `group:"Errors" negatable:"" default:"true" help:"Take the status of such an error from the end of its URI, as in com.example.not_found."`
	HideUnauthorized bool `group:"Errors" negatable:"" default:"false" help:"Answer 404 in place of 401 and 403 to calls that are not allowed."`
	ExposeCallee     bool `group:"Errors" negatable:"" default:"false" help:"Tell HTTP clients which registration and session answered (Wamp-Registration, Wamp-Callee)."`
	Tracebacks       bool `group:"Errors" negatable:"" default:"false" help:"Let out the keyword traceback of callees' errors."`

	MaxBody          size    `group:"Limits" default:"4MiB" help:"Bytes of a request body that is one call."`
	MaxFrame         size    `group:"Limits" default:"1MiB" help:"Bytes of one item of a streamed request."`
	MaxMessage       size    `group:"Limits" default:"4MiB" help:"Bytes of one WebSocket or RawSocket message, either way."`
	Queue            size    `group:"Limits" default:"4MiB" help:"Bytes waiting for one WAMP peer or HTTP call."`
	MaxSessions      int     `group:"Limits" default:"100000" help:"WAMP sessions of the gateway."`
	MaxSessionsEach  int     `group:"Limits" default:"20000" help:"Of these, those of one principal, or of one address without credentials."`
	MaxRegistrations int     `group:"Limits" default:"100000" help:"Registrations of a realm."`
	MaxSubscriptions int     `group:"Limits" default:"10000" help:"Subscriptions to meta events of a realm, of which a session may have 100."`
	MaxCalls         int     `group:"Limits" default:"10000" help:"Calls in flight of a realm."`
	MaxWaiting       int     `group:"Limits" default:"1000" help:"Calls of a registration that wait because all its callees are busy."`
	MaxWaitingBytes  size    `group:"Limits" default:"4MiB" help:"Bytes that these hold; 16 times as many in a realm."`
	MaxCallsEach     int     `group:"Limits" default:"256" help:"HTTP calls in flight of one principal."`
	MaxStreamsEach   int     `group:"Limits" default:"64" help:"HTTP streams of one principal."`
	MaxKeptEach      int     `group:"Limits" default:"1000" help:"Calls of one principal under /calls, running or ended; the oldest ended ones are forgotten first."`
	MaxKeptBytesEach size    `group:"Limits" default:"16MiB" help:"Bytes of answers and events kept of the ended ones."`
	MaxKeptBytes     size    `group:"Limits" default:"256MiB" help:"The same of all principals."`
	MaxCalleesEach   int     `group:"Limits" default:"100" help:"Registrations over HTTP of one principal."`
	Rate             float64 `group:"Limits" default:"${rate}" help:"HTTP requests a second of one principal, or of one address without credentials; 0 is no limit."`
	Burst            int     `group:"Limits" default:"0" help:"How many of them may come at once; 0 is twice the rate."`

	ShedDelay     time.Duration `group:"Timeouts" default:"${shed}" help:"How long requests may wait, before anything is done for them, until calls are refused; 0 refuses none for that."`
	CallTimeout   time.Duration `group:"Timeouts" default:"30s" help:"Time an HTTP call has unless it asks for another."`
	StreamTimeout time.Duration `group:"Timeouts" default:"10m" help:"The same for calls with a streamed request or answer."`
	MaxTimeout    time.Duration `group:"Timeouts" default:"1h" help:"The most that an HTTP call may ask for."`
	Retention     time.Duration `group:"Timeouts" default:"10m" help:"How long a call under /calls is kept after its end."`
	AckTimeout    time.Duration `group:"Timeouts" default:"5s" help:"How long a call that wants an acknowledgement waits for it."`
	KillGrace     time.Duration `group:"Timeouts" default:"5s" help:"How long a canceled call waits for its callee's word."`
	MaxWait       time.Duration `group:"Timeouts" default:"10s" help:"How long a call waits for a callee that is not busy."`
	Handover      time.Duration `group:"Timeouts" name:"handover-timeout" default:"5s" help:"How long calls of a shard that moves wait for its old owner."`
	HelloTimeout  time.Duration `group:"Timeouts" default:"10s" help:"How long a WAMP peer may take to say HELLO."`
	PingInterval  time.Duration `group:"Timeouts" default:"30s" help:"Time between the pings of a WAMP peer."`
	PingTimeout   time.Duration `group:"Timeouts" default:"20s" help:"How long it may be silent after one."`
	StallTimeout  time.Duration `group:"Timeouts" default:"60s" help:"How long a WAMP peer may take no bytes before it is cut off."`
	WriteTimeout  time.Duration `group:"Timeouts" default:"30s" help:"The same for an HTTP client."`
	Drain         time.Duration `group:"Timeouts" default:"20s" help:"How long calls in flight may go on after SIGTERM."`

	LogFormat string `group:"Logs" default:"text" enum:"text,json" help:"Format of the log: ${enum}."`
	LogLevel  string `group:"Logs" default:"info" enum:"debug,info,warn,error" help:"Least level that is logged: ${enum}."`

	imports      []importSpec      // of the configuration file
	descriptions []descriptionSpec // as imports
	access       *access           // of the configuration file; nil, in dev: everybody may do everything
	anonymous    bool              // with access: whether anybody is let in
	stateDir     string            // the folder that data-dir auto stands for; empty if there is none
}

// A fault is a setting that cannot be used, and why.
type fault struct{ name, text string }

// faults checks what the types of the fields cannot express.
func (s *settings) faults() []fault {
	var all []fault
	add := func(name, text string) {
		if text != "" {
			all = append(all, fault{name, text})
		}
	}
	add("listen", addressFault(s.Listen))
	add("rawsocket-listen", rawSocketFault(s.RawSocketListen))
	add("public-url", publicURLFault(s.PublicURL))
	add("realm", realmsFault(s.Realm))
	add("openapi-prefix", prefixFault(s.OpenapiPrefix))
	add("nats-replicas", replicasFault(s.NATSReplicas))
	if s.TransactionTimeout > time.Hour {
		add("transaction-timeout", "is more than 1h")
	}
	add("metrics-procedures", procedureCountFault(s.MetricsProcedures))
	add("disclose-for", discloseFault(s.DiscloseFor, s.Realm))
	add("trustlevel", trustFault(s.Trustlevel, s.Realm))
	all = append(all, s.limitFaults()...)
	all = append(all, s.tlsFaults()...)
	all = append(all, s.adminFaults()...)
	if s.ErrorStatus < 400 || s.ErrorStatus > 599 {
		add("error-status", "is not from 400 to 599")
	}
	if s.Rate < 0 || s.Burst < 0 || math.IsNaN(s.Rate) {
		add("rate", "neither rate nor burst can be less than 0")
	}
	if err := gateway.CheckOrigins(s.CORSOrigins); err != nil {
		add("cors-origins", err.Error())
	}
	if _, err := authn.ParseProxies(s.TrustedProxies); err != nil {
		add("trusted-proxies", err.Error())
	}
	if _, err := authn.ParseProxies(s.WebhookAllow); err != nil {
		add("webhook-allow", err.Error())
	}
	for name, d := range map[string]time.Duration{"call-timeout": s.CallTimeout, "stream-timeout": s.StreamTimeout} {
		if d > s.MaxTimeout {
			add(name, fmt.Sprintf("%v is more than max-timeout, %v", d, s.MaxTimeout))
		}
	}
	slices.SortFunc(all, func(a, b fault) int { return strings.Compare(a.name, b.name) })
	return all
}

func addressFault(addr string) string {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Sprintf("%q is not HOST:PORT, such as 127.0.0.1:8080", addr)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Sprintf("%q is not a port between 0 and 65535", port)
	}
	return ""
}

// maxSocketPath is the longest path that every system has room for.
const maxSocketPath = 103

func rawSocketFault(addr string) string {
	if addr == "" {
		return ""
	}
	path, isUnix := strings.CutPrefix(addr, unixPrefix)
	switch {
	case !isUnix:
		return addressFault(addr)
	case !filepath.IsAbs(path):
		return fmt.Sprintf("%q is not unix: with an absolute path, such as unix:/run/wampgate.sock", addr)
	case len(path) > maxSocketPath:
		return fmt.Sprintf("the path of a Unix socket has at most %d bytes, this one %d", maxSocketPath, len(path))
	}
	return ""
}

func publicURLFault(s string) string {
	u, err := url.Parse(s)
	if s != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		return fmt.Sprintf("%q is not an http or https URL", s)
	}
	return ""
}

func realmsFault(realms []string) string {
	if len(realms) == 0 {
		return "name at least one"
	}
	for i, r := range realms {
		if !wamp.URI(r).Valid() {
			return fmt.Sprintf("%q is not a WAMP URI", r)
		}
		if slices.Contains(realms[:i], r) {
			return fmt.Sprintf("%q is there twice", r)
		}
	}
	return ""
}

// limitFaults refuses what is not positive: no limit can be turned off, only
// the time to drain may be zero.
func (s *settings) limitFaults() []fault {
	var all []fault
	for name, n := range map[string]int64{
		"max-body": int64(s.MaxBody), "max-frame": int64(s.MaxFrame), "max-message": int64(s.MaxMessage), "queue": int64(s.Queue),
		"max-sessions": int64(s.MaxSessions), "max-registrations": int64(s.MaxRegistrations), "max-calls": int64(s.MaxCalls),
		"max-waiting": int64(s.MaxWaiting), "max-waiting-bytes": int64(s.MaxWaitingBytes), "max-wait": int64(s.MaxWait),
		"max-subscriptions": int64(s.MaxSubscriptions), "max-sessions-each": int64(s.MaxSessionsEach), "max-callees-each": int64(s.MaxCalleesEach),
		"max-calls-each": int64(s.MaxCallsEach), "max-streams-each": int64(s.MaxStreamsEach),
		"max-kept-each": int64(s.MaxKeptEach), "max-kept-bytes-each": int64(s.MaxKeptBytesEach), "max-kept-bytes": int64(s.MaxKeptBytes),
		"retention":         int64(s.Retention),
		"durable-max-bytes": int64(s.DurableMaxBytes), "durable-max-calls": int64(s.DurableMaxCalls),
		"durable-max-results": int64(s.DurableMaxResults), "durable-max-dead-letters": int64(s.DurableMaxLetters), "durable-min-retention": int64(s.DurableMinKeep),
		"transaction-timeout": int64(s.TransactionTimeout), "transaction-max": int64(s.TransactionMax),
		"transaction-retention": int64(s.TransactionRetention), "transaction-stuck-after": int64(s.TransactionStuckAfter),
		"durable-retention": int64(s.DurableRetention), "durable-expiry": int64(s.DurableExpiry),
		"durable-attempts": int64(s.DurableAttempts), "durable-crashes": int64(s.DurableCrashes),
		"durable-attempt-timeout": int64(s.DurableAttemptTime), "durable-concurrency": int64(s.DurableConcurrency),
		"call-timeout": int64(s.CallTimeout), "stream-timeout": int64(s.StreamTimeout), "max-timeout": int64(s.MaxTimeout),
		"ack-timeout": int64(s.AckTimeout), "kill-grace": int64(s.KillGrace), "handover-timeout": int64(s.Handover),
		"hello-timeout": int64(s.HelloTimeout), "ping-interval": int64(s.PingInterval),
		"ping-timeout": int64(s.PingTimeout), "stall-timeout": int64(s.StallTimeout), "write-timeout": int64(s.WriteTimeout),
		"drain": int64(s.Drain) + 1, "shed-delay": int64(s.ShedDelay) + 1,
	} {
		if n <= 0 {
			all = append(all, fault{name, "is too small"})
		}
	}
	return all
}

// A fileMode is the permissions of a file. It is written in octal.
type fileMode fs.FileMode

// UnmarshalText reads a fileMode.
func (m *fileMode) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 8, 16)
	if err != nil || n&^uint64(fs.ModePerm) != 0 {
		return fmt.Errorf("%q is no permissions; write them in octal, such as 0660", text)
	}
	*m = fileMode(n)
	return nil
}

// String writes a fileMode as it is read.
func (m fileMode) String() string { return fmt.Sprintf("%04o", uint32(m)) }

// A size is a number of bytes. It is written as a plain number or with one of
// the units KiB, MiB and GiB, and has no upper limit but int64's.
type size int64

// UnmarshalText reads a size.
func (s *size) UnmarshalText(text []byte) error {
	digits, shift := string(text), 0
	for i, unit := range []string{"KiB", "MiB", "GiB"} {
		if n, ok := strings.CutSuffix(digits, unit); ok {
			digits, shift = strings.TrimSpace(n), 10*(i+1)
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n<<shift>>shift != n {
		return fmt.Errorf("%q is not a size; write bytes, or a number with KiB, MiB or GiB", text)
	}
	*s = size(n << shift)
	return nil
}

// String writes a size in the largest unit that divides it.
func (s size) String() string {
	for _, u := range []struct {
		name  string
		shift int
	}{{"GiB", 30}, {"MiB", 20}, {"KiB", 10}} {
		if s != 0 && s>>u.shift<<u.shift == s {
			return strconv.FormatInt(int64(s>>u.shift), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}
