package authn

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the networks of the proxies that are believed what they say of
// their clients. The zero value believes nobody.
type Proxies []netip.Prefix

// ParseProxies reads networks such as "10.0.0.0/8", and single addresses.
func ParseProxies(texts []string) (Proxies, error) {
	var p Proxies
	for _, text := range texts {
		if addr, err := netip.ParseAddr(text); err == nil {
			addr = addr.Unmap()
			p = append(p, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%q is neither a network such as 10.0.0.0/8 nor an address", text)
		}
		p = append(p, prefix.Masked())
	}
	return p, nil
}

// Trust reports whether addr is one of the proxies.
func (p Proxies) Trust(addr netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// ClientIP returns the address that a request comes from: that of the
// connection's peer, or if it is a trusted proxy, the last one in
// X-Forwarded-For that is not. It is the zero Addr if the peer has none.
func (p Proxies) ClientIP(r *http.Request) netip.Addr {
	client := peerIP(r)
	if len(p) == 0 || !p.Trust(client) {
		return client
	}
	lines := r.Header["X-Forwarded-For"]
	for i := len(lines) - 1; i >= 0; i-- {
		for rest := lines[i]; rest != ""; {
			at := strings.LastIndexByte(rest, ',')
			addr, ok := forwardedIP(rest[at+1:])
			if !ok {
				return client // whoever wrote that is not to be believed
			}
			if client = addr; !p.Trust(addr) {
				return client
			}
			rest = rest[:max(at, 0)]
		}
	}
	return client
}

// forwardedIP reads an item of X-Forwarded-For, which some write with a port.
func forwardedIP(item string) (netip.Addr, bool) {
	item = strings.TrimSpace(item)
	if addr, err := netip.ParseAddr(strings.Trim(item, "[]")); err == nil {
		return addr.Unmap().WithZone(""), true
	}
	at, err := netip.ParseAddrPort(item)
	return at.Addr().Unmap().WithZone(""), err == nil
}

// peerIP returns the address of the connection's peer.
func peerIP(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap().WithZone("")
}
