package custody

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrClosed means that something was to be opened for who has been closed.
var ErrClosed = errors.New("the gateway is shutting down")

// ReopenAfter is the pause between two attempts to open something.
const ReopenAfter = time.Second

// An Opening opens what somebody keeps in, when it is first needed. The zero
// Opening has not. Its methods may be called by any number of goroutines at once.
type Opening struct {
	opening  sync.Mutex // held while it is being opened; taken before mu
	failedAt time.Time  // guarded by opening

	mu     sync.Mutex // guards the following fields
	done   bool
	failed error // why it could not be opened last
}

// Open has open called, unless it has succeeded before. After an error it returns
// the same one for a second. When life has ended it opens nothing any more and
// returns [ErrClosed]; if life ends meanwhile, so does the context of open.
func (o *Opening) Open(ctx, life context.Context, open func(context.Context) error) error {
	o.opening.Lock()
	defer o.opening.Unlock()
	done, failed := o.State()
	switch {
	case life.Err() != nil:
		return ErrClosed
	case done:
		return nil
	case failed != nil && time.Since(o.failedAt) < ReopenAfter:
		return failed
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(life, cancel)()
	err := open(ctx)
	o.failedAt = time.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.done, o.failed = err == nil, err
	return err
}

// Look is Open for who only asks for what is kept: as long as holds says that
// there is nothing, it opens nothing and returns nil.
func (o *Opening) Look(ctx, life context.Context, holds func() bool, open func(context.Context) error) error {
	if done, failed := o.State(); !done && failed == nil && life.Err() == nil && !holds() {
		return nil
	}
	return o.Open(ctx, life, open)
}

// State reports whether it is open, or why it could not be opened last.
func (o *Opening) State() (done bool, failed error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.done, o.failed
}

// Close returns when nothing is being opened. Life has ended before, so that
// nothing will be.
func (o *Opening) Close() {
	o.opening.Lock()
	o.opening.Unlock() //nolint:staticcheck // as said
}

// Told returns what callers are told of an error of Open: what it says itself
// that they may know, or otherwise.
func Told(err error, otherwise string) string {
	var says interface{ Told() string }
	switch {
	case errors.As(err, &says):
		return says.Told()
	case errors.Is(err, ErrClosed):
		return ErrClosed.Error()
	}
	return otherwise
}
