//go:build unix && !linux

package devstack

import (
	"context"
	"strconv"
	"strings"
	"syscall"
)

// dieWithParent has no counterpart here: a Postgres that outlives us is stopped by the next start.
func dieWithParent(*syscall.SysProcAttr) {}

// isServer reports whether the process is a Postgres of this data folder, and not one that got its number later.
func isServer(pid int, dataDir string) bool {
	args, err := output(context.Background(), "ps", "-p", strconv.Itoa(pid), "-o", "args=")
	return err == nil && strings.Contains(args, "postgres") && strings.Contains(args, dataDir)
}

// children of a killed postmaster see its death and exit by themselves.
func children(int) []int { return nil }

// endStrays has no way to find them here; they leave by themselves when their query ends.
func endStrays(string) {}
