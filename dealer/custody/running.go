package custody

// A Running counts the calls that are under way, and says when there are none
// any more. It belongs to who has its lock; make it with [NewRunning].
type Running struct {
	count    int
	draining bool
	idle     chan struct{} // closed when draining and nothing runs
}

// NewRunning returns a Running of no calls.
func NewRunning() Running { return Running{idle: make(chan struct{})} }

// Count returns how many calls are under way.
func (r *Running) Count() int { return r.count }

// Begin counts a call that begins.
func (r *Running) Begin() { r.count++ }

// End counts a call that is over.
func (r *Running) End() {
	r.count--
	r.check()
}

// Drain says that no further call is to begin. The channel that it returns is
// closed when none is under way.
func (r *Running) Drain() <-chan struct{} {
	r.draining = true
	r.check()
	return r.idle
}

// Draining reports whether no further call is to begin.
func (r *Running) Draining() bool { return r.draining }

func (r *Running) check() {
	if !r.draining || r.count > 0 {
		return
	}
	select {
	case <-r.idle:
	default:
		close(r.idle)
	}
}
