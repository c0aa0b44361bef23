//go:build !unix

package engine

// lockFile takes no lock where the system gives none back when a process dies:
// there it is the operator's duty to give each gateway its own directory.
func lockFile(string) (unlock func() error, err error) { return func() error { return nil }, nil }

// freeSpace is not known here; a full disk is noticed by the failed write.
func freeSpace(string) (int64, bool) { return 0, false }
