package wamp

// The scheme and the serializer that the option "passthru" stands for: the
// payload is as it would be without.
const (
	plainScheme     = "x_passthru"
	plainSerializer = "native"
)

// passthru reads the value of key if it belongs to payload passthru mode, and
// reports whether it does. What was read counts after [Passthru.inUse].
func (c *codec) passthru(key []byte, at **Passthru) bool {
	if len(key) < 4 || string(key[:4]) != "ppt_" {
		return false
	}
	switch string(key) {
	case "ppt_scheme":
		c.optionalString("ppt_scheme", &open(at).Scheme)
	case "ppt_serializer":
		c.optionalString("ppt_serializer", &open(at).Serializer)
	case "ppt_cipher":
		c.optionalString("ppt_cipher", &open(at).Cipher)
	case "ppt_keyid":
		c.optionalString("ppt_keyid", &open(at).KeyID)
	default:
		return false
	}
	return true
}

// plainPassthru reads the option "passthru", which is true or false. A scheme
// that is named goes before it.
func (c *codec) plainPassthru(what string, at **Passthru) {
	on := false
	c.bool(what, &on)
	if on {
		open(at).plain = true
	}
}

// open returns what at points to, which it makes if there is nothing.
func open(at **Passthru) *Passthru {
	if *at == nil {
		*at = new(Passthru)
	}
	return *at
}

// inUse returns p, or nil if no scheme is named: the other keys mean nothing
// then.
func (p *Passthru) inUse() *Passthru {
	switch {
	case p == nil:
		return nil
	case p.Scheme == "" && p.plain:
		return &Passthru{Scheme: plainScheme, Serializer: plainSerializer}
	case p.Scheme == "":
		return nil
	}
	p.plain = false
	return p
}

// size returns how many keys p is written as.
func (p *Passthru) size() int {
	if p == nil {
		return 0
	}
	return count(p.Cipher != "", p.KeyID != "", p.Scheme != "", p.Serializer != "")
}

// passthru writes the keys of p, which may be nil.
func (w *writer) passthru(p *Passthru) {
	if p == nil {
		return
	}
	w.text("ppt_cipher", p.Cipher)
	w.text("ppt_keyid", p.KeyID)
	w.text("ppt_scheme", p.Scheme)
	w.text("ppt_serializer", p.Serializer)
}
