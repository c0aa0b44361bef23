package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

// lookInterval is how often files of the configuration are looked at. A change
// counts when two looks in a row have seen the same.
const lookInterval = time.Second

// reloadable are the settings that a running gateway takes over, beside the
// sections of the file.
func reloadable() []string {
	return []string{"anonymous", "rate", "burst", "log-level", "openapi-prefix", "openapi-answers", "admin-keys"}
}

// A reading is what the command line, the environment and the file say
// together at one time. It has been checked.
type reading struct {
	command *serveCommand
	sources *sources
	values  map[string]any // of the settings, by name
}

// readAgain reads the file again, under the command line and the environment
// that the process was started with.
func readAgain(p *process) (*reading, error) {
	var c commands
	s := newSources(p.Env)
	parser, err := newParser(&process{Stdout: io.Discard, Stderr: io.Discard}, s, &c)
	if err != nil {
		return nil, err
	}
	kctx, err := parser.Parse(protectNegatives(p.Args))
	if err != nil {
		return nil, err
	}
	if err := c.Serve.mayServe(s); err != nil {
		return nil, err
	}
	return &reading{&c.Serve, s, settingValues(kctx)}, nil
}

// settingValues returns the settings of a command line that has been parsed.
func settingValues(kctx *kong.Context) map[string]any {
	values := map[string]any{}
	for _, flag := range kctx.Flags() {
		if flag.Group != nil {
			values[flag.Name] = kctx.FlagValue(flag)
		}
	}
	return values
}

// needRestart names the settings that differ and cannot be taken over.
func needRestart(running, now map[string]any) []string {
	var names []string
	for name, v := range now {
		if !slices.Contains(reloadable(), name) && !reflect.DeepEqual(v, running[name]) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// A reloader reads the configuration of a node again when its files change,
// and on SIGHUP.
type reloader struct {
	node    *node
	process *process
	running map[string]any // the settings that the node was started with
	hangups chan os.Signal

	files   []string // of the reading in force, or of the last one that was tried
	seen    string   // their stamp then
	pending string   // a stamp that the last look saw for the first time
}

// newReloader takes SIGHUP from now on; stop gives it back.
func newReloader(n *node, p *process, s *sources, running map[string]any) (r *reloader, stop func()) {
	r = &reloader{node: n, process: p, running: running, hangups: make(chan os.Signal, 1), files: s.files()}
	r.seen = stampOf(r.files)
	signal.Notify(r.hangups, syscall.SIGHUP)
	return r, func() { signal.Stop(r.hangups) }
}

// run reloads until ctx ends.
func (r *reloader) run(ctx context.Context) {
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.hangups:
		case <-ticker.C:
			if !r.changed() {
				continue
			}
		}
		r.reload(ctx)
	}
}

// changed reports whether the files have changed, and are no longer changing.
func (r *reloader) changed() bool {
	stamp := stampOf(r.files)
	if stamp == r.seen {
		r.pending = ""
		return false
	}
	settled := stamp == r.pending
	r.pending = stamp
	return settled
}

// reload reads everything, and has the node take it over if it is all right.
func (r *reloader) reload(ctx context.Context) {
	log := r.node.log
	before := stampOf(r.files)
	reading, err := readAgain(r.process)
	if stampOf(r.files) != before {
		log.InfoContext(ctx, "the configuration changes just now, and is read when it is complete")
		return // the next looks see it
	}
	r.seen, r.pending = before, ""
	if err == nil {
		r.files = reading.sources.files()
		r.seen = stampOf(r.files)
		err = r.node.reload(ctx, reading)
	}
	if err != nil {
		log.ErrorContext(ctx, "configuration stays as it was; repair the file, which is read again then, or send SIGHUP", "err", err)
		return
	}
	if names := needRestart(r.running, reading.values); names != nil {
		log.WarnContext(ctx, "settings have changed that take a restart; until then the old ones are in force", "settings", strings.Join(names, ", "))
	}
}

// files returns the configuration file and those that it names for secrets,
// keys and OpenAPI documents.
func (s *sources) files() []string {
	if s.path == "" {
		return nil
	}
	files := append([]string{s.path}, s.access.files...)
	for _, spec := range s.imports {
		files = append(files, spec.File)
	}
	return files
}

// stampOf returns what changes when one of the files does.
func stampOf(files []string) string {
	var b strings.Builder
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil {
			b.WriteString("none ")
			continue
		}
		fmt.Fprintf(&b, "%d/%d ", info.ModTime().UnixNano(), info.Size())
	}
	return b.String()
}
