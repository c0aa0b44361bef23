package test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// nodePackages returns the folder of the npm packages, installed on first use.
func nodePackages(t *testing.T, leftOut string) string {
	t.Helper()
	npm := tool(t, "npm", leftOut)
	dir, err := nodeModules(npm)
	if err != nil {
		without(t, fmt.Sprintf("npm packages (%v)", err), leftOut)
	}
	return dir
}

var nodeModules = onceFor(func(npm string) (string, error) {
	files := []string{"package.json", "package-lock.json", ".npmrc"}
	dir, err := install("npm", "clients", files, func(dir string) *exec.Cmd {
		cmd := exec.Command(npm, "ci")
		cmd.Dir = dir
		return cmd
	})
	return filepath.Join(dir, "node_modules"), err
})

// pythonPackages returns the interpreter of a virtual environment that has the
// PyPI packages, made on first use.
func pythonPackages(t *testing.T) string {
	t.Helper()
	const leftOut = "the conversations with autobahn-python"
	python, err := pythonEnv(tool(t, "python3", leftOut))
	if err != nil {
		without(t, fmt.Sprintf("PyPI packages (%v)", err), leftOut)
	}
	return python
}

var pythonEnv = onceFor(func(python string) (string, error) {
	dir, err := install("pypi", "clients", []string{"requirements.txt"}, virtualEnv(python))
	return filepath.Join(dir, "env", "bin", "python"), err
})

// virtualEnv makes a virtual environment with what requirements.txt names.
func virtualEnv(python string) func(dir string) *exec.Cmd {
	return func(dir string) *exec.Cmd {
		const script = `"$0" -m venv env && env/bin/pip install -q --disable-pip-version-check -r requirements.txt`
		cmd := exec.Command("sh", "-c", script, python)
		cmd.Dir = dir
		return cmd
	}
}

// onceFor calls f for the first argument only and remembers what it returned.
func onceFor(f func(string) (string, error)) func(string) (string, error) {
	var once sync.Once
	var result string
	var err error
	return func(arg string) (string, error) {
		once.Do(func() { result, err = f(arg) })
		return result, err
	}
}

// install runs command in a cache folder that holds copies of files of a
// folder, unless that was done before for the same files. A lock keeps other
// processes out meanwhile, and a failed attempt leaves nothing that would be
// taken for a whole one.
func install(kind, from string, files []string, command func(dir string) *exec.Cmd) (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(cache, kind+".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()

	hash := sha256.New()
	contents := map[string][]byte{}
	for _, name := range files {
		if contents[name], err = os.ReadFile(filepath.Join(from, name)); err != nil {
			return "", err
		}
		hash.Write([]byte(strconv.Quote(name)))
		hash.Write(contents[name])
	}
	dir := filepath.Join(cache, kind+"-"+hex.EncodeToString(hash.Sum(nil))[:16])
	complete := filepath.Join(dir, ".complete")
	if _, err := os.Stat(complete); err == nil {
		return dir, nil
	}
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return "", err
	}
	for name, data := range contents {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return "", err
		}
	}
	if out, err := command(dir).CombinedOutput(); err != nil {
		lines := slices.DeleteFunc(strings.Split(string(out), "\n"), func(s string) bool { return strings.TrimSpace(s) == "" })
		return "", fmt.Errorf("%w: %s", err, strings.Join(lines[max(0, len(lines)-3):], "; "))
	}
	return dir, os.WriteFile(complete, nil, 0o644)
}

// cacheDir returns the folder that keeps packages between test runs.
func cacheDir() (string, error) {
	dir := os.Getenv("WAMPGATE_TEST_CACHE")
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(user, "wampgate-test")
	}
	return dir, os.MkdirAll(dir, 0o755)
}
