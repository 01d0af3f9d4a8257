//go:build unix

package devtest

import (
	"os/exec"
	"syscall"
)

// apart puts the process into a group of its own, so that Ctrl-C on the terminal does not end it before its work.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
