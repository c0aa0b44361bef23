package rivals

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// natsTimeout bounds the start of the server, and a request.
const natsTimeout = 10 * time.Second

// A NATS front makes a request of each POST /call/SUBJECT. The server is in the
// same process, which spares it a hop.
type NATS struct {
	server *server.Server
	conn   *nats.Conn
}

// StartNATS starts a server on a free port of 127.0.0.1, and connects to it.
func StartNATS() (*NATS, error) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true, MaxPayload: 8 << 20})
	if err != nil {
		return nil, fmt.Errorf("NATS server: %w", err)
	}
	s.Start()
	if !s.ReadyForConnections(natsTimeout) {
		s.Shutdown()
		return nil, errors.New("the NATS server does not get ready")
	}
	conn, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		s.Shutdown()
		return nil, fmt.Errorf("connect to the NATS server: %w", err)
	}
	return &NATS{s, conn}, nil
}

// URL is where the server takes connections.
func (n *NATS) URL() string { return n.server.ClientURL() }

// Close ends the connection and the server.
func (n *NATS) Close() {
	n.conn.Close()
	n.server.Shutdown()
	n.server.WaitForShutdown()
}

// ServeHTTP implements [http.Handler].
func (n *NATS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	reply, err := n.conn.Request(strings.TrimPrefix(r.URL.Path, "/call/"), body, natsTimeout)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	respond(w, reply.Data)
}

// RespondNATS answers requests of a subject with what they carry, until ctx
// ends. It calls ready when the server knows.
func RespondNATS(ctx context.Context, url, subject string, ready func()) error {
	conn, err := nats.Connect(url)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", url, err)
	}
	defer conn.Close()
	if _, err := conn.Subscribe(subject, func(m *nats.Msg) { _ = m.Respond(m.Data) }); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if err := conn.FlushTimeout(natsTimeout); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	ready()
	<-ctx.Done()
	return nil
}
