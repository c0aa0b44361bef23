package main

import (
	"strings"
	"testing"
)

func TestCommandLine(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args   []string
		code   int
		stdout string // part of it
		stderr string // part of it
	}{
		"nothing":            {nil, exitUsage, "", `expected one of "dev"`},
		"help":               {[]string{"--help"}, exitOK, "check-config", ""},
		"help of a command":  {[]string{"serve", "--help"}, exitOK, "--max-body=4MiB", ""},
		"version":            {[]string{"version"}, exitOK, "wampgate " + version, ""},
		"unknown command":    {[]string{"serv"}, exitUsage, "", `did you mean one of "dev", "serve"?`},
		"unknown flag":       {[]string{"serve", "--lisen", "x"}, exitUsage, "", `did you mean "--listen"?`},
		"not a size":         {[]string{"serve", "--queue", "3x"}, exitUsage, "", `--queue: "3x" is not a size`},
		"not an address":     {[]string{"dev", "--listen", "8080"}, exitUsage, "", `--listen: listen: "8080" is not HOST:PORT`},
		"call what":          {[]string{"call"}, exitUsage, "", `expected "<uri>"`},
		"call with bad JSON": {[]string{"call", "x", "a:={"}, exitUsage, "", "a: { is not JSON; write a={ for text"},
		"call a bad URL":     {[]string{"call", "x", "--url", "nowhere"}, exitUsage, "", `"nowhere" is not the URL of a gateway`},
		"register what":      {[]string{"register", "x"}, exitUsage, "", "<command>"},
		"register bad URI":   {[]string{"register", "a..b", "--", "sh"}, exitUsage, "", `"a..b" is not a WAMP URI`},
		"register no jobs":   {[]string{"register", "-j", "0", "x", "--", "sh"}, exitUsage, "", "--jobs"},
		"register bad URL":   {[]string{"register", "--url", "ftp://x", "x", "--", "sh"}, exitUsage, "", `"ftp" is none of`},
		"register not there": {[]string{"register", "x", "--", "no-such-command"}, exitUsage, "", "not found"},
		"health of nobody":   {[]string{"health", "--url", "http://127.0.0.1:1"}, exitUnavailable, "", "no answer from http://127.0.0.1:1"},
		"call nobody":        {[]string{"call", "--url", "http://127.0.0.1:1", "x"}, exitUnavailable, "", "'wampgate dev' starts a gateway"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := runWith(soon(t), nil, tt.args...)
			if got.code != tt.code || !strings.Contains(got.stdout, tt.stdout) || !strings.Contains(got.stderr, tt.stderr) {
				t.Errorf("wampgate %q: code %d, stdout %q, stderr %q; want %d, …%q…, …%q…",
					tt.args, got.code, got.stdout, got.stderr, tt.code, tt.stdout, tt.stderr)
			}
			if tt.stderr == "" && got.stderr != "" {
				t.Errorf("wampgate %q: stderr %q, want none", tt.args, got.stderr)
			}
		})
	}
}
