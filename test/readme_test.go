//go:build unix

package test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A block is a piece of code in README.md.
type block struct {
	language string
	line     int // of README.md
	text     string
}

// readme returns the text of README.md and its blocks of code.
func readme(t *testing.T) (text string, blocks []block) {
	t.Helper()
	data, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	text = string(data)
	var open *block
	for i, line := range strings.SplitAfter(text, "\n") {
		language, fence := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "```")
		switch {
		case fence && open == nil:
			open = &block{language: language, line: i + 1}
		case fence:
			blocks = append(blocks, *open)
			open = nil
		case open != nil:
			open.text += line
		}
	}
	return text, blocks
}

// A step is a command of a console block and the lines that it prints.
type step struct {
	command string
	prints  []string
}

func (b block) steps() []step {
	var steps []step
	for line := range strings.Lines(b.text) {
		line = strings.TrimSuffix(line, "\n")
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			steps = append(steps, step{command: command})
		} else if len(steps) > 0 {
			last := &steps[len(steps)-1]
			last.prints = append(last.prints, line)
		}
	}
	return steps
}

// TestREADME does what README.md says, word for word but for the port, and
// sees what README.md shows.
func TestREADME(t *testing.T) {
	t.Parallel()
	tool(t, "curl", "the commands of README.md")
	g := start(t)
	_, blocks := readme(t)
	steps := 0
	for _, b := range blocks {
		if b.language != "console" || b.survives() {
			continue
		}
		for _, s := range b.steps() {
			steps++
			s.play(t, g, fmt.Sprintf("README.md:%d: $ %s", b.line, s.command))
		}
	}
	if steps < 10 {
		t.Errorf("README.md has %d commands; the test sees too few", steps)
	}
}

func (s step) play(t *testing.T, g *gateway, title string) {
	t.Helper()
	switch {
	case s.command == "go run ./cmd/wampgate dev":
		banner, _, err := g.lines.find(soon(t), 0, func(line string) bool { return strings.Contains(line, "realm=") })
		if err != nil {
			t.Fatal(err)
		}
		s.compare(t, title, banner)
	case strings.HasPrefix(s.command, "wampgate register"):
		s.register(t, g, title)
	case len(s.prints) > 0 && s.prints[0] == "^C":
		s.interrupt(t, g, title)
	default:
		var stderr bytes.Buffer
		cmd := s.shell(soon(t), t, g)
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%s\n%v: %s", title, err, stderr.Bytes())
		}
		s.compare(t, title, string(out))
	}
}

// shell returns the command as a shell would run it beside the gateway.
func (s step) shell(ctx context.Context, t *testing.T, g *gateway) *exec.Cmd {
	t.Helper()
	command := strings.ReplaceAll(strings.TrimSuffix(s.command, "&"), "localhost:8080", g.addr)
	cmd := exec.CommandContext(ctx, "bash", "-o", "pipefail", "-c", command)
	cmd.Env = append(cmd.Environ(), "WAMPGATE_URL=http://"+g.addr, "PATH="+filepath.Dir(binary(t))+":"+os.Getenv("PATH"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = patience
	return cmd
}

// register starts a callee, waits until it can be called, and lets it run
// until the test ends.
func (s step) register(t *testing.T, g *gateway, title string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	cmd := s.shell(ctx, t, g)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait()
	})
	waitFor(t, title, stderr, regexp.MustCompile("registered"))
}

// interrupt presses Ctrl-C when the callee has the call, and looks for what the
// gateway logs.
func (s step) interrupt(t *testing.T, g *gateway, title string) {
	t.Helper()
	const inFlight = `wampgate_calls_in_flight{realm="realm1"}`
	ctx, press := context.WithCancel(soon(t))
	defer press()
	before := g.scrape(ctx, t)
	cmd := s.shell(ctx, t, g)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	g.wantMore(ctx, t, before, map[string]float64{inFlight: 1})
	press()
	_ = cmd.Wait() // it was interrupted
	for _, line := range s.prints[1:] {
		want := normal(strings.TrimPrefix(line, "... "))
		_, _, err := g.lines.find(soon(t), 0, func(line string) bool { return strings.Contains(normal(line), want) })
		if err != nil {
			t.Errorf("%s\nthe gateway logs nothing like %q: %v\n%s", title, want, err, strings.Join(g.lines.all(), "\n"))
		}
	}
}

// waitFor reads until text comes.
func waitFor(t *testing.T, title string, r io.Reader, text *regexp.Regexp) {
	t.Helper()
	var read []byte
	for buf := make([]byte, 4096); !text.Match(read); {
		n, err := r.Read(buf)
		read = append(read, buf[:n]...)
		if err != nil {
			t.Fatalf("%s\nprinted %q, and nothing like %v", title, read, text)
		}
	}
}

// compare compares what a step printed with what README.md shows. A line "..."
// there stands for any number of lines.
func (s step) compare(t *testing.T, title, printed string) {
	t.Helper()
	got, want := lines(printed), lines(strings.Join(s.prints, "\n"))
	if !matches(got, want) {
		t.Errorf("%s\nprinted:\n%s\nREADME.md shows:\n%s", title, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// lines splits what is printed into lines without what differs each time, and
// without empty lines at the end.
func lines(printed string) []string {
	all := strings.Split(strings.TrimRight(normal(printed), "\n"), "\n")
	for i, line := range all {
		all[i] = strings.TrimRight(line, "\r ")
	}
	return all
}

var (
	callID   = regexp.MustCompile(`\bc_[0-9a-z]+`)
	duration = regexp.MustCompile(`\b\d+(\.\d+)?(ns|µs|ms|s)\b`)
	address  = regexp.MustCompile(`127\.0\.0\.1:\d+`)
	instant  = regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+Z`)
	admin    = regexp.MustCompile(`  admin=\S+`)
)

// normal replaces what differs each time.
func normal(s string) string {
	s = callID.ReplaceAllString(s, "c_ID")
	s = instant.ReplaceAllString(s, "INSTANT")
	s = duration.ReplaceAllString(s, "TIME")
	s = admin.ReplaceAllString(s, "")
	return address.ReplaceAllString(s, "ADDRESS")
}

func matches(got, want []string) bool {
	if len(want) == 0 {
		return len(got) == 0
	}
	if want[0] == "..." {
		for skip := range len(got) + 1 {
			if matches(got[skip:], want[1:]) {
				return true
			}
		}
		return false
	}
	return len(got) > 0 && got[0] == want[0] && matches(got[1:], want[1:])
}

// TestREADMECallees runs the callees that README.md shows, one after the
// other since they all register the same procedure.
func TestREADMECallees(t *testing.T) {
	t.Parallel()
	g := start(t)
	_, blocks := readme(t)
	for _, b := range blocks {
		code := strings.ReplaceAll(b.text, "localhost:8080", g.addr)
		switch b.language {
		case "js":
			modules := nodePackages(t, "the callees of README.md")
			dir := t.TempDir()
			if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
				t.Fatal(err)
			}
			callHello(t, g, b, dir, "hello.mjs", code, tool(t, "node", "the callees of README.md"))
		case "python":
			callHello(t, g, b, t.TempDir(), "hello.py", code, pythonPackages(t))
		}
	}
}

// callHello runs a callee and calls it, until it is there.
func callHello(t *testing.T, g *gateway, b block, dir, name, code, runtime string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(soon(t))
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, runtime, path)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var got answer
	for tick := time.NewTicker(100 * time.Millisecond); ctx.Err() == nil; <-tick.C {
		if got = g.call(soon(t), t, "my.hello", `["Ada"]`); got.status != 404 {
			break
		}
	}
	stop()
	_ = cmd.Wait() // it was killed
	if want := `"hi Ada"`; strings.TrimSpace(got.body) != want {
		t.Errorf("README.md:%d: my.hello answers %s, want %s\n%s", b.line, got.body, want, out.Bytes())
	}
}

// TestREADMELinks checks that the files README.md and CONTRIBUTING.md link to
// are there, and that README.md is short.
func TestREADMELinks(t *testing.T) {
	t.Parallel()
	text, _ := readme(t)
	links := regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(text, -1)
	for _, link := range links {
		if _, err := os.Stat(filepath.Join("..", link[1])); err != nil {
			t.Errorf("README.md links to %s: %v", link[1], err)
		}
	}
	if n := strings.Count(text, "\n"); n >= 200 || len(links) < 10 {
		t.Errorf("README.md has %d lines and %d links; want fewer than 200, at least 10", n, len(links))
	}
}
