package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite what is generated in README.md")

func TestSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]size{"0": 0, "1": 1, "4096": 4096, "3KiB": 3 << 10, "4 MiB": 4 << 20, "2GiB": 2 << 30} {
		var got size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("size %q = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "-1", "1.5MiB", "4MB", "9223372036854775808", "9007199254740992GiB", "MiB"} {
		var got size
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("size %q = %d, want an error", text, got)
		}
	}
}

func TestSizeReadsWhatItWrites(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := size(rapid.Int64Min(0).Draw(t, "bytes") >> rapid.IntRange(0, 62).Draw(t, "shift"))
		want <<= rapid.SampledFrom([]int{0, 0, 10}).Filter(func(s int) bool { return want<<s>>s == want }).Draw(t, "unit")
		var got size
		if err := got.UnmarshalText([]byte(want.String())); err != nil || got != want {
			t.Fatalf("%d was written as %q and read as %d, %v", want, want, got, err)
		}
	})
}

// TestConfiguration checks what serve refuses, with the place of the fault.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		file string
		env  []string
		args []string
		want []string // lines of standard error; FILE stands for the path
	}{
		"unknown key": {
			file: "# comment\nlisten: 127.0.0.1:0\n\nlisen: 3\n",
			want: []string{`FILE:4: unknown setting "lisen"; did you mean "listen"?`},
		},
		"unlike any key": {
			file: "database: x\n",
			want: []string{`FILE:1: unknown setting "database"`},
		},
		"underscore": {
			file: "max_body: 1\n",
			want: []string{`FILE:1: unknown setting "max_body"; did you mean "max-body"?`},
		},
		"all faults at once": {
			file: "max-body: 12 parsecs\ncompat: lax\ncall-timeout: soon\nmax-calls: many\nanonymous: perhaps\n",
			want: []string{
				`FILE:1: max-body: "12 parsecs" is not a size; write bytes, or a number with KiB, MiB or GiB`,
				`FILE:2: compat: "lax" is none of lenient, strict`,
				`FILE:3: call-timeout: expected duration but got "soon": time: invalid duration "soon"`,
				`FILE:4: max-calls: expected a valid 64 bit int but got "many"`,
				`FILE:5: anonymous: bool value must be true, 1, yes, false, 0 or no but got "perhaps"`,
			},
		},
		"out of range": {
			file: "anonymous: true\nmax-calls: 0\nrealm: [a b]\npublic-url: gw.example.com\nlisten: \":70000\"\n",
			want: []string{
				`FILE:5: listen: "70000" is not a port between 0 and 65535`,
				`FILE:2: max-calls: is too small`,
				`FILE:4: public-url: "gw.example.com" is not an http or https URL`,
				`FILE:3: realm: "a b" is not a WAMP URI`,
			},
		},
		"two that do not go together": {
			file: "anonymous: true\nmax-timeout: 5m\n",
			args: []string{"--call-timeout", "6m"},
			want: []string{
				`--call-timeout: call-timeout: 6m0s is more than max-timeout, 5m0s`,
				`default: stream-timeout: 10m0s is more than max-timeout, 5m0s`,
			},
		},
		"disclosure": {
			file: "anonymous: true\ndisclose-for: [com.example.p]\n",
			want: []string{`FILE:2: disclose-for: "com.example.p" is not [REALM#][MATCH:]PATTERN=VALUE, such as prefix:com.example.=never`},
		},
		"disclosure to nobody known": {
			file: "anonymous: true\ndisclose-for: ['prefix:com.example.=perhaps']\n",
			want: []string{`FILE:2: disclose-for: prefix:com.example.=perhaps: "perhaps" is none of both, either, always, never`},
		},
		"disclosure in no realm": {
			file: "anonymous: true\nrealm: [a, b]\ndisclose-for: ['b#=never', 'c#=never']\n",
			want: []string{`FILE:3: disclose-for: c#=never: there is no realm "c"`},
		},
		"disclosure for no URI": {
			args: []string{"--anonymous", "--disclose-for", "com..log=never"},
			want: []string{`--disclose-for: disclose-for: com..log=never: "com..log" is not a URI, or pattern, to be matched with exact`},
		},
		"disclosure twice": {
			env:  []string{"WAMPGATE_ANONYMOUS=true", "WAMPGATE_DISCLOSE_FOR=com.p=never,exact:com.p=always"},
			want: []string{"WAMPGATE_DISCLOSE_FOR: disclose-for: exact:com.p=always: its pattern is there twice"},
		},
		"trust": {
			file: "anonymous: true\ntrustlevel: [com.p@admin=1, com.p=1, com.p@admin=2]\n",
			want: []string{`FILE:2: trustlevel: com.p@admin=2: its pattern is there twice`},
		},
		"too much trust": {
			file: "anonymous: true\ntrustlevel: [com.p@admin=-1]\nack-timeout: 0s\n",
			want: []string{
				`FILE:3: ack-timeout: is too small`,
				`FILE:2: trustlevel: com.p@admin=-1: "-1" is not a whole number from 0`,
			},
		},
		"realm twice": {
			args: []string{"--realm", "a,b,a"},
			want: []string{`--realm: realm: "a" is there twice`},
		},
		"no value":     {file: "anonymous:\n", want: []string{"FILE:1: anonymous: has no value"}},
		"nested":       {file: "listen: {a: b}\n", want: []string{"FILE:1: listen: must be one value or a list of values"}},
		"list of maps": {file: "realm:\n  - {a: b}\n", want: []string{"FILE:1: realm: must be one value or a list of values"}},
		"comma":        {file: "realm: ['a,b']\n", want: []string{`FILE:1: realm: "a,b" holds a comma`}},
		"not a map":    {file: "- listen\n", want: []string{"FILE:1: not a map of settings, such as 'listen: 127.0.0.1:8080'"}},
		"twice":        {file: "queue: 1\nqueue: 2\n", want: []string{`FILE:2: mapping key "queue" already defined at [1:1]`}},
		"no YAML":      {file: "a: b\n c: [\n", want: []string{"FILE:1: mapping value is not allowed in this context"}},
		"two files":    {file: "queue: 1\n---\nqueue: 2\n", want: []string{"FILE:3: a second document; settings are one map"}},
		"variable": {
			env: []string{"WAMPGATE_LISTN=x", "WAMPGATE_QUEUE=much"},
			want: []string{
				`WAMPGATE_LISTN: unknown setting "WAMPGATE_LISTN"; did you mean "WAMPGATE_LISTEN"?`,
				`WAMPGATE_QUEUE: queue: "much" is not a size; write bytes, or a number with KiB, MiB or GiB`,
			},
		},
		"value from a variable": {
			env:  []string{"WAMPGATE_MAX_CALLS=0"},
			want: []string{"WAMPGATE_MAX_CALLS: max-calls: is too small"},
		},
		"nobody may call": {
			file: "listen: 127.0.0.1:0\n",
			want: []string{
				"nobody may call anything, so there is nothing to serve",
				`  To let anybody in who reaches 127.0.0.1:0, put "anonymous: true" into FILE,`,
				"  or set WAMPGATE_ANONYMOUS=true, or give --anonymous.",
				`  To let in those you know, name them there under "principals" and "roles".`,
				"  To try things out on this machine run 'wampgate dev'",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := writeFile(t, "wampgate.yaml", tt.file)
			got := runWith(soon(t), tt.env, append([]string{"serve", "-c", path}, tt.args...)...)
			want := "wampgate: " + strings.ReplaceAll(strings.Join(tt.want, "\n"), "FILE", path) + "\n"
			if got.code != exitUsage || got.stderr != want {
				t.Errorf("code %d, stderr:\n%swant code %d:\n%s", got.code, got.stderr, exitUsage, want)
			}
		})
	}
}

func TestMissingFile(t *testing.T) {
	t.Parallel()
	for _, env := range [][]string{nil, {"WAMPGATE_CONFIG=/no/such.yaml"}} {
		args := []string{"serve"}
		if env == nil {
			args = append(args, "--config", "/no/such.yaml")
		}
		got := runWith(soon(t), env, args...)
		if got.code != exitUsage || !strings.Contains(got.stderr, "/no/such.yaml") {
			t.Errorf("serve without its file: code %d, stderr %q", got.code, got.stderr)
		}
	}
}

// TestPrecedence gives one setting in ever more places: the nearest to the
// command line wins.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	path := writeFile(t, "wampgate.yaml", "anonymous: true\nmax-body: 2MiB\nqueue: 2MiB\nmax-frame: 2MiB\n")
	env := []string{
		"WAMPGATE_QUEUE=3MiB", "WAMPGATE_MAX_FRAME=3MiB", "WAMPGATE_CONFIG=" + path, "OTHER_QUEUE=1",
		// What Kubernetes sets for a Service of that name is not ours.
		"WAMPGATE_PORT=tcp://10.0.0.1:80", "WAMPGATE_PORT_80_TCP=x", "WAMPGATE_SERVICE_HOST=10.0.0.1",
	}
	got := runWith(soon(t), env, "check-config", "--max-frame", "4MiB")
	if got.code != exitOK {
		t.Fatalf("check-config: code %d, stderr %s", got.code, got.stderr)
	}
	lines := strings.Fields(got.stdout)
	for _, want := range []string{
		"max-message: 4MiB # default",
		"max-body: 2MiB # " + path + ":2",
		"queue: 3MiB # WAMPGATE_QUEUE",
		"max-frame: 4MiB # --max-frame",
	} {
		if !strings.Contains(strings.Join(lines, " "), want) {
			t.Errorf("check-config lacks %q:\n%s", want, got.stdout)
		}
	}
}

// TestConfigurationReadsWhatItWrites feeds check-config its own output, by way
// of values that need quotes in YAML.
func TestConfigurationReadsWhatItWrites(t *testing.T) {
	t.Parallel()
	args := []string{
		"--anonymous", "--ws-origins", "*.example.com,x#y", "--public-url", "https://gw.example.com", "--admin-listen", "", "--realm", "a,b.c",
		"--disclose-for", "prefix:com.example.=never,a#wildcard:com..log=always,b.c#=either",
	}
	first := runWith(soon(t), nil, append([]string{"check-config"}, args...)...)
	second := runWith(soon(t), nil, "check-config", "-c", writeFile(t, "wampgate.yaml", first.stdout))
	if second.code != exitOK {
		t.Fatalf("check-config of its own output: code %d, stderr %s", second.code, second.stderr)
	}
	if got, want := withoutComments(second.stdout), withoutComments(first.stdout); got != want {
		t.Errorf("check-config of its own output:\n%s\nwant:\n%s", got, want)
	}
}

func withoutComments(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i], _, _ = strings.Cut(line, " # ")
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, "\n")
}

// TestSettingsInREADME compares the table of settings with the flags; -update
// rewrites it.
func TestSettingsInREADME(t *testing.T) {
	t.Parallel()
	tableInREADME(t, "settings", settingsTable(t))
}

// tableInREADME compares the table of that name in README.md with what it
// should be; -update rewrites it.
func tableInREADME(t *testing.T, name, want string) {
	t.Helper()
	const path = "README.md"
	begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->\n"
	readme, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(readme), begin)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s lacks the lines %q and %q", path, begin, end)
	}
	if got == want {
		return
	}
	if !*update {
		t.Fatalf("the table of %s in %s is not up to date; run: go test ./cmd/wampgate -run %s -update", name, path, t.Name())
	}
	if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// settingsTable writes the settings of serve in Markdown.
func settingsTable(t *testing.T) string {
	t.Helper()
	parser, err := newParser(&process{}, newSources(nil), &commands{})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("| setting | default | what it is |\n|---|---|---|\n")
	for _, f := range serveFlags(parser.Model) {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.Name, code(f.Default), help(f))
	}
	return b.String()
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

// help returns the text of a flag, with its values as a person would list them.
func help(f *kong.Flag) string {
	if f.Enum == "" {
		return f.Help
	}
	return strings.ReplaceAll(f.Help, f.Enum, strings.Join(f.EnumSlice(), ", "))
}
