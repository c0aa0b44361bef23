package test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/wampgate/wampgate/"

// floors is a statement of policy: a package imports only packages of lower
// floors, never of its own. Whoever cannot build because of it has found a
// dependency that does not belong there; the floor is not what is wrong.
func floors() [][]string {
	return [][]string{
		{"dealer/wamp", "dealer/match", "dealer/shard"},
		{"dealer", "dealer/auth"},
		{"dealer/router", "dealer/engine", "openapi"},
		{"dealer/custody"},
		{
			"dealer/transport", "dealer/cluster", "dealer/durable", "dealer/transaction",
			"gateway/problem", "gateway/sse", "gateway/authn", "gateway/certs", "gateway/limit", "gateway/bind", "gateway/webhook",
			"openapi/generate", "openapi/validate", "web",
		},
		{"gateway"},
		{"cmd/wampgate"},
	}
}

// beside lists the packages that stand beside the floors: they may import
// anything and only tests import them.
func beside() []string { return []string{"test", "test/wamptest"} }

// towers are the two halves that meet only in dealer/wamp: nothing of one
// imports anything else of the other.
func towers() [2][]string {
	return [2][]string{{"gateway", "openapi", "web"}, {"dealer"}}
}

// pure lists the packages without I/O, goroutines, locks and clocks, and what
// those would have to import. (The clock itself is forbidden by the linter,
// since package time also holds Duration.)
func pure() (packages, forbidden []string) {
	return []string{"dealer/wamp", "dealer/match", "dealer/shard", "dealer"},
		[]string{
			"context", "crypto/rand", "io/fs", "log", "log/slog", "math/rand", "math/rand/v2",
			"net", "net/http", "net/url", "os", "os/exec", "runtime", "sync", "sync/atomic", "syscall", "time/tzdata", "unsafe",
		}
}

// homes names the packages, at best one, that import a module of others, so
// that replacing it is one package's work.
func homes() map[string][]string {
	return map[string][]string{
		"github.com/alecthomas/kong":            {"cmd/wampgate"},
		"github.com/caddyserver/certmagic":      {"gateway/certs"},
		"github.com/coder/websocket":            {"dealer/transport"},
		"github.com/fxamacker/cbor":             {"dealer/wamp"},
		"github.com/getkin/kin-openapi":         {"openapi", "openapi/validate"},
		"github.com/go-chi/chi":                 {"gateway"},
		"github.com/goccy/go-yaml":              {"cmd/wampgate", "openapi"},
		"github.com/golang-jwt/jwt":             {"gateway/authn"},
		"github.com/santhosh-tekuri/jsonschema": {"openapi/validate"},
		"github.com/nats-io":                    {"dealer/engine", "dealer/cluster", "dealer/durable"},
		"github.com/prometheus/client_golang":   {"cmd/wampgate"},
		"github.com/vmihailenco/msgpack":        {"dealer/wamp"},
		"golang.org/x/crypto":                   {"dealer/auth"},
		"go.uber.org/zap":                       {"gateway/certs"},
		"golang.org/x/sys":                      {"dealer/transport", "gateway", "cmd/wampgate"}, // options of sockets and terminals
		"golang.org/x/text":                     {"dealer/auth"},
	}
}

// A pkg is what "go list" says of a package.
type pkg struct {
	ImportPath string
	Imports    []string // without those of its tests
	Standard   bool
}

// name returns the package's place in this module.
func (p pkg) name() string { return strings.TrimPrefix(p.ImportPath, module) }

// listPackages lists the packages of this module, for every system that the
// module has files for.
func listPackages(t *testing.T, goos string) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = ".."
	cmd.Env = append(cmd.Environ(), "GOOS="+goos)
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %s", exit.Stderr)
		}
		t.Fatal(err)
	}
	var packages []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		switch err := dec.Decode(&p); {
		case errors.Is(err, io.EOF):
			return packages
		case err != nil:
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

func TestFloors(t *testing.T) {
	t.Parallel()
	for _, goos := range []string{"linux", "darwin", "windows"} {
		t.Run(goos, func(t *testing.T) {
			t.Parallel()
			packages := listPackages(t, goos)
			if len(packages) < 8 {
				t.Fatalf("go list names %d packages; the test sees too little", len(packages))
			}
			for _, p := range packages {
				for _, fault := range faults(p) {
					t.Error(fault)
				}
			}
		})
	}
}

// faults returns what is wrong with the imports of a package.
func faults(p pkg) []string {
	var all []string
	add := func(parts ...string) { all = append(all, strings.Join(parts, " ")) }
	floor, ok := floorOf(p.name())
	if !ok {
		if !slices.Contains(beside(), p.name()) {
			add(p.name(), "is on no floor")
		}
		return all
	}
	purePackages, impure := pure()
	for _, imp := range p.Imports {
		name, ours := strings.CutPrefix(imp, module)
		switch lower, known := floorOf(name); {
		case ours && !known:
			add(p.name(), "imports", name, "which is on no floor")
		case ours && lower >= floor:
			add(p.name(), "imports", name, "which is not on a lower floor")
		case ours && tower(p.name()) >= 0 && tower(name) >= 0 && tower(p.name()) != tower(name) && name != "dealer/wamp":
			add(p.name(), "imports", name, "of the other tower")
		case !ours && slices.Contains(purePackages, p.name()) && slices.Contains(impure, imp):
			add(p.name(), "imports", imp, "but must stay free of I/O, locks and clocks")
		case !ours && strings.Contains(imp, ".") && !atHome(p.name(), imp):
			add(p.name(), "imports", imp, "which is another package's to tame")
		}
	}
	return all
}

func floorOf(name string) (int, bool) {
	for i, floor := range floors() {
		if slices.Contains(floor, name) {
			return i, true
		}
	}
	return 0, false
}

// tower returns 0 or 1, or -1 for a package in neither tower.
func tower(name string) int {
	top, _, _ := strings.Cut(name, "/")
	for i, tops := range towers() {
		if slices.Contains(tops, top) {
			return i
		}
	}
	return -1
}

// atHome reports whether a package may import a package of another module.
func atHome(name, imp string) bool {
	for module, packages := range homes() {
		if imp == module || strings.HasPrefix(imp, module+"/") {
			return slices.Contains(packages, name)
		}
	}
	return false
}

// TestFaults plants faults, since a policy that lets everything through would
// pass TestFloors too.
func TestFaults(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		from, imp string
		want      bool
	}{
		"lock in the dealer":      {"dealer", "sync", true},
		"clock values are fine":   {"dealer", "time", false},
		"floor below":             {"dealer", module + "dealer/wamp", false},
		"floor above":             {"dealer", module + "dealer/router", true},
		"same floor":              {"dealer/wamp", module + "dealer/match", true},
		"other tower":             {"gateway", module + "dealer/router", true},
		"where the towers meet":   {"gateway", module + "dealer/wamp", false},
		"tests from a package":    {"gateway", module + "test/wamptest", true},
		"module at home":          {"gateway", "github.com/go-chi/chi/v5", false},
		"module not at home":      {"gateway/problem", "github.com/go-chi/chi/v5", true},
		"module without a home":   {"gateway", "github.com/stretchr/testify/assert", true},
		"package on no floor":     {"gateway/helpers", "fmt", true},
		"command knows them all":  {"cmd/wampgate", module + "dealer/router", false},
		"standard library":        {"gateway", "sync", false},
		"beside, whatever it has": {"test/wamptest", module + "dealer/router", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := faults(pkg{ImportPath: module + tt.from, Imports: []string{tt.imp}})
			if (len(got) > 0) != tt.want {
				t.Errorf("faults(%s imports %s) = %q, want any: %v", tt.from, tt.imp, got, tt.want)
			}
		})
	}
}
