package devstack

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// dieWithParent makes the kernel end the child when the thread that started it ends. Immediate shutdown rather than
// fast: it needs no checkpoint, and the next start recovers everything that was committed.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = signalImmediate }

// isServer reports whether the process is a Postgres of this data folder, and not one that got its number later: a
// postmaster and its backends work in their data folder.
func isServer(pid int, dataDir string) bool {
	cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	if err != nil {
		return false
	}
	want, err := filepath.EvalSymlinks(dataDir)
	return err == nil && cwd == want
}

// children answers the direct children of a process.
func children(pid int) []int {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil
	}
	var kids []int
	for _, stat := range stats {
		b, err := os.ReadFile(stat)
		if err != nil {
			continue // gone meanwhile
		}
		// "4711 (postgres: walwriter) S 4700 …": the name may hold blanks and brackets, so count from the last one.
		fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			if kid, err := strconv.Atoi(filepath.Base(filepath.Dir(stat))); err == nil {
				kids = append(kids, kid)
			}
		}
	}
	return kids
}

// endStrays kills the processes that still work in a data folder whose postmaster is dead: a busy backend does not
// look whether its postmaster lives, and until it is gone no other server may start there.
func endStrays(dataDir string) {
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		return
	}
	for _, link := range links {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link)))
		if err == nil && isServer(pid, dataDir) {
			_ = signal(pid, signalKill) // an error means that it is gone already
		}
	}
}
