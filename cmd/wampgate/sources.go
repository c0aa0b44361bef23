package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml/ast"

	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/match"
)

// envPrefix opens the name of every environment variable that is a setting.
const envPrefix = "WAMPGATE_"

// sources are the places other than the command line where settings are made:
// the environment and the configuration file. It is a kong.Resolver.
type sources struct {
	env  map[string]string    // by variable
	file map[string]fileValue // by setting
	path string               // of the configuration file

	environ      map[string]string // all of it, for secrets
	access       *access           // of the file
	imports      []importSpec      // of the file
	descriptions []descriptionSpec // of the file
	secrets      map[string]bool   // variables that hold secrets

	made map[string]string // where each setting in force was made, by setting
}

// A settingError is a setting that cannot be used.
type settingError struct {
	where string // such as "wampgate.yaml:3" or "WAMPGATE_LISTEN"
	text  string
}

func (e *settingError) Error() string { return e.where + ": " + e.text }

// newSources takes what concerns wampgate from an environment.
func newSources(environ []string) *sources {
	s := &sources{env: map[string]string{}, made: map[string]string{}, environ: map[string]string{}}
	s.access = &access{anonymousRole: auth.Anonymous}
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		s.environ[name] = value
		if strings.HasPrefix(name, envPrefix) {
			s.env[name] = value
		}
	}
	return s
}

// variable returns the environment variable of a setting.
func variable(setting string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(setting, "-", "_"))
}

// Validate is part of kong.Resolver; load has done the work.
func (*sources) Validate(*kong.Application) error { return nil }

// Resolve returns a flag's value from the environment or the file, or nil. kong
// asks only for flags that are not on the command line.
func (s *sources) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if flag.Group == nil {
		return nil, nil
	}
	if text, ok := s.env[variable(flag.Name)]; ok {
		s.made[flag.Name] = variable(flag.Name)
		return text, nil
	}
	if v, ok := s.file[flag.Name]; ok {
		s.made[flag.Name] = fmt.Sprintf("%s:%d", s.path, v.line)
		return v.text, nil
	}
	return nil, nil
}

// load reads the configuration file, if there is one, and checks everything
// in it and in the environment against the flags of the command. The error
// joins one settingError for each fault.
func (s *sources) load(flags []*kong.Flag, path string) error {
	var accessErr error
	if path != "" {
		data, err := os.ReadFile(path) //nolint:gosec // the operator names the file
		if err != nil {
			return fmt.Errorf("configuration file: %w", err)
		}
		var nodes map[string]ast.Node
		if s.file, nodes, err = parseFile(path, data); err != nil {
			return err
		}
		s.path = path
		s.access, s.secrets, accessErr = readAccess(path, nodes, s.environ)
		var importErr error
		s.imports, importErr = readImports(path, nodes["openapi"])
		var describeErr error
		s.descriptions, describeErr = readDescriptions(path, nodes["descriptions"])
		accessErr = errors.Join(accessErr, importErr, describeErr)
	}
	known := map[string]*kong.Flag{}
	for _, f := range flags {
		if f.Group != nil {
			known[f.Name] = f
		}
	}
	return errors.Join(s.checkEnv(known), s.checkFile(known), accessErr)
}

func (s *sources) checkEnv(known map[string]*kong.Flag) error {
	names := []string{variable("config"), variable("url"), variable("anonymous")} // of some commands
	names = append(names, credentialVariables()...)
	for name := range known {
		names = append(names, variable(name))
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(s.env)) {
		if !slices.Contains(names, name) && !foreign(name) && !s.secrets[name] {
			errs = append(errs, unknown(name, name, names))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if text, ok := s.env[variable(name)]; ok {
			errs = append(errs, checkValue(variable(name), known[name], text))
		}
	}
	return errors.Join(errs...)
}

// foreign reports whether a variable with our prefix is somebody else's:
// Kubernetes sets such ones in every pod near a Service called wampgate, and
// those of wampgate's tests begin with WAMPGATE_TEST_.
func foreign(variable string) bool {
	rest := strings.TrimPrefix(variable, envPrefix)
	return rest == "PORT" || strings.HasPrefix(rest, "PORT_") || strings.HasPrefix(rest, "SERVICE_") || strings.HasPrefix(rest, "TEST_")
}

func (s *sources) checkFile(known map[string]*kong.Flag) error {
	names := append(slices.Sorted(maps.Keys(known)), sections()...)
	var errs []error
	for _, name := range slices.SortedFunc(maps.Keys(s.file), func(a, b string) int { return s.file[a].line - s.file[b].line }) {
		v := s.file[name]
		where := fmt.Sprintf("%s:%d", s.path, v.line)
		if flag, ok := known[name]; ok {
			errs = append(errs, checkValue(where, flag, v.text))
		} else {
			errs = append(errs, unknown(where, name, names))
		}
	}
	return errors.Join(errs...)
}

func unknown(where, name string, names []string) error {
	text := fmt.Sprintf("unknown setting %q", name)
	if best, ok := nearest(name, names); ok {
		text += fmt.Sprintf("; did you mean %q?", best)
	}
	return &settingError{where, text}
}

// nearest returns the name that a misspelled one was probably meant to be.
func nearest(name string, names []string) (string, bool) {
	var index match.Index[struct{}]
	for _, n := range names {
		index.Set(match.Exact, n, struct{}{})
	}
	return index.Nearest(name)
}

// checkValue parses text as kong will, to name the place if it cannot be used.
func checkValue(where string, flag *kong.Flag, text string) error {
	scan := kong.ScanFromTokens(kong.Token{Type: kong.FlagValueToken, Value: text})
	scratch := reflect.New(flag.Target.Type()).Elem()
	err := flag.Mapper.Decode(&kong.DecodeContext{Value: flag.Value, Scan: scan}, scratch)
	if err != nil {
		return &settingError{where, fmt.Sprintf("%s: %v", flag.Name, err)}
	}
	if allowed := flag.EnumSlice(); flag.Enum != "" && !slices.Contains(allowed, text) {
		return &settingError{where, fmt.Sprintf("%s: %q is none of %s", flag.Name, text, strings.Join(allowed, ", "))}
	}
	return nil
}

// describe tells of roles, principals and descriptions, as comments of
// check-config.
func (s *sources) describe() []string {
	return append(s.access.describe(s.path), describeDescriptions(s.descriptions)...)
}

// where says where a setting in force was made, or that it is the default.
func (s *sources) where(setting string) string {
	if w, ok := s.made[setting]; ok {
		return w
	}
	return "default"
}
