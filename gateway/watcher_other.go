//go:build !linux

package gateway

import "time"

// tcpEstablished is only known on Linux; elsewhere the call's timeout ends
// what net/http does not notice.
func tcpEstablished(uintptr) bool { return true }

// setUserTimeout does nothing: the option is Linux's.
func setUserTimeout(uintptr, time.Duration) error { return nil }
