package main

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// maxDrain is the longest drain that can be asked for.
const maxDrain = time.Hour

// A drains takes an administrator's word that the node shall drain. The first
// one counts.
type drains struct {
	begun chan struct{} // closed when somebody asked

	mu    sync.Mutex // guards the following fields
	said  bool
	limit time.Duration // negative: as the setting has it
}

// ask begins, unless it has begun.
func (d *drains) ask(limit time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.said {
		d.said, d.limit = true, limit
		close(d.begun)
	}
}

// time returns how long calls may go on.
func (d *drains) time(setting time.Duration) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.said && d.limit >= 0 {
		return d.limit
	}
	return setting
}

// askDrain answers POST /admin/drain: the process ends as on SIGTERM. The
// answer is on its way before it does.
func (n *node) askDrain(w http.ResponseWriter, r *http.Request) error {
	q, err := n.query(r, "timeout")
	if err != nil {
		return err
	}
	limit := time.Duration(-1)
	if text := q.values.Get("timeout"); text != "" {
		if limit, err = time.ParseDuration(text); err != nil || limit < 0 || limit > maxDrain {
			return errors.New("timeout is how long calls in flight may go on, such as 30s, at most 1h")
		}
	}
	n.log.InfoContext(r.Context(), "an administrator asked to drain", "client", r.RemoteAddr)
	n.drains.ask(limit)
	return sendAdmin(w, http.StatusAccepted, struct {
		State   string `json:"state"`
		Timeout string `json:"timeout"`
	}{"draining", n.drains.time(n.settings.Drain).String()})
}

// closeAdmin lets the admin listener finish the answers that it is about to
// give, such as that of askDrain, but no profile.
func (n *node) closeAdmin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if n.admin.Shutdown(ctx) == nil {
		return nil
	}
	return n.admin.Close()
}
