package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// helloRawSocket makes the handshake on a connection, and joins.
func helloRawSocket(t *testing.T, network, addr string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(soon(t), network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // may have been closed
	const hello = `[1,"realm1",{"roles":{"caller":{}}}]`
	if _, err := fmt.Fprintf(conn, "\x7f\xf1\x00\x00\x00\x00\x00%c%s", len(hello), hello); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 4)
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "\x7f\xd1\x00\x00" {
		t.Fatalf("handshake answered with %x, %v", answer, err)
	}
	wantRawSocket(t, conn, "[2,")
	return conn
}

// wantRawSocket reads a message that begins with start.
func wantRawSocket(t *testing.T, conn net.Conn, start string) {
	t.Helper()
	r := bufio.NewReader(conn)
	prefix := make([]byte, 4)
	if _, err := io.ReadFull(r, prefix); err != nil {
		t.Fatal(err)
	}
	message := make([]byte, binary.BigEndian.Uint32(prefix))
	if _, err := io.ReadFull(r, message); err != nil || !strings.HasPrefix(string(message), start) {
		t.Fatalf("got %q, %v; want %s…", message, err, start)
	}
}

// RawSocket is served beside the rest, and a draining gateway lets nobody in,
// says good-bye and leaves no socket behind.
func TestRawSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	for network, listen := range map[string]string{"tcp": "127.0.0.1:0", "unix": "unix:" + path} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			if network == "unix" && runtime.GOOS == "windows" {
				t.Skip("no permissions there")
			}
			b := inBackground(t, "dev", "--listen", "127.0.0.1:0", "--rawsocket-listen", listen, "--rawsocket-mode", "0620", "--drain", "0s")
			line := b.line(t, "wampgate")
			m := regexp.MustCompile(`  rs://(unix:)?(\S+)$`).FindStringSubmatch(line)
			if m == nil {
				t.Fatalf("dev printed %q, want the address of RawSocket at its end", line)
			}
			if info, err := os.Stat(path); network == "unix" && (err != nil || info.Mode().Perm() != 0o620) {
				t.Errorf("the socket has mode %v, %v; want 0620", info.Mode(), err)
			}
			conn := helloRawSocket(t, network, m[2])
			stopped := make(chan struct{})
			go func() {
				defer close(stopped)
				b.stop()
			}()
			wantRawSocket(t, conn, `[6,{"message":`)
			if late, err := (&net.Dialer{}).DialContext(soon(t), network, m[2]); err == nil {
				t.Error("a draining gateway lets clients in")
				_ = late.Close()
			}
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
			<-stopped
			if b.code != exitOK {
				t.Errorf("dev ended with code %d", b.code)
			}
			if _, err := os.Lstat(path); network == "unix" && !os.IsNotExist(err) {
				t.Errorf("the socket is still there: %v", err)
			}
		})
	}
}

// What is in the way of a socket stays, unless it is one that was left behind.
func TestRawSocketPathInUse(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no Unix sockets that are files")
	}
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	listen := func(name string) *net.UnixListener {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path(name), Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	stale := listen("stale")
	stale.SetUnlinkOnClose(false)
	if err := stale.Close(); err != nil {
		t.Fatal(err)
	}
	inUse := listen("in use")
	defer inUse.Close() //nolint:errcheck // nothing to learn from it
	if err := os.WriteFile(path("file"), []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path("stale"), path("link")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"in use": "somebody answers there\n  Stop what listens there",
		"file":   "is no socket",
		"link":   "is no socket",
		"no/dir": "no such file or directory",
	} {
		before, _ := os.Lstat(path(name))
		got := runWith(soon(t), nil, "dev", "--listen", "127.0.0.1:0", "--rawsocket-listen", "unix:"+path(name))
		if got.code != exitFailed || !strings.Contains(got.stderr, want) {
			t.Errorf("%s: code %d, stderr %q; want %q", name, got.code, got.stderr, want)
		}
		if after, _ := os.Lstat(path(name)); before != nil && !os.SameFile(before, after) {
			t.Errorf("%s was removed", name)
		}
	}
	b := inBackground(t, "dev", "--listen", "127.0.0.1:0", "--rawsocket-listen", "unix:"+path("stale"))
	b.line(t, "rs://unix:"+path("stale"))
	helloRawSocket(t, "unix", path("stale"))
}

func TestRawSocketFault(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"":                                   "",
		"127.0.0.1:9000":                     "",
		":0":                                 "",
		"unix:/run/wampgate.sock":            "",
		"unix:" + strings.Repeat("/dir", 26): "at most 103 bytes, this one 104",
		"/run/wampgate.sock":                 "is not HOST:PORT",
		"unix:":                              "absolute path",
		"unix:run/wampgate.sock":             "absolute path",
		"unix:@abstract":                     "absolute path",
		"unix://run/wampgate.sock":           "",
		"127.0.0.1:70000":                    "is not a port",
		"tcp:127.0.0.1:9000":                 "is not HOST:PORT",
	} {
		if got := rawSocketFault(addr); !strings.Contains(got, want) || (got == "") != (want == "") {
			t.Errorf("%q: %q, want %q", addr, got, want)
		}
	}
}

func TestFileMode(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"0600": "0600", "660": "0660", "0": "0000", "777": "0777"} {
		var got fileMode
		if err := got.UnmarshalText([]byte(text)); err != nil || got.String() != want {
			t.Errorf("mode %q = %v, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "rw-------", "0800", "1777", "-1", "0o600", "99999999"} {
		var got fileMode
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("mode %q = %v, want an error", text, got)
		}
	}
	path := writeFile(t, "wampgate.yaml", "anonymous: true\nrawsocket-mode: 0640\n")
	got := runWith(soon(t), nil, "check-config", "-c", path)
	if !strings.Contains(got.stdout, "rawsocket-mode: 0640") {
		t.Errorf("a mode is read from a file as\n%s%s", got.stdout, got.stderr)
	}
}
