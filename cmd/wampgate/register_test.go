//go:build unix

package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// registered runs "wampgate register" until the procedure can be called.
func registered(t *testing.T, url string, args ...string) *background {
	t.Helper()
	b := inBackground(t, append([]string{"register", "--url", url}, args...)...)
	b.line(t, "registered")
	return b
}

// TestRegister calls commands.
func TestRegister(t *testing.T) {
	t.Parallel()
	_, url := dev(t)
	for name, tt := range map[string]struct {
		register string // flags, separated by blanks
		script   string // for sh
		call     string // arguments, separated by blanks
		code     int
		stdout   string
		stderr   string // part of it
	}{
		"standard input":     {"", "cat", "1 b a=x n:=[2.0]", exitOK, `{"args":[1,"b"],"kwargs":{"a":"x","n":[2.0]}}` + "\n", ""},
		"no arguments":       {"", "cat", "", exitOK, `{"args":[],"kwargs":{}}` + "\n", ""},
		"no output":          {"", "exit 0", "", exitOK, "", ""},
		"white space":        {"", "echo; echo", "", exitOK, "", ""},
		"JSON":               {"", `echo '{"a": [1, 2]}'`, "", exitOK, `{"a":[1,2]}` + "\n", ""},
		"text":               {"", "echo hello; echo world", "", exitOK, `"hello\nworld"` + "\n", ""},
		"text that is JSON":  {"--output text", "echo 007; echo 7", "", exitOK, `"007\n7"` + "\n", ""},
		"only JSON":          {"--output json", "echo hello", "", exitFailed, "", "runtime error (500, callee, retry no)\n  the command printed something that is not JSON"},
		"not text":           {"", `printf '\377a'`, "", exitOK, "\"\uFFFDa\"\n", ""},
		"lines":              {"--lines", "echo 1; echo two; echo 3", "--stream", exitOK, "1\n\"two\"\n3\n", ""},
		"lines, no progress": {"--lines", "echo 1; echo two", "", exitOK, `{"args":[1,"two"],"kwargs":{}}` + "\n", ""},
		"exit code":          {"", "echo lost; exit 3", "", exitFailed, "", "runtime error (500, callee, retry no)\n  exit status 3"},
		"complaint":          {"", "echo oh no >&2; exit 1", "", exitFailed, "", "runtime error (500, callee, retry no)\n  oh no"},
		"ignores its input":  {"", "exec <&-; echo 1", "x", exitOK, "1\n", ""},
		"too much":           {"--max-output 10", "yes", "", exitFailed, "", "payload size exceeded"},
		"a line too long":    {"--lines --max-output 10", "echo 12345678901234567890", "", exitFailed, "", "payload size exceeded"},
		"too many lines":     {"--lines --max-output 10", "yes", "", exitFailed, "", "payload size exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			uri := "my." + strings.NewReplacer(" ", "_", ",", "").Replace(name)
			registered(t, url, append(strings.Fields(tt.register), uri, "--", "sh", "-c", tt.script)...)
			got := runWith(soon(t), nil, append([]string{"call", "--url", url, uri}, strings.Fields(tt.call)...)...)
			if got.code != tt.code || got.stdout != tt.stdout || !strings.Contains(got.stderr, tt.stderr) || tt.stderr == "" && got.stderr != "" {
				t.Errorf("code %d, stdout %q, stderr %q; want %d, %q, …%q…", got.code, got.stdout, got.stderr, tt.code, tt.stdout, tt.stderr)
			}
		})
	}
}

// TestRegisterKillsTheGroup cancels a call whose command waits for a child: the
// child goes too. Both hold the writing end of a FIFO, which ends when they do.
func TestRegisterKillsTheGroup(t *testing.T) {
	t.Parallel()
	_, url := dev(t)
	for name, script := range map[string]string{
		"polite":   "sleep 1000 & wait",
		"stubborn": "trap '' TERM; sleep 1000 & wait; wait; while :; do sleep 1000; done",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fifo := filepath.Join(t.TempDir(), "alive")
			if err := syscall.Mkfifo(fifo, 0o600); err != nil {
				t.Fatal(err)
			}
			uri := "my." + name
			registered(t, url, uri, "--", "sh", "-c", "exec 3>"+fifo+"; echo started >&3; "+script)
			ctx, interrupt := context.WithCancel(soon(t))
			ended := make(chan outcome, 1)
			go func() { ended <- runWith(ctx, nil, "call", "--url", url, uri) }()

			alive, err := os.Open(fifo) // waits until the command has opened it
			if err != nil {
				t.Fatal(err)
			}
			defer alive.Close() //nolint:errcheck // only read from
			if _, err := io.ReadFull(alive, make([]byte, len("started\n"))); err != nil {
				t.Fatal(err)
			}
			interrupt()
			if rest, err := io.ReadAll(alive); err != nil || len(rest) > 0 {
				t.Errorf("reading to the end of the processes: %q, %v", rest, err)
			}
			if got := <-ended; got.code != exitInterrupted {
				t.Errorf("call ended with %+v", got)
			}
		})
	}
}

// TestRegisterJobs makes more calls than jobs: never more processes than jobs
// run, and all calls are answered.
func TestRegisterJobs(t *testing.T) {
	t.Parallel()
	_, url := dev(t)
	dir := t.TempDir()
	// A command fails if another one is there: mkdir is atomic.
	registered(t, url, "-j", "1", "my.job", "--", "sh", "-c", "mkdir "+dir+"/job && rmdir "+dir+"/job && cat")
	const calls = 10
	results := make(chan outcome, calls)
	for i := range calls {
		go func() { results <- runWith(soon(t), nil, "call", "--url", url, "my.job", strconv.Itoa(i)) }()
	}
	for range calls {
		if got := <-results; got.code != exitOK {
			t.Errorf("a job failed: %+v", got)
		}
	}
}

func TestRegisterRefused(t *testing.T) {
	t.Parallel()
	_, url := dev(t)
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"taken":    {[]string{"demo.add"}, "register demo.add: wamp.error.procedure_already_exists"},
		"reserved": {[]string{"wamp.my"}, "register wamp.my: wamp.error."},
		"realm":    {[]string{"--realm", "nowhere", "my.x"}, "wamp.error.no_such_realm"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"register", "--url", url}, tt.args...)
			got := runWith(soon(t), nil, append(args, "--", "cat")...)
			if got.code != exitRefused || !strings.Contains(got.stderr, tt.want) {
				t.Errorf("code %d, stderr %q; want %d, …%q…", got.code, got.stderr, exitRefused, tt.want)
			}
		})
	}
}

// TestRegisterComesBack registers before the gateway is there, and again after
// the gateway was started anew.
func TestRegisterComesBack(t *testing.T) {
	t.Parallel()
	first, url := dev(t)
	first.stop() // now nobody listens there
	b := inBackground(t, "register", "--url", url, "my.cat", "--", "cat")
	b.line(t, "callee has no session")
	for range 2 {
		gateway := inBackground(t, "dev", "--listen", strings.TrimPrefix(url, "http://"))
		gateway.line(t, "realm=")
		b.line(t, "registered")
		if got := runWith(soon(t), nil, "call", "--url", url, "my.cat", "1"); got.code != exitOK {
			t.Errorf("calling what was registered again: %+v", got)
		}
		gateway.stop()
	}
	b.stop()
	if b.code != exitOK {
		t.Errorf("register ended with code %d", b.code)
	}
}

// TestRegisterStreams sends a call in chunks: the command gets a line for each
// while the others are still to come.
func TestRegisterStreams(t *testing.T) {
	t.Parallel()
	_, url := dev(t)
	registered(t, url, "--lines", "my.lines", "--", "cat")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	chat := startStream(ctx, t, url+"/call/my.lines?in=lines", "one\n")
	wantProgress := func(line string) {
		want := `{"args":["` + line + `"],"kwargs":{}}`
		if got := chat.receive(t, "progress"); !strings.Contains(got, want) {
			t.Errorf("answer to %q: %s, want …%s…", line, got, want)
		}
	}
	wantProgress("one")
	chat.send(t, "two\n")
	wantProgress("two")
	chat.end()
	chat.receive(t, "result")
}

func TestRouterURL(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"http://127.0.0.1:8080":      "ws://127.0.0.1:8080/ws",
		"https://gw.example.com/a/":  "wss://gw.example.com/a/ws",
		"ws://router.example.com/x":  "ws://router.example.com/x",
		"wss://router.example.com/x": "wss://router.example.com/x",
	} {
		if got, err := routerURL(url); err != nil || got != want {
			t.Errorf("routerURL(%s) = %s, %v; want %s", url, got, err, want)
		}
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	tail := &tail{limit: 8}
	for _, text := range []string{"abc", "defghijkl", "mn ", "é"} {
		_, _ = io.WriteString(tail, text)
	}
	if got, want := tail.String(), "jklmn é"; got != want {
		t.Errorf("tail = %q, want %q", got, want)
	}
}

func TestSleep(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := sleep(ctx, time.Hour); err == nil {
		t.Error("sleep with a context that has ended returned no error")
	}
	if err := sleep(t.Context(), time.Nanosecond); err != nil {
		t.Errorf("sleep = %v", err)
	}
}
