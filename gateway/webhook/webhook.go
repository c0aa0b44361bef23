// Package webhook hands calls to web servers, each as a signed request.
//
// Servers are named by those who register, so the package trusts no name: what
// a name stands for is looked up once, judged, and then dialed, so that nobody
// reaches what only this machine can reach (server-side request forgery).
package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// ErrUpstream is the error of a server that did not answer as it should.
const ErrUpstream = wamp.ErrUpstream

// A Resolver finds the addresses of a host; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// A Config says what a Client may reach. Zero values mean the defaults in the
// comments.
type Config struct {
	// Allow are networks of the inside that may be reached, over HTTP without
	// TLS too; default: none.
	Allow []netip.Prefix
	// Resolver finds addresses; default: the system's.
	Resolver Resolver
	// Dial opens a connection to an address that was judged, until ctx ends, at
	// most 20 s after the look-up began; default: a dialer with a time limit of
	// 10 s.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// MaxBody bounds the bytes of an answer, or of one item of a streamed one,
	// after decompression; default 4 MiB.
	MaxBody int64
	// RootCAs are whose certificates are believed; nil: the system's.
	RootCAs *x509.CertPool
}

// A Client makes the requests. Its methods may be called at once from any
// goroutine.
type Client struct {
	cfg  Config
	http *http.Client
}

// New returns a Client. It starts nothing that Close does not end.
func New(cfg Config) *Client {
	if cfg.Resolver == nil {
		cfg.Resolver = net.DefaultResolver
	}
	if cfg.Dial == nil {
		cfg.Dial = (&net.Dialer{Timeout: 10 * time.Second}).DialContext
	}
	if cfg.MaxBody <= 0 {
		cfg.MaxBody = 4 << 20
	}
	c := &Client{cfg: cfg}
	transport := &http.Transport{
		DialContext:            c.dial, // and no proxy: it would dial for us
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cfg.RootCAs},
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    32,
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: 32 << 10,
	}
	c.http = &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// Close closes the connections that no request uses.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Check reports why a URL cannot be called, as far as that shows before its
// host is looked up.
func (c *Client) Check(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || len(raw) > 2048 {
		return errors.New("it is no URL, or too long")
	}
	return c.check(u)
}

func (c *Client) check(u *url.URL) error {
	host := u.Hostname()
	addr, literal := literalAddr(host)
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("it must begin with https://")
	case host == "" || u.Opaque != "":
		return errors.New("it names no host")
	case strings.ContainsFunc(host, func(r rune) bool { return r > unicode.MaxASCII }):
		return errors.New("its host must be written in ASCII (xn--…)") // some other digits and dots are read as ours
	case u.User != nil:
		return errors.New("it must hold no user and no password; requests are signed")
	case u.Fragment != "":
		return errors.New("it must have no fragment")
	case !validPort(u.Port()):
		return errors.New("its port is none")
	case literal:
		return c.judge(addr, u.Scheme == "http")
	case numeric(host):
		return errors.New("its host is a number; write addresses with four parts, or a name")
	case u.Scheme == "http" && len(c.cfg.Allow) == 0:
		return errors.New("it must begin with https://")
	}
	return nil
}

func validPort(port string) bool {
	if port == "" {
		return true
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// literalAddr reads a host that is an address, without a zone.
func literalAddr(host string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(host)
	return addr, err == nil
}

// numeric reports whether a host is an address in a spelling that some
// resolvers take: decimal, octal, hexadecimal, or with fewer parts.
func numeric(host string) bool {
	last := strings.ToLower(strings.TrimSuffix(host, "."))
	last = last[strings.LastIndexByte(last, '.')+1:]
	digits := "0123456789"
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		last, digits = "0"+hex, digits+"abcdef"
	}
	return last != "" && strings.Trim(last, digits) == "" // no domain of the highest level is a number (RFC 3696, section 2)
}

// How far a connection is tried, however many addresses a name stands for and
// whether or not anybody still waits for it: net/http goes on with connections
// whose requests have ended.
const (
	connectTime  = 20 * time.Second
	connectTries = 4
)

// dial looks a host up, judges what it stands for, and dials just that.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addrs, err := c.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	secure, _ := ctx.Value(secureKey{}).(bool)
	var refused error
	tries := 0
	for _, addr := range addrs {
		if err := c.judge(addr, !secure); err != nil {
			if tries == 0 {
				refused = err
			}
			continue
		}
		if tries++; tries > connectTries {
			break
		}
		conn, err := c.cfg.Dial(ctx, network, net.JoinHostPort(addr.Unmap().String(), port))
		if err == nil {
			return conn, nil
		}
		refused = fmt.Errorf("connect: %w", err)
	}
	if refused == nil {
		refused = errors.New("the host has no address")
	}
	return nil, refused
}

func (c *Client) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, ok := literalAddr(host); ok {
		return []netip.Addr{addr}, nil
	}
	if numeric(host) {
		return nil, errForbidden
	}
	addrs, err := c.cfg.Resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", host, err)
	}
	return addrs, nil
}

// secureKey marks the context of a request with TLS. Any other may go only
// where Config.Allow says.
type secureKey struct{}

// errForbidden does not say which address it is: whoever asks might be mapping
// the inside.
var errForbidden = errors.New("its address is not one that webhooks may have")

// judge reports whether an address may be dialed.
func (c *Client) judge(addr netip.Addr, plain bool) error {
	if addr.Zone() != "" {
		return errForbidden
	}
	addr = addr.Unmap()
	for _, prefix := range c.cfg.Allow {
		if prefix.Contains(addr) {
			return nil
		}
	}
	if plain {
		return errors.New("it must begin with https://; only networks that the operator allows are called without TLS")
	}
	if !Public(addr) {
		return errForbidden
	}
	return nil
}

// denied are the networks that are not the Internet (the registries of RFC
// 6890, with the addresses of clouds' metadata), beside those that netip knows.
func denied() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"),
		netip.MustParsePrefix("100.64.0.0/10"),    // behind a provider's NAT
		netip.MustParsePrefix("168.63.129.16/32"), // Azure's, for its machines alone
		netip.MustParsePrefix("192.0.0.0/24"),
		netip.MustParsePrefix("192.0.2.0/24"),
		netip.MustParsePrefix("192.88.99.0/24"),
		netip.MustParsePrefix("198.18.0.0/15"),
		netip.MustParsePrefix("198.51.100.0/24"),
		netip.MustParsePrefix("203.0.113.0/24"),
		netip.MustParsePrefix("240.0.0.0/4"),
		netip.MustParsePrefix("2001::/23"), // with Teredo, which hides an IPv4 address
		netip.MustParsePrefix("2001:db8::/32"),
		netip.MustParsePrefix("3fff::/20"),
	}
}

// Public reports whether an address belongs to the Internet and not to this
// machine, its networks or a special use. An IPv4 address inside one of IPv6
// (mapped, NAT64, 6to4) is judged as itself. Of the rest of IPv6 only what is
// assigned as global unicast is the Internet (RFC 4291, section 2.4; 2000::/3),
// so that no other form of an IPv4 address needs to be known.
func Public(addr netip.Addr) bool {
	addr = addr.Unmap()
	switch {
	case !addr.IsValid(), addr.Zone() != "", addr.IsUnspecified(), addr.IsLoopback(), addr.IsPrivate(),
		addr.IsLinkLocalUnicast(), addr.IsMulticast():
		return false
	}
	if v4, ok := embedded(addr); ok {
		return Public(v4)
	}
	if addr.Is6() && !netip.MustParsePrefix("2000::/3").Contains(addr) {
		return false
	}
	for _, prefix := range denied() {
		if prefix.Contains(addr) {
			return false
		}
	}
	return true
}

// embedded returns the IPv4 address that a NAT64 (RFC 6052) or 6to4 (RFC 3056)
// address leads to.
func embedded(addr netip.Addr) (netip.Addr, bool) {
	if !addr.Is6() {
		return addr, false
	}
	b := addr.As16()
	switch {
	case netip.MustParsePrefix("64:ff9b::/96").Contains(addr):
		return netip.AddrFrom4([4]byte(b[12:16])), true
	case netip.MustParsePrefix("2002::/16").Contains(addr):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	}
	return addr, false
}
