package transport

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// A slowConn takes a few bytes at a time, with a pause before.
type slowConn struct {
	net.Conn
	pause time.Duration // 0 during the handshake
}

func (c *slowConn) Read(b []byte) (int, error) {
	time.Sleep(c.pause) // of synctest's clock
	return c.Conn.Read(b[:min(len(b), 8<<10)])
}

// tlsPair returns the two ends of a TLS connection in memory.
func tlsPair(t *testing.T) (server, client *tls.Conn, slow *slowConn) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	a, b := net.Pipe()
	slow = &slowConn{Conn: b}
	certificate := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
	server = tls.Server(a, &tls.Config{Certificates: []tls.Certificate{certificate}, SessionTicketsDisabled: true, DynamicRecordSizingDisabled: true, MinVersion: tls.VersionTLS13})
	client = tls.Client(slow, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
	shaken := make(chan error, 1)
	go func() { shaken <- server.Handshake() }()
	if err := errors.Join(client.Handshake(), <-shaken); err != nil {
		t.Fatal(err)
	}
	return server, client, slow
}

// TestSlowOverTLS: a peer that takes a large message over TLS by and by gets all
// of it, however long that takes, and one that stops on the way is cut off
// WriteTimeout later.
func TestSlowOverTLS(t *testing.T) {
	t.Parallel()
	for name, stops := range map[string]bool{"slow": false, "stops": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server, client, slow := tlsPair(t)
				config := Config{}.withDefaults()
				config.WriteTimeout = time.Minute
				o := newOutbox(server, format{serializer: wamp.JSON, limit: 1 << 20}, &config, &bufferPool{}, &traffics{})
				message := bytes.Repeat([]byte("7"), 300<<10)
				payload := wamp.Payload{Serializer: wamp.JSON, Args: append(append([]byte("["), message...), ']')}
				if err := o.Push(&wamp.Result{Request: 1, Payload: payload}); err != nil {
					t.Fatal(err)
				}
				slow.pause = 8 * time.Second // a record takes less than a minute, 64 KiB more
				start := time.Now()
				o.Flush()
				got := make([]byte, 100<<10)
				if _, err := io.ReadFull(client, got); err != nil {
					t.Fatalf("after %v: %v", time.Since(start), err)
				}
				stopped := time.Now()
				if stops {
					<-o.open.Done()
					took := time.Since(stopped)
					if err := o.closed(); !errors.Is(err, errWriteTimeout) || took > config.WriteTimeout {
						t.Errorf("ended after %v with %v, want %v", took, err, errWriteTimeout)
					}
				} else {
					rest := make([]byte, len(message)-len(got))
					if _, err := io.ReadFull(client, rest); err != nil || rest[len(rest)-1] != '7' {
						t.Errorf("after %v: %v", time.Since(start), err)
					}
					if err := o.atMost(context.Background(), 100); err != nil || o.closed() != nil {
						t.Errorf("closed: %v", o.closed())
					}
				}
				_ = slow.Close()
				_ = server.NetConn().Close()
				o.stop()
			})
		})
	}
}
