// Package proc starts the systems under test, each as processes of its own,
// and reads what they use from /proc.
package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// patience is how long a process may take to end before it is killed.
const patience = 3 * time.Second

// A Process was started here. It leads a process group of its own, to which
// those that it starts belong. Its methods may be used by several goroutines.
type Process struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	stdout *lines
	stderr *ending
	exited chan struct{}
}

// Start starts a command. Its standard input stays open until Stop.
func Start(dir string, argv ...string) (*Process, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	p := &Process{cmd: cmd, stdout: &lines{ready: make(chan string, 16)}, stderr: &ending{}, exited: make(chan struct{})}
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, p.stdout, p.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = patience
	var err error
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = cmd.Wait() // being stopped is no success
		close(p.exited)
	}()
	return p, nil
}

// PID is the process id, and that of the group.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Exited tells whether the process has ended.
func (p *Process) Exited() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// Line waits for the next line on standard output.
func (p *Process) Line(ctx context.Context) (string, error) {
	select {
	case line := <-p.stdout.ready:
		return line, nil
	case <-p.exited:
		return "", p.Failure(errors.New("ended early"))
	case <-ctx.Done():
		return "", p.Failure(errors.New("does not get ready"))
	}
}

// Failure returns an error with the name of the process and the end of what it
// wrote to standard error.
func (p *Process) Failure(err error) error {
	return fmt.Errorf("%s: %w: %s", strings.Join(p.cmd.Args, " "), err, p.stderr)
}

// Stop ends the process, and kills its group if it takes too long.
func (p *Process) Stop() {
	_ = p.stdin.Close()
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.exited:
		return
	case <-time.After(patience):
	}
	_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
	<-p.exited
}

// lines hands out whole lines. Those that nobody waits for are dropped.
type lines struct {
	ready chan string
	part  strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	for _, c := range b {
		if c != '\n' {
			l.part.WriteByte(c)
			continue
		}
		select {
		case l.ready <- l.part.String():
		default:
		}
		l.part.Reset()
	}
	return len(b), nil
}

// An ending keeps the last kilobyte written to it.
type ending struct {
	mu   sync.Mutex // guards the following field
	text []byte
}

func (e *ending) Write(b []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.text = append(e.text, b...)
	e.text = e.text[max(len(e.text)-1024, 0):]
	return len(b), nil
}

func (e *ending) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return strings.TrimSpace(string(e.text))
}
