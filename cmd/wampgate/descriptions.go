package main

import (
	"encoding/json"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/wampgate/wampgate/dealer/match"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
)

// descriptions are what the configuration file tells of procedures. Where a
// callee tells something else, the file is right: its members take the place of
// the callee's. Any goroutine may use them.
type descriptions struct {
	generation atomic.Uint64 // 0 if there are none; else another one after each change

	mu       sync.Mutex // guards the following fields
	reads    uint64
	index    match.Index[*descriptionSpec]
	prefixes match.Index[*descriptionSpec] // alone
}

// set takes over what a file says.
func (d *descriptions) set(specs []descriptionSpec) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reads++
	d.index, d.prefixes = match.Index[*descriptionSpec]{}, match.Index[*descriptionSpec]{}
	for i := range specs {
		d.index.Set(match.Policy(specs[i].Match), string(specs[i].URI), &specs[i])
		if specs[i].Match == wamp.MatchPrefix {
			d.prefixes.Set(match.Prefix, string(specs[i].URI), &specs[i])
		}
	}
	if len(specs) == 0 {
		d.generation.Store(0)
		return
	}
	d.generation.Store(d.reads << 32) // what a realm counts is less, so that no two sums are the same
}

// of returns what is told of a procedure that is called; nil if nothing is.
func (d *descriptions) of(uri wamp.URI) *descriptionSpec {
	if d.generation.Load() == 0 {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	spec, _ := d.index.Best(string(uri))
	return spec
}

// ofAll returns what is told of all procedures that a registration is for.
func (d *descriptions) ofAll(p *gateway.Procedure) *descriptionSpec {
	if p.Match == wamp.MatchExact {
		return d.of(p.URI)
	}
	if d.generation.Load() == 0 {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if spec, ok := d.index.At(match.Policy(p.Match), string(p.URI)); ok {
		return spec
	}
	spec, _ := d.prefixes.Best(string(p.URI)) // what begins as the pattern does begins with the prefix
	return spec
}

// on adds what is told to a registration. What cannot be merged stays as the
// callee told it.
func (s *descriptionSpec) on(p gateway.Procedure) gateway.Procedure {
	if s == nil {
		return p
	}
	if safe, told := s.safe(); told {
		p.Safe = safe
	}
	members := map[string]json.RawMessage{}
	if len(p.Description) > 0 && json.Unmarshal(p.Description, &members) != nil {
		return p // it was written by the dealer
	}
	maps.Copy(members, s.Members)
	maps.DeleteFunc(members, func(_ string, text json.RawMessage) bool { return string(text) == "null" })
	p.Description = nil
	if len(members) > 0 {
		p.Description, _ = json.Marshal(members) // each has been valid
	}
	return p
}
