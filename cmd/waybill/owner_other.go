//go:build !unix

package main

import "io/fs"

// The folder for temporary files is the user's own there.
func ownedByUs(fs.FileInfo) bool { return true }
