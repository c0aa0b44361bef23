package main

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/alecthomas/kong"
)

// An effective is what a process runs with, and where each setting was made. It
// may be used by many goroutines.
type effective struct {
	mu       sync.Mutex // guards the following fields
	settings []settingJSON
	access   []string // what check-config tells of roles and principals
}

// A settingJSON is a setting in an answer. No value holds a secret.
type settingJSON struct {
	Name   string `json:"name"`
	Value  any    `json:"value"`
	Source string `json:"source"` // flag, env, file or default
	Where  string `json:"where"`  // such as --listen or wampgate.yaml:3
}

func newEffective(kctx *kong.Context, s *sources) *effective {
	e := &effective{access: s.describeAccess()}
	for _, flag := range kctx.Flags() {
		if flag.Group != nil {
			e.settings = append(e.settings, newSettingJSON(flag.Name, kctx.FlagValue(flag), s))
		}
	}
	return e
}

func newSettingJSON(name string, value any, s *sources) settingJSON {
	j := settingJSON{Name: name, Where: s.where(name)}
	switch v := withoutSecrets(name, value).(type) {
	case []string, bool, int, float64:
		j.Value = v
	default:
		j.Value = strings.Trim(yamlValue(v), `"`)
	}
	switch j.Where {
	case "default":
		j.Source = "default"
	case "--" + name:
		j.Source = "flag"
	case variable(name):
		j.Source = "env"
	default:
		j.Source = "file"
	}
	return j
}

// describeAccess returns the lines of describe as texts.
func (s *sources) describeAccess() []string {
	lines := s.describe()
	for i, line := range lines {
		lines[i] = strings.Join(strings.Fields(strings.TrimPrefix(line, "# ")), " ")
	}
	return lines
}

// reload takes over what a running gateway did. It is nil-safe.
func (e *effective) reload(r *reading) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.access = r.sources.describeAccess()
	e.settings = slices.Clone(e.settings) // the old ones may be on their way
	for i, s := range e.settings {
		if slices.Contains(reloadable(), s.Name) {
			e.settings[i] = newSettingJSON(s.Name, r.values[s.Name], r.sources)
		}
	}
}

// hidden stands in the place of a secret.
const hidden = "xxxxx"

// withoutSecrets returns the value of a setting as it may be shown: without
// names, passwords and tokens in URLs, and with the beginning of hashes alone,
// for somebody may have hashed what can be guessed.
func withoutSecrets(name string, value any) any {
	switch v := value.(type) {
	case string:
		return withoutSecret(name, v)
	case []string:
		shown := make([]string, len(v))
		for i, text := range v {
			shown[i] = withoutSecret(name, text)
		}
		return shown
	}
	return value
}

func withoutSecret(name, text string) string {
	const enough = 8 // digits, to tell one from another
	if name == "admin-keys" {
		digits := strings.TrimPrefix(text, "sha256:")
		return "sha256:" + digits[:min(len(digits), enough)] + "…"
	}
	scheme, _, ok := strings.Cut(text, "://")
	if !ok {
		return text
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return scheme + "://" + hidden
	case u.User == nil && u.RawQuery == "":
		return text
	}
	if u.RawQuery != "" {
		u.RawQuery = hidden
	}
	if u.User != nil {
		u.User = url.User(hidden)
	}
	return u.String()
}

// showConfig answers GET /admin/config.
func (n *node) showConfig(w http.ResponseWriter, r *http.Request) error {
	if _, err := n.query(r); err != nil {
		return err
	}
	n.config.mu.Lock()
	settings, access := n.config.settings, n.config.access
	n.config.mu.Unlock()
	if access == nil {
		access = []string{}
	}
	return sendAdmin(w, http.StatusOK, struct {
		Settings []settingJSON `json:"settings"`
		Access   []string      `json:"access"`
	}{settings, access})
}
