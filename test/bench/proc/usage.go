package proc

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of CPU times in /proc.
const tick = 10 * time.Millisecond

// A Usage is what processes have used.
type Usage struct {
	CPU    time.Duration // user and system
	Memory int64         // bytes resident now
	Peak   int64         // the most bytes resident so far, or since ResetPeak
}

// UsageOf sums up a process and all processes of its group. Without /proc, or
// if pid is 0, it is zero.
func UsageOf(pid int) Usage {
	var u Usage
	for _, s := range group(pid) {
		u.CPU += s.cpu
		memory, peak := memoryOf(s.pid)
		u.Memory += memory
		u.Peak += peak
	}
	return u
}

// Own returns the CPU time of this process.
func Own() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// Machine returns the CPU time that all processes of this machine have used,
// and the time its processors had.
func Machine() (busy, all time.Duration) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	for i, field := range strings.Fields(string(line)) {
		n, _ := strconv.ParseInt(field, 10, 64) // 0 for the name of the line
		switch i {
		case 4, 5: // idle, and waiting for a disk
			all += time.Duration(n) * tick
		case 1, 2, 3, 6, 7, 8: // user, nice, system, interrupts, steal; guests are in user
			all += time.Duration(n) * tick
			busy += time.Duration(n) * tick
		}
	}
	return busy, all
}

// ResetPeak lets the peaks of a process and its group begin anew.
func ResetPeak(pid int) {
	for _, s := range group(pid) {
		_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.pid), []byte("5"), 0) // else the peak is that of all time
	}
}

// group returns a process and those of its group.
func group(pid int) []stat {
	if pid == 0 {
		return nil
	}
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	var all []stat
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // has ended
		}
		if s, ok := parseStat(text); ok && (s.pid == pid || s.group == pid) {
			all = append(all, s)
		}
	}
	return all
}

// A stat is what we want of /proc/PID/stat, see proc_pid_stat(5).
type stat struct {
	pid, group int
	cpu        time.Duration
}

func parseStat(text []byte) (s stat, ok bool) {
	id, _, _ := bytes.Cut(text, []byte(" "))
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:])) // from the third on
	if len(fields) < 13 {
		return stat{}, false
	}
	var err [4]error
	s.pid, err[0] = strconv.Atoi(string(id))
	s.group, err[1] = strconv.Atoi(fields[2])
	user, e := strconv.ParseInt(fields[11], 10, 64)
	err[2] = e
	system, e := strconv.ParseInt(fields[12], 10, 64)
	err[3] = e
	s.cpu = time.Duration(user+system) * tick
	return s, err == [4]error{}
}

// memoryOf returns the bytes a process has resident, and the most it had.
func memoryOf(pid int) (now, peak int64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0
	}
	return kibibytes(text, "VmRSS:"), kibibytes(text, "VmHWM:")
}

// kibibytes returns the bytes on a line of /proc/PID/status.
func kibibytes(text []byte, name string) int64 {
	_, after, _ := bytes.Cut(text, []byte("\n"+name))
	fields := strings.Fields(string(after[:min(len(after), 40)]))
	if len(fields) == 0 {
		return 0
	}
	n, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}
