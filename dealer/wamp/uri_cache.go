package wamp

const (
	maxCachedURIs   = 256
	maxCachedURILen = 128
)

// A uriCache makes one string of all occurrences of a URI. When it is full it
// starts anew, so that its memory is bounded and every set of up to
// maxCachedURIs URIs ends up in it.
type uriCache struct{ known map[string]URI }

// intern returns b as a URI that does not alias b.
func (c *uriCache) intern(b []byte) URI {
	if u, ok := c.known[string(b)]; ok {
		return u
	}
	u := URI(b)
	if len(b) > maxCachedURILen {
		return u
	}
	if c.known == nil {
		c.known = make(map[string]URI)
	}
	if len(c.known) >= maxCachedURIs {
		clear(c.known)
	}
	c.known[string(u)] = u
	return u
}
