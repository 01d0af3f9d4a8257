//go:build unix && !linux

package chaos

import "syscall"

// attributes put a child into a process group of its own. Nothing ends it with its parent but Linux: after a SIGKILL of the
// tests it has to be ended by hand.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
