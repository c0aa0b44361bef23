package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// unixPrefix begins the addresses that are paths of Unix domain sockets.
const unixPrefix = "unix:"

// staleTimeout is how long whoever owns a socket has to take a connection.
const staleTimeout = time.Second

// listenRawSocket listens on a TCP address or, with unixPrefix, on a path. The
// socket there gets mode, after a moment in which the umask holds; it is
// removed when the listener is closed.
func listenRawSocket(ctx context.Context, addr string, mode fs.FileMode) (net.Listener, error) {
	var config net.ListenConfig
	path, isUnix := strings.CutPrefix(addr, unixPrefix)
	if !isUnix {
		return config.Listen(ctx, "tcp", addr)
	}
	l, err := config.Listen(ctx, "unix", path)
	if errors.Is(err, syscall.EADDRINUSE) {
		if err := removeStale(ctx, path, err); err != nil {
			return nil, err
		}
		l, err = config.Listen(ctx, "unix", path)
	}
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// removeStale removes a socket that a process left behind when it was killed:
// nothing but a socket, and only if nobody answers there. Otherwise it returns
// inUse, and says what is in the way.
func removeStale(ctx context.Context, path string, inUse error) error {
	before, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if before.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%w: %s is no socket", inUse, path)
	}
	dialer := net.Dialer{Timeout: staleTimeout}
	conn, err := dialer.DialContext(ctx, "unix", path)
	if err == nil {
		return errors.Join(fmt.Errorf("%w: somebody answers there", inUse), conn.Close())
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%w: %w", inUse, err)
	}
	if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
		return inUse // another process was faster
	}
	return os.Remove(path)
}

// serveRawSocket serves until the listener is closed; failed learns of any
// other end.
func (n *node) serveRawSocket(failed chan<- error) {
	if err := n.sockets.ServeRawSocket(n.rawSocket); err != nil {
		failed <- err
	}
}

// rawSocketURL returns the URL at which a client on this machine reaches a
// listener, as autobahn writes it.
func rawSocketURL(addr net.Addr) string {
	if addr.Network() == "unix" {
		return "rs://" + unixPrefix + addr.String()
	}
	return "rs://" + reachable(addr)
}
