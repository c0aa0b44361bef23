package custody

import "sync"

// A Mutex is a lock whose holders can put off what must not be done while it is
// held, such as to send what others wait for. The zero Mutex is not held.
type Mutex struct {
	mu    sync.Mutex
	after []func()
}

// Lock locks m.
func (m *Mutex) Lock() { m.mu.Lock() }

// Later has f done by Unlock, behind what was put off before. m must be held.
func (m *Mutex) Later(f func()) { m.after = append(m.after, f) }

// Unlock lets go of m and does what was put off.
func (m *Mutex) Unlock() {
	after := m.after
	m.after = nil
	m.mu.Unlock()
	for _, f := range after {
		f()
	}
}
