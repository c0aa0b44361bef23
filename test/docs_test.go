package test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/web"
)

// A docsReport is what clients/docs.cjs saw.
type docsReport struct {
	Browser string
	Faults  []string // what the browser complained of
	Outside []string // requests for other origins
	Texts   struct {
		Fault, Call, Failure, Upload, Sent string
		Lines, Dropped, Hostile, Title     string
		Stream                             []string
		Hang                               string `json:"test.docs.hang"`
		Later                              string `json:"test.docs.later"`
		HungUpload                         string
	}
	Checks struct {
		Found, Operations, Guarded    int
		Stored, Listed                int
		CallTooWide, ReferenceTooWide int
		Focus, Invalid                string
		ArgsDisabled, Forgotten       bool
		Live                          struct {
			State string
			Shown int
		}
	}
}

// chromium finds the browser, which systems call by different names.
func chromium(t *testing.T, leftOut string) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	without(t, "chromium", leftOut)
	return ""
}

// TestDocsInBrowser uses the page at /docs in a real browser: a call, a stream
// that shows while it comes, uploads, cancels that reach a callee, the reference,
// and credentials. WAMPGATE_TEST_SHOTS names a folder for pictures.
func TestDocsInBrowser(t *testing.T) {
	t.Parallel()
	const leftOut = "the page at /docs in a browser"
	browser, node := chromium(t, leftOut), tool(t, "node", leftOut)
	packages := nodePackages(t, leftOut)
	g, closed := start(t), guarded(t)
	ctx := within(t, 4*patience)
	callee := join(ctx, t, g)
	for i, uri := range []string{"test.docs.hang", "test.docs.later", "test.docs.upload"} {
		callee.register(ctx, t, i+1, uri)
	}
	from := callee.got.len()
	callee.sendf(ctx, t, `[64,4,{"_http":{"summary":%q}},"test.docs.hostile"]`, hostile)
	callee.wantAfter(ctx, t, from, codeRegistered)
	given, err := json.Marshal(map[string]string{
		"url": g.url(""), "guarded": closed.url(""), "name": "ada", "secret": loginPassword, "shots": os.Getenv("WAMPGATE_TEST_SHOTS"),
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, node, "clients/docs.cjs", packages, browser, string(given))
	var out, complaints strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	interrupted := make(chan error, 1)
	life, stop := context.WithCancel(ctx)
	defer stop()
	go func() { interrupted <- callee.hang(life, 3) }()
	err = cmd.Wait()
	if err != nil {
		stop() // nobody will cancel anything
	}
	if err := errors.Join(err, <-interrupted); err != nil {
		t.Fatalf("%v\n%s", err, complaints.String())
	}
	var got docsReport
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	t.Logf("with Chromium %s", got.Browser)
	got.check(t)
}

// hostile is what a callee says of its procedure that is after whoever reads it.
const hostile = "<img src='http://203.0.113.1/a' onerror='document.title=1'> ![b](http://203.0.113.1/b) <script>document.title=2</script>"

// hang answers so many calls with one progressive result each, and ends them
// when they are interrupted: the calls of whoever cancels.
func (p *peer) hang(ctx context.Context, calls int) error {
	from := 0
	for range calls {
		invocation, next, err := p.after(ctx, from, codeInvocation)
		if err != nil {
			return err
		}
		id, err := json.Marshal(invocation.rest[0])
		if err != nil {
			return err
		}
		if err := p.write(ctx, `[70,`+string(id)+`,{"progress":true},["working"]]`); err != nil {
			return err
		}
		interrupt, next, err := p.after(ctx, next, codeInterrupt)
		if err != nil {
			return err
		}
		if interrupt.rest[0] != invocation.rest[0] {
			return errors.New("the INTERRUPT is for another call: " + interrupt.text)
		}
		from = next
		if err := p.write(ctx, `[8,68,`+string(id)+`,{},"wamp.error.canceled"]`); err != nil {
			return err
		}
	}
	return nil
}

func (d *docsReport) check(t *testing.T) {
	t.Helper()
	if len(d.Faults) > 0 || len(d.Outside) > 0 {
		t.Errorf("the browser complained of %q, and was sent to %q", d.Faults, d.Outside)
	}
	const zeros = "bbd05cf6097ac9b1f89ea29d2542c1b7b67ee46848393895f5a9e43fa1f621e5" // SHA-256 of 3 MiB of zeros
	for _, test := range []struct{ what, got, want string }{
		{"fault of the arguments", d.Texts.Fault, "Line 2, column 4: no comma may stand before ]."},
		{"result", d.Texts.Call, "9007199254740994"},
		{"failure", d.Texts.Failure, "demo.error.failed"},
		{"hash of the upload", d.Texts.Upload, zeros},
		{"bytes sent", d.Texts.Sent, "3.0 MiB of 3.0 MiB"},
		{"canceled by hanging up", d.Texts.Hang, "the callee confirmed"},
		{"canceled with DELETE", d.Texts.Later, "the callee confirmed"},
		{"lines found in an upload", d.Texts.Lines, `{"args":["an error 0"]} {"args":["an error 100"]}`},
		{"events that are too many to show", d.Texts.Dropped, "The latest 500 of 2002 events"},
		{"summary with tags", d.Texts.Hostile, hostile},
		{"title", d.Texts.Title, "wampgate: calls and reference"},
		{"canceled during an upload's answer", d.Texts.HungUpload, "You hung up"},
		{"stream", strings.Join(d.Texts.Stream, " "), `{"args":[1]} {"args":[2]} {"args":[3]} {"args":[4]} {"args":[5]} {"args":["done"]}`},
	} {
		if !strings.Contains(test.got, test.want) {
			t.Errorf("%s: %q, want %q", test.what, test.got, test.want)
		}
	}
	c := d.Checks
	if c.Found != 1 || c.Focus != "args" || c.Invalid != "true" || !c.ArgsDisabled {
		t.Errorf("the form: %d procedures found, focus on %q, aria-invalid %q, arguments disabled %v", c.Found, c.Focus, c.Invalid, c.ArgsDisabled)
	}
	if c.Live.State != "running" || c.Live.Shown < 1 || c.Live.Shown > 4 {
		t.Errorf("during the stream: %q with %d events", c.Live.State, c.Live.Shown)
	}
	if c.Operations < 10 {
		t.Errorf("the reference shows %d operations", c.Operations)
	}
	if c.Listed != 500 || c.Guarded < 5 {
		t.Errorf("%d events are listed, and %d operations shown to who gave credentials", c.Listed, c.Guarded)
	}
	if c.CallTooWide > 0 || c.ReferenceTooWide > 0 {
		t.Errorf("at 390 pixels the parts are too wide by %d and %d", c.CallTooWide, c.ReferenceTooWide)
	}
	if !c.Forgotten || c.Stored > 0 {
		t.Errorf("secrets: field empty %v, %d things stored", c.Forgotten, c.Stored)
	}
}

// TestDocsModules tests the modules of the page that need no browser, and the
// syntax of all.
func TestDocsModules(t *testing.T) {
	t.Parallel()
	const leftOut = "the modules of the page at /docs"
	node := tool(t, "node", leftOut)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"type":"module"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	files, err := fs.Glob(web.Docs, "docs/*.js")
	if err != nil || len(files) < 6 {
		t.Fatalf("%v: %q", err, files)
	}
	for _, name := range files {
		content, err := fs.ReadFile(web.Docs, name)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.Base(name))
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(soon(t), node, "--check", path).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	out, err := exec.CommandContext(soon(t), node, "clients/docs_modules.mjs", dir).CombinedOutput()
	if err != nil || !slices.Equal(out, []byte("ok\n")) {
		t.Errorf("%v\n%s", err, out)
	}
}
