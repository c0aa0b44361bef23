package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// verifyTimeout is how long a server may take to say how it writes.
	verifyTimeout = 2 * time.Second
	maxVarz       = 1 << 20 // bytes of its answer
)

// connect reaches the servers elsewhere. The connection comes back by itself.
func (e *Engine) connect(ctx context.Context) error {
	urls := strings.Join(e.config.URLs, ",")
	options := []nats.Option{
		nats.Name("wampgate"), nats.MaxReconnects(-1), nats.ReconnectWait(time.Second),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { e.log.Warn("the store is not connected", "err", err) }),
		nats.ReconnectHandler(func(c *nats.Conn) { e.log.Info("the store is connected again", "server", c.ConnectedServerName()) }),
	}
	if e.config.Credentials != "" {
		options = append(options, nats.UserCredentials(e.config.Credentials))
	}
	conn, err := nats.Connect(urls, options...)
	if err != nil {
		return fmt.Errorf("NATS at %s: %w\n  See --nats-urls and --nats-credentials-file", redact(e.config.URLs), err)
	}
	js, err := jetstream.New(conn)
	if err == nil {
		_, err = js.AccountInfo(ctx)
	}
	if err != nil {
		conn.Close()
		return fmt.Errorf("NATS at %s: %w\n  The servers and the account need JetStream", redact(e.config.URLs), err)
	}
	e.conn, e.js, e.durability = conn, js, e.verify(ctx, conn)
	if e.durability != Synced {
		e.log.Warn("accepted calls may not survive power loss", "durability", string(e.durability),
			"advice", "set sync_interval: always in the servers' jetstream section, and nats-monitor so that it can be verified")
	}
	return nil
}

// redact leaves out user names and passwords.
func redact(urls []string) string {
	var safe []string
	for _, u := range urls {
		if scheme, rest, ok := strings.Cut(u, "://"); ok {
			u = scheme + "://" + rest[strings.LastIndex(rest, "@")+1:]
		} else {
			u = u[strings.LastIndex(u, "@")+1:]
		}
		safe = append(safe, u)
	}
	return strings.Join(safe, ", ")
}

// A varz is what a server says of itself that counts here.
type varz struct {
	JetStream *struct {
		Config *struct {
			SyncAlways bool `json:"sync_always"`
		} `json:"config"`
	} `json:"jetstream"`
}

func (v *varz) durability() Durability {
	switch {
	case v.JetStream == nil || v.JetStream.Config == nil:
		return Unverified
	case v.JetStream.Config.SyncAlways:
		return Synced
	}
	return Unsynced
}

// verify asks how the servers write: over the system account where that is
// allowed, else over the monitoring port.
func (e *Engine) verify(ctx context.Context, conn *nats.Conn) Durability {
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	var answer struct{ Data varz }
	if reply, err := conn.RequestWithContext(ctx, "$SYS.REQ.SERVER.PING.VARZ", nil); err == nil {
		if json.Unmarshal(reply.Data, &answer) == nil {
			if d := answer.Data.durability(); d != Unverified {
				return d
			}
		}
	}
	if e.config.Monitor == "" {
		return Unverified
	}
	seen, err := askMonitor(ctx, e.config.Monitor)
	if err != nil {
		e.log.Warn("the monitoring port does not say how the store writes", "err", err)
		return Unverified
	}
	return seen.durability()
}

func askMonitor(ctx context.Context, url string) (*varz, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+"/varz", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // nothing is lost with it
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(resp.Status)
	}
	v := new(varz)
	return v, json.NewDecoder(io.LimitReader(resp.Body, maxVarz)).Decode(v)
}
