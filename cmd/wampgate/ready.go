package main

import (
	"io"
	"net/http"
)

// A durability is what an accepted persistent call survives.
type durability struct {
	State string // synced, unsynced, unverified; "closed" before the store was opened; "unusable" with Error
	Error string // why calls cannot be kept
}

// durability asks the store, which there is.
func (n *node) durability() durability {
	d, err := n.durable.Durability()
	switch {
	case err != nil:
		return durability{"unusable", err.Error()}
	case d == "":
		return durability{State: "closed"}
	}
	return durability{State: string(d)}
}

// readyz answers GET /readyz of the admin listener: as that of the gateway, and
// if calls are kept a line that says what they survive. That they cannot be
// kept leaves the gateway ready, since all other calls are served; why not is
// for those who have credentials.
func (n *node) readyz(w http.ResponseWriter, r *http.Request) {
	if n.durable == nil || n.gateway.Ready() != nil {
		n.gateway.ServeHTTP(w, r)
		return
	}
	text := "ready\ndurability: "
	d := n.durability()
	text += d.State
	if d.Error != "" && n.adminDoor.lets(r) {
		text += ": " + d.Error
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = io.WriteString(w, text+"\n") // a client that is gone needs no answer
}
