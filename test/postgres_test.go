package test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startPostgres runs a PostgreSQL server of its own until the test ends, and
// returns the URL of its database. It listens on a socket in a folder of its
// own, and does without fsync: nobody cuts its power.
func startPostgres(t *testing.T, leftOut string) string {
	t.Helper()
	initdb, postgres := postgresTool(t, "initdb", leftOut), postgresTool(t, "postgres", leftOut)
	dir, err := os.MkdirTemp("", "wampgate-pg-") //nolint:usetesting // the path of a socket is short, and another user's
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	data := filepath.Join(dir, "data")
	create := exec.CommandContext(soon(t), initdb, "-D", data, "-U", "test", "--auth=trust", "--no-sync", "-E", "UTF8", "--no-instructions")
	server := exec.Command(postgres, "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=60")
	for _, cmd := range []*exec.Cmd{create, server} {
		cmd.Dir = dir
		if err := asNobody(cmd, dir); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := create.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	stderr, err := server.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	var said feed[string]
	exit := make(chan struct{})
	go func() {
		defer close(exit)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			said.add(lines.Text())
		}
		_, _ = io.Copy(io.Discard, stderr) // a line too long for the scanner
		said.end(errors.Join(errors.New("the server has ended"), server.Wait()))
	}()
	t.Cleanup(func() { stopPostgres(t, server, exit) })
	ready := func(line string) bool { return strings.Contains(line, "ready to accept connections") }
	if _, _, err := said.find(soon(t), 0, ready); err != nil {
		t.Fatalf("postgres is not ready: %v\n%s", err, strings.Join(said.all(), "\n"))
	}
	return "postgres://test@localhost/postgres?host=" + dir
}

// stopPostgres ends a server and the sessions it has.
func stopPostgres(t *testing.T, server *exec.Cmd, exit <-chan struct{}) {
	t.Helper()
	_ = server.Process.Signal(syscall.SIGINT)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	select {
	case <-exit:
	case <-ctx.Done():
		t.Error("postgres did not stop")
		_ = server.Process.Kill()
		<-exit
	}
}

// postgresTool finds a program of the server, which Debian keeps out of PATH.
func postgresTool(t *testing.T, name, leftOut string) string {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(found) > 0 {
		return found[len(found)-1]
	}
	return tool(t, name, leftOut)
}

// createDatabase makes a database on the server that has the database at url,
// and returns its URL.
func createDatabase(t *testing.T, url, name string) string {
	t.Helper()
	cmd := exec.CommandContext(within(t, 2*time.Minute), postgresTool(t, "psql", "databases of a test"), "-q", url, "-c", "create database "+name)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("create database: %v\n%s", err, out)
	}
	return strings.Replace(url, "/postgres?", "/"+name+"?", 1)
}
