//go:build !unix

package test

// lock does nothing: here, only one process may fetch packages at a time.
func lock(string) (unlock func(), err error) {
	return func() {}, nil
}
