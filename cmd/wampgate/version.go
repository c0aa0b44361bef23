package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is that of the next or current release.
const version = "0.1"

type versionCommand struct{}

// Run prints the version, the commit it was built from, and Go's version.
func (versionCommand) Run(p *process) error {
	_, err := fmt.Fprintf(p.Stdout, "wampgate %s (%s, %s %s/%s)\n",
		version, revision(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// revision returns the commit of the build, if the go command recorded it.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown revision"
	}
	commit, modified := "unknown revision", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			commit = s.Value[:12]
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = "+changes"
		}
	}
	return commit + modified
}
