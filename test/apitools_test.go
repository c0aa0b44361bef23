package test

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// apiNode returns the folder of the npm packages that judge OpenAPI documents,
// installed on first use.
func apiNode(t *testing.T, leftOut string) string {
	t.Helper()
	npm := tool(t, "npm", leftOut)
	dir, err := apiModules(npm)
	if err != nil {
		without(t, "npm packages ("+err.Error()+")", leftOut)
	}
	return dir
}

var apiModules = onceFor(func(npm string) (string, error) {
	files := []string{"package.json", "package-lock.json", ".npmrc"}
	dir, err := install("apitools-npm", "apitools", files, func(dir string) *exec.Cmd {
		cmd := exec.Command(npm, "ci")
		cmd.Dir = dir
		return cmd
	})
	return filepath.Join(dir, "node_modules"), err
})

var apiPython = onceFor(func(python string) (string, error) {
	dir, err := install("apitools-pypi", "apitools", []string{"requirements.txt"}, virtualEnv(python))
	return filepath.Join(dir, "env", "bin"), err
})

// silent is what keeps the tools from asking after newer versions of themselves.
func silent() []string {
	return append(os.Environ(), "REDOCLY_TELEMETRY=off", "REDOCLY_SUPPRESS_UPDATE_NOTICE=true", "NO_COLOR=1", "DO_NOT_TRACK=1")
}

// runIn runs a command in a folder and returns what it printed.
func runIn(ctx context.Context, t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, silent()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	return string(out)
}

// saveDocument writes a gateway's document to a file of a folder.
func saveDocument(t *testing.T, g *gateway, query, path string) {
	t.Helper()
	req, err := http.NewRequestWithContext(soon(t), http.MethodGet, g.url("/openapi.json"+query), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // nothing is lost with it
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %v: %s", resp.Status, err, text)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// toolTime is how long a tool may take.
const toolTime = 3 * time.Minute

// TestDocumentLinters has nothing to complain of for Redocly and Spectral, in
// either version: warnings count as well.
func TestDocumentLinters(t *testing.T) {
	t.Parallel()
	modules := apiNode(t, "Redocly and Spectral")
	g := start(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "spectral.yaml"), []byte("extends: ['spectral:oas']\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, v := range []string{"3.1", "3.2"} {
		file := v + ".json"
		saveDocument(t, g, "?v="+v, filepath.Join(dir, file))
		runIn(within(t, toolTime), t, dir, filepath.Join(modules, ".bin", "redocly"), "lint", "--extends", "recommended-strict", file)
		out := runIn(within(t, toolTime), t, dir, filepath.Join(modules, ".bin", "spectral"), "lint", "--fail-severity", "hint", "--ruleset", "spectral.yaml", file)
		if !strings.Contains(out, "No results") {
			t.Errorf("Spectral of %s:\n%s", v, out)
		}
	}
}

// TestGeneratedClients makes clients of the document with two generators; they
// compile, and call.
func TestGeneratedClients(t *testing.T) {
	t.Parallel()
	const leftOut = "generated clients"
	node, modules := tool(t, "node", leftOut), apiNode(t, leftOut)
	g := start(t)
	dir := t.TempDir()
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"client.ts", "tsconfig.json"} {
		text, err := os.ReadFile(filepath.Join("apitools", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	saveDocument(t, g, "", filepath.Join(dir, "openapi.json"))
	ctx := within(t, toolTime)
	bin := func(name string) string { return filepath.Join(dir, "node_modules", ".bin", name) }
	runIn(ctx, t, dir, bin("openapi-typescript"), "openapi.json", "-o", "gen/types.ts")
	runIn(ctx, t, dir, bin("openapi-ts"), "-i", "openapi.json", "-o", "gen/hey", "-p", "@hey-api/client-fetch", "@hey-api/typescript", "@hey-api/sdk")
	runIn(ctx, t, dir, bin("tsc"), "-p", ".")
	if out := runIn(ctx, t, dir, node, "out/client.js", g.url("")); out != "both clients called\n" {
		t.Errorf("the clients said %q", out)
	}
}

// TestSchemathesis holds the gateway against its document: generated requests,
// right and wrong, one by one and in sequences. The heavy tier makes at least
// 5,000 of them. demo.fail is left out, whose purpose is to fail.
func TestSchemathesis(t *testing.T) {
	t.Parallel()
	least := 1000
	if heavy() {
		least = 5000
	}
	// Options of calls that are kept or in transactions go together in ways
	// that no document can say: without a folder there are none.
	g := start(t, "--rate=0", "--check-results=enforce", "--data-dir=")
	schemathesis(t, g, least, "--exclude-operation-id", "demo.fail")
}

// TestSchemathesisTransactions does the same with what is below /transactions,
// which a gateway without a folder does not have.
func TestSchemathesisTransactions(t *testing.T) {
	t.Parallel()
	least := 200
	if heavy() {
		least = 2000
	}
	g := start(t, "--rate=0", "--data-dir="+t.TempDir())
	schemathesis(t, g, least, "--include-path-regex", "^/transactions")
}

// schemathesis makes generated requests, least or more, of the operations that
// args choose. None may be answered in a way that the document does not have.
func schemathesis(t *testing.T, g *gateway, least int, args ...string) {
	t.Helper()
	const leftOut = "generated requests"
	bin, err := apiPython(tool(t, "python3", leftOut))
	if err != nil {
		without(t, "PyPI packages ("+err.Error()+")", leftOut)
	}
	examples, limit := 10, 2*time.Minute
	if heavy() {
		examples, limit = 200, 20*time.Minute
	}
	dir, err := filepath.Abs("apitools")
	if err != nil {
		t.Fatal(err)
	}
	args = append([]string{
		"--config-file", filepath.Join(dir, "schemathesis.toml"),
		"run", g.url("/openapi.json?v=3.2"), "--phases", "examples,coverage,fuzzing,stateful", "--checks", "all", "--mode", "all",
		"--exclude-checks", "use_after_free", // DELETE of a call cancels it, and what it came to stays to be asked for
		"--max-examples", strconv.Itoa(examples), "--seed", "1", "--continue-on-failure",
		"--request-timeout", "30", "--generation-database", "none", "--no-color",
	}, args...)
	cmd := exec.CommandContext(within(t, limit), filepath.Join(bin, "schemathesis"), args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(silent(), "SCHEMATHESIS_HOOKS=hooks", "PYTHONPATH="+dir, "PYTHONDONTWRITEBYTECODE=1", "COLUMNS=200")
	text, err := cmd.CombinedOutput()
	out := string(text)
	if err != nil {
		t.Fatalf("schemathesis: %v\n%s", err, out[max(0, len(out)-20_000):])
	}
	found := regexp.MustCompile(`(\d+) generated, (\d+) passed`).FindStringSubmatch(out)
	if found == nil || found[1] != found[2] {
		t.Fatalf("not all cases passed:\n%s", out[max(0, len(out)-4000):])
	}
	if n, err := strconv.Atoi(found[1]); err != nil || n < least {
		t.Errorf("only %s cases were generated, want %d", found[1], least)
	}
	t.Logf("%s cases, none failed", found[1])
}
