package transport_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/transport"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/test/wamptest"
)

const ticketHello = `[1, "realm1", {"authmethods": ["ticket"], "authid": "ada", "roles": {"caller": {}}}]`

// guarded is a server that lets ada in with the ticket "secret".
func guarded(t *testing.T) *wamptest.Server {
	t.Helper()
	a, err := auth.New(auth.Config{Principals: []auth.Principal{{Authid: "ada", Role: "user", Ticket: auth.HashTicket("secret")}}})
	if err != nil {
		t.Fatal(err)
	}
	return wamptest.Serve(t, wamptest.Config{Router: router.Config{Auth: a}})
}

// TestChallenge logs in and out again, with a CHALLENGE each time.
func TestChallenge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := guarded(t)
		p := s.Dial(t, wamp.MsgPack)
		for range 2 {
			p.Send(ticketHello)
			p.Want(`[4, "ticket", {}]`)
			p.Send(`[5, "secret", {}]`)
			p.Want(`[2, "*", "*"]`)
			p.Send(`[6, {}, "wamp.close.normal"]`)
			p.Want(`[6, {}, "wamp.close.goodbye_and_out"]`)
		}
	})
}

// TestChallengeRefused ends sessions that never open, in every way.
func TestChallengeRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		send   string // in answer to the CHALLENGE
		abort  wamp.URI
		status int
	}{
		"wrong ticket":    {`[5, "wrong", {}]`, wamp.ErrAuthenticationDenied, 1008},
		"second HELLO":    {ticketHello, wamp.ErrProtocolViolation, 1002},
		"call":            {`[48, 1, {}, "com.example.a"]`, wamp.ErrProtocolViolation, 1002},
		"goodbye":         {`[6, {}, "wamp.close.normal"]`, wamp.ErrProtocolViolation, 1002},
		"client gives up": {`[3, {}, "wamp.error.cannot_authenticate"]`, "", 1000},
		"no answer":       {"", "", 1008},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := guarded(t)
				p := s.Dial(t, wamp.JSON)
				start := time.Now()
				time.Sleep(transport.DefaultHelloTimeout - time.Second)
				p.Send(ticketHello)
				p.Want(`[4, "ticket", {}]`)
				if tt.send != "" {
					p.Send(tt.send)
				}
				if tt.abort != "" {
					p.Want(fmt.Sprintf(`[3, {"message": "*"}, %q]`, tt.abort))
				}
				p.WantClosed(websocket.StatusCode(tt.status))
				if took := time.Since(start); tt.send == "" && took != transport.DefaultHelloTimeout {
					t.Errorf("given up after %v, want %v", took, transport.DefaultHelloTimeout)
				}
				synctest.Wait()
				if got := s.Router.Stats(); got.Pending != 0 || got.Sessions != 0 {
					t.Errorf("%d sessions and %d pending are left", got.Sessions, got.Pending)
				}
			})
		})
	}
}

// TestAuthenticateFirst answers a CHALLENGE that never was.
func TestAuthenticateFirst(t *testing.T) {
	t.Parallel()
	p := guarded(t).Dial(t, wamp.JSON)
	p.Send(`[5, "secret", {}]`)
	p.Want(`[3, "*", "wamp.error.protocol_violation"]`)
	p.WantClosed(1002)
}

// TestTLSLogin logs in by certificate, and with cryptosign bound to the TLS
// connection; a signature that is bound to another connection is refused.
func TestTLSLogin(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	certificate := selfSigned(t, public, private)
	a, err := auth.New(auth.Config{Principals: []auth.Principal{
		{
			Authid: "ada", Role: "user", Keys: []auth.PublicKey{auth.PublicKey(public)},
			Certificates: []auth.Fingerprint{sha256.Sum256(certificate.Certificate[0])},
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	h := transport.New(transport.Config{Router: router.New(router.Config{Realms: []dealer.Config{{Realm: wamptest.Realm}}, Auth: a})})
	server := httptest.NewUnstartedServer(h)
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS13}
	server.StartTLS()
	t.Cleanup(server.Close)
	t.Cleanup(func() { _ = h.Shutdown(context.Background()) })
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())

	var state tls.ConnectionState
	dial := func(certificates ...tls.Certificate) *transport.Conn {
		t.Helper()
		d := tls.Dialer{Config: &tls.Config{RootCAs: roots, Certificates: certificates, MinVersion: tls.VersionTLS13, ServerName: "example.com"}}
		client := &http.Client{Transport: &http.Transport{DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := d.DialContext(ctx, network, addr)
			if err == nil {
				state = c.(*tls.Conn).ConnectionState()
			}
			return c, err
		}}}
		c, err := transport.Dial(t.Context(), strings.Replace(server.URL, "https", "wss", 1), wamp.JSON, &transport.DialOptions{HTTPClient: client})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	hello := func(method string, extra wamp.Dict) *wamp.Hello {
		h := wamptest.NewHello()
		h.Details["authmethods"], h.Details["authextra"] = []any{method}, extra
		return h
	}

	welcome, err := dial(certificate).Join(t.Context(), hello("tls", nil))
	if err != nil {
		t.Fatal(err)
	}
	if got := welcome.Details; got["authid"] != "ada" || got["authmethod"] != "tls" {
		t.Errorf("WELCOME %v", got)
	}
	if _, err := dial().Join(t.Context(), hello("tls", nil)); err == nil {
		t.Error("came in without a certificate")
	}

	for _, bound := range []bool{true, false} {
		c := dial()
		if err := c.Send(hello("cryptosign", wamp.Dict{"pubkey": hex.EncodeToString(public), "channel_binding": "tls-exporter"})); err != nil {
			t.Fatal(err)
		}
		m, err := c.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		challenge, ok := m.(*wamp.Challenge)
		if !ok || challenge.Extra["channel_binding"] != "tls-exporter" {
			t.Fatalf("HELLO came to %+v", m)
		}
		text, _ := challenge.Extra.String("challenge")
		message, _ := hex.DecodeString(text)
		id, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", []byte{}, 32)
		if err != nil {
			t.Fatal(err)
		}
		for i := range message {
			if bound {
				message[i] ^= id[i]
			}
		}
		signature := hex.EncodeToString(ed25519.Sign(private, message)) + hex.EncodeToString(message)
		if err := c.Send(&wamp.Authenticate{Signature: signature}); err != nil {
			t.Fatal(err)
		}
		m, err = c.Receive(t.Context())
		if _, welcome := m.(*wamp.Welcome); err != nil || welcome != bound {
			t.Errorf("bound %t: AUTHENTICATE came to %+v, %v", bound, m, err)
		}
	}
}

// selfSigned returns a certificate.
func selfSigned(t *testing.T, public ed25519.PublicKey, private ed25519.PrivateKey) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(nil, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
}
