//go:build unix

package main

import (
	"io/fs"
	"os"
	"syscall"
)

func ownedByUs(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == os.Getuid()
}

// runsAsUs reports whether there is a process of this number that is ours: one of another user got the number later.
func runsAsUs(pid int) bool { return pid > 0 && syscall.Kill(pid, 0) == nil }
