//go:build unix

package test

import (
	"os"
	"os/exec"
	"syscall"
)

// nobody is the user, and the group, that owns nothing.
const nobody = 65534

// asNobody lets a command, which refuses to run as root, run as somebody else
// if this is root, and gives that user dir.
func asNobody(cmd *exec.Cmd, dir string) error {
	if os.Getuid() != 0 {
		return nil
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	return os.Chown(dir, nobody, nobody)
}
