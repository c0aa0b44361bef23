//go:build unix

package test

import (
	"fmt"
	"strings"
	"testing"
)

// survives reports whether a block is about calls that survive the gateway.
func (b block) survives() bool { return strings.Contains(b.text, "--data-dir") }

// TestREADMECallsThatSurvive does what README.md says of calls that survive,
// and kills the gateway where it says so.
func TestREADMECallsThatSurvive(t *testing.T) {
	t.Parallel()
	tool(t, "curl", "the commands of README.md")
	_, blocks := readme(t)
	kills := 0
	for _, b := range blocks {
		if b.language != "console" || !b.survives() {
			continue
		}
		g := &durableGateway{dir: t.TempDir()}
		for _, s := range b.steps() {
			title := fmt.Sprintf("README.md:%d: $ %s", b.line, s.command)
			switch s.command {
			case "wampgate dev --data-dir calls":
				g.gateway = start(t, "--data-dir="+g.dir)
				g.addr = g.gateway.addr
			case "kill -9 %1; wampgate dev --data-dir calls":
				kills++
				g.kill()
				g.gateway = start(t, "--data-dir="+g.dir, "--listen="+g.addr)
			default:
				s.play(t, g.gateway, title)
			}
		}
	}
	if kills == 0 {
		t.Error("README.md kills no gateway; the test sees too little")
	}
}
