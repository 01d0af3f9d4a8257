//go:build unix && !linux

package devstack

import (
	"strconv"
	"strings"
	"syscall"
)

// dieWithParent has no counterpart here: a Postgres that outlives us is stopped by the next start.
func dieWithParent(*syscall.SysProcAttr) {}

// isPostmaster reports whether the process is the Postgres of this data folder, and not one that got its number later.
func isPostmaster(pid int, dataDir string) bool {
	args, err := output("ps", "-p", strconv.Itoa(pid), "-o", "args=")
	return err == nil && strings.Contains(args, "postgres") && strings.Contains(args, dataDir)
}

// children of a killed postmaster see its death and exit by themselves.
func children(int) []int { return nil }
