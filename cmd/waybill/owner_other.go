//go:build !unix

package main

import (
	"io/fs"
	"os"
)

// The folder for temporary files is the user's own there.
func ownedByUs(fs.FileInfo) bool { return true }

// runsAsUs reports whether there is a process of this number.
func runsAsUs(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	_ = p.Release()
	return true
}
