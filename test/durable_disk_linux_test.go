package test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// disk mounts a disk of its own, of so many MiB.
func disk(t *testing.T, mib int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("wampgate-test", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mib)); err != nil {
		without(t, "permission to mount a small disk", "what becomes of persistent calls when it is full or read only: "+err.Error())
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fillDisk leaves no byte free, and returns what makes room again.
func fillDisk(t *testing.T, dir string, mib int) (makeRoom func()) {
	t.Helper()
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, mib<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal("the disk is not full:", err)
	}
	return func() {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	}
}

// A diary is a callee that notes what it was asked.
type diary struct {
	mu    sync.Mutex // guards times
	times map[string]int
}

// serve answers with the first argument.
func (l *diary) serve(i invocation) ([]any, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.times == nil {
		l.times = make(map[string]int)
	}
	l.times[fmt.Sprint(i.args[0])]++
	return i.args[:1], false
}

func (l *diary) asked(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.times[what]
}

// TestPersistentDiskFull lets somebody else fill the disk: no persistent call is
// accepted then, and none of those refused is ever made; others go on; calls
// that were accepted before are made, and their results are there when there is
// room again, also after the gateway was killed.
func TestPersistentDiskFull(t *testing.T) {
	t.Parallel()
	const mib, n = 64, 5
	dir := disk(t, mib)
	ctx, g := within(t, 4*patience), startDurable(t, filepath.Join(dir, "data"))
	seen := new(diary)
	callee, caller := g.join(t, seen.serve), g.join(t, nil)
	if err := callee.register(ctx, nil, "test.echo"); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		g.want(ctx, t, http.StatusAccepted, "", fmt.Sprintf("early-%d", i), "test.later", "Prefer", "respond-async")
	}

	makeRoom := fillDisk(t, dir, mib)
	for i := range n {
		a := g.want(ctx, t, http.StatusServiceUnavailable, "full; nothing was accepted", fmt.Sprintf("refused-%d", i), "test.echo")
		h := a.header
		if h.Get("Retry-After") == "" || h.Get("Wamp-Retry") != "safe" || h.Get("Wamp-Error-Source") != "dealer" || h.Get("Location") != "" {
			t.Errorf("refused with %v", h)
		}
		if a := g.send(ctx, t, http.MethodGet, fmt.Sprintf("/calls/refused-%d", i), http.NoBody); a.status != http.StatusNotFound {
			t.Errorf("a refused call is there: %+v", a)
		}
	}
	a := mustCall(ctx, t, caller, map[string]any{"trust_level": "persistent", "call_id": "refused-wamp"}, "test.echo", "refused-wamp")
	if a.uri != "wamp.error.unavailable" || !strings.Contains(a.text(), "nothing was accepted") {
		t.Errorf("over WAMP: %+v", a)
	}
	if a := g.call(ctx, t, "test.echo", `["best effort"]`); a.status != http.StatusOK {
		t.Errorf("a best-effort call: %+v", a)
	}
	if err := callee.register(ctx, nil, "test.later"); err != nil { // its results must wait for the disk
		t.Fatal(err)
	}
	for i := range n {
		early := fmt.Sprintf("early-%d", i)
		g.await(ctx, t, func() bool { return seen.asked(early) > 0 })
	}

	makeRoom()
	for i := range n {
		g.settled(ctx, t, fmt.Sprintf("early-%d", i))
	}
	for i := 1; i < n; i++ { // the first one is not repeated
		g.want(ctx, t, http.StatusOK, "", fmt.Sprintf("refused-%d", i), "test.echo")
	}
	g.restart(t)
	for i := range n {
		g.settled(ctx, t, fmt.Sprintf("early-%d", i))
		if n := seen.asked(fmt.Sprintf("early-%d", i)); n != 1 {
			t.Errorf("early-%d was made %d times", i, n)
		}
		if i > 0 {
			g.settled(ctx, t, fmt.Sprintf("refused-%d", i))
		}
	}
	if seen.asked("refused-0")+seen.asked("refused-wamp") > 0 || seen.asked("refused-1") != 1 {
		t.Errorf("made: %v", seen.times)
	}
}

// want makes a persistent call with its id as argument and wants an answer.
func (g *durableGateway) want(ctx context.Context, t *testing.T, status int, body, id, procedure string, headers ...string) answer {
	t.Helper()
	begun := time.Now()
	a := g.post(ctx, t, "/call/"+procedure+"?trust=persistent", `["`+id+`"]`, append(headers, "Content-Type", "application/json", "Idempotency-Key", id)...)
	if a.status != status || !strings.Contains(a.body, body) || time.Since(begun) > patience/2 {
		t.Fatalf("%s: %d %s after %v, want %d …%s…", id, a.status, a.body, time.Since(begun), status, body)
	}
	return a
}

// settled waits for the end of a persistent call, whose result is its id.
func (g *durableGateway) settled(ctx context.Context, t *testing.T, id string) {
	t.Helper()
	if a := g.send(ctx, t, http.MethodGet, "/calls/"+id+"?wait=20s", http.NoBody); a.status != http.StatusOK || !strings.Contains(a.body, `"state":"done"`) {
		t.Errorf("%s: %d %s", id, a.status, a.body)
	}
	if a := g.send(ctx, t, http.MethodGet, "/calls/"+id+"/result", http.NoBody); a.status != http.StatusOK || a.body != `"`+id+`"` {
		t.Errorf("the result of %s: %d %s", id, a.status, a.body)
	}
}

// await looks until it is so.
func (*durableGateway) await(ctx context.Context, t *testing.T, so func() bool) {
	t.Helper()
	for !so() {
		if ctx.Err() != nil {
			t.Fatal("waited in vain")
		}
		pauseFor(5 * time.Millisecond)
	}
}

// TestStartOnFullDisk starts a gateway whose disk is full.
func TestStartOnFullDisk(t *testing.T) {
	t.Parallel()
	const mib = 64
	dir := disk(t, mib)
	data := filepath.Join(dir, "data")
	ctx, g := within(t, 2*patience), startDurable(t, data)
	g.want(ctx, t, http.StatusAccepted, "", "early", "test.echo", "Prefer", "respond-async")
	g.kill()
	makeRoom := fillDisk(t, dir, mib)
	refuseStart(t, data, "data directory "+data, "no space left", "Make room there", "--data-dir")
	makeRoom()
	g.start(t, g.addr)
	callee := g.join(t, new(diary).serve)
	if err := callee.register(ctx, nil, "test.echo"); err != nil {
		t.Fatal(err)
	}
	g.settled(ctx, t, "early")
}

// TestReadOnlyDirectory starts gateways whose data directory cannot be written,
// an empty one and one with calls.
func TestReadOnlyDirectory(t *testing.T) {
	t.Parallel()
	dir := disk(t, 64)
	data := filepath.Join(dir, "data")
	ctx, g := within(t, 2*patience), startDurable(t, data)
	g.want(ctx, t, http.StatusAccepted, "", "early", "test.echo", "Prefer", "respond-async")
	if err := g.stop(); err != nil {
		t.Fatal(err)
	}
	remount := func(flags uintptr) {
		t.Helper()
		if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	remount(syscall.MS_RDONLY)
	for _, folder := range []string{data, filepath.Join(dir, "new")} {
		refuseStart(t, folder, "data directory "+folder+" cannot be written", "read-only", "--data-dir")
	}
	remount(0)
	g.start(t, g.addr)
	callee := g.join(t, new(diary).serve)
	if err := callee.register(ctx, nil, "test.echo"); err != nil {
		t.Fatal(err)
	}
	g.settled(ctx, t, "early")
}

// An intake is what became of calls that several callers make at once.
type intake struct {
	mu       sync.Mutex // guards the following fields
	accepted []string
	refused  []string // certainly
	unclear  int
}

// offer makes calls until ctx ends.
func (n *intake) offer(ctx context.Context, g *durableGateway, name string) {
	for i := 0; ctx.Err() == nil; i++ {
		id := fmt.Sprintf("%s-%d", name, i)
		a, err := g.do(context.WithoutCancel(ctx), http.MethodPost, "/call/test.echo?trust=persistent&timeout=5s", strings.NewReader(`["`+id+`"]`),
			"Content-Type", "application/json", "Idempotency-Key", id, "Prefer", "respond-async")
		n.mu.Lock()
		switch {
		case err == nil && a.status == http.StatusAccepted:
			n.accepted = append(n.accepted, id)
		case err == nil && a.status == http.StatusServiceUnavailable && a.header.Get("Wamp-Retry") == "safe":
			n.refused = append(n.refused, id)
		default:
			n.unclear++
		}
		n.mu.Unlock()
	}
}

// counts returns how many calls were accepted and refused.
func (n *intake) counts() (accepted, refused int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.accepted), len(n.refused)
}

// TestDiskFillsUnderLoad fills the disk, and makes room again, while calls come
// in: each that was accepted is made and has its result, none that was refused
// is made, and in the end calls are accepted again.
func TestDiskFillsUnderLoad(t *testing.T) {
	t.Parallel()
	const mib = 64
	dir := disk(t, mib)
	ctx, g := within(t, 4*patience), startDurable(t, filepath.Join(dir, "data"))
	seen, in := new(diary), new(intake)
	callee := g.join(t, seen.serve)
	if err := callee.register(ctx, nil, "test.echo"); err != nil {
		t.Fatal(err)
	}
	offering, enough := context.WithCancel(ctx)
	var callers sync.WaitGroup
	defer callers.Wait()
	defer enough()
	for i := range 8 {
		callers.Go(func() { in.offer(offering, g, fmt.Sprint("c", i)) })
	}
	for range 3 {
		accepted, refused := in.counts()
		g.await(ctx, t, func() bool { a, _ := in.counts(); return a > accepted+20 })
		makeRoom := fillDisk(t, dir, mib)
		g.await(ctx, t, func() bool { _, r := in.counts(); return r > refused+20 })
		makeRoom()
	}
	accepted, _ := in.counts()
	g.await(ctx, t, func() bool { a, _ := in.counts(); return a > accepted+20 })
	enough()
	callers.Wait()

	t.Logf("%d calls accepted, %d refused, %d unclear", len(in.accepted), len(in.refused), in.unclear)
	for _, id := range in.accepted {
		g.settled(ctx, t, id)
	}
	for _, id := range in.refused {
		if seen.asked(id) > 0 {
			t.Errorf("%s was refused, and made", id)
		}
	}
}
