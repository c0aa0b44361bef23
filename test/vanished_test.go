//go:build linux

package test

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// vanishing runs a gateway and two clients in network namespaces of their own,
// joined by a pair of interfaces that lead nowhere else. When both calls are at
// work the clients' interface goes down, so that not a packet comes any more.
const vanishing = `set -e
ip link set lo up
ip link add gate type veth peer name away
unshare -n sleep 1000 &
host=$!
until [ "$(readlink /proc/$host/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do :; done
ip link set away netns $host
ip addr add 10.77.0.1/24 dev gate
ip link set gate up
nsenter -t $host -n ip addr add 10.77.0.2/24 dev away
nsenter -t $host -n ip link set away up
"$1" dev --listen 10.77.0.1:8080 --admin-listen= --kill-grace 1s 2>&1 &
until nsenter -t $host -n curl -sf http://10.77.0.1:8080/readyz >/dev/null; do :; done
nsenter -t $host -n curl -s --json '[600]' 'http://10.77.0.1:8080/call/demo.sleep?timeout=10m' >/dev/null &
nsenter -t $host -n curl -sN --json '{"args":[1000000],"kwargs":{"delay_ms":100}}' 'http://10.77.0.1:8080/call/demo.count?stream=sse&body=call' |
	{ read -r _; echo streaming; nsenter -t $host -n ip link set away down; echo vanished; sleep 1000; } &
wait
`

// TestVanishedClients: clients whose host is gone without a word are noticed,
// those that wait and those that read.
func TestVanishedClients(t *testing.T) {
	t.Parallel()
	if !heavy() || os.Geteuid() != 0 {
		t.Skip("clients that vanish are for root and the heavy tier: this takes half a minute")
	}
	for _, name := range []string{"ip", "unshare", "nsenter", "curl", "bash"} {
		tool(t, name, "clients that vanish")
	}
	cmd := exec.CommandContext(within(t, 2*time.Minute), "unshare", "-n", "bash", "-c", vanishing, "vanishing", binary(t))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that all that it starts ends with it
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = cmd.Cancel(), cmd.Wait() })
	var begun time.Time
	var seen []string
	gone := map[string]time.Duration{}
	for lines := bufio.NewScanner(out); len(gone) < 2 && lines.Scan(); {
		line := lines.Text()
		seen = append(seen, line)
		if line == "vanished" {
			begun = time.Now()
		}
		for _, procedure := range []string{"demo.sleep", "demo.count"} {
			if strings.Contains(line, procedure+" client gone") {
				gone[procedure] = time.Since(begun)
			}
		}
	}
	for procedure, after := range gone {
		t.Logf("the client of %s was missed after %v", procedure, after.Round(time.Second))
		if begun.IsZero() || after > 45*time.Second {
			t.Errorf("the client of %s was missed after %v", procedure, after)
		}
	}
	if len(gone) < 2 {
		t.Errorf("clients vanished and nobody noticed:\n%s", strings.Join(seen, "\n"))
	}
}
