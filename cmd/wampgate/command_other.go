//go:build !unix

package main

import "os/exec"

// inGroup does nothing where there are no process groups: the command is
// killed when its context ends, its children are not.
func inGroup(*exec.Cmd) {}

func killGroup(*exec.Cmd) {}
