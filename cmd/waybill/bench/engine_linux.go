package bench

import (
	"os/exec"
	"syscall"
)

// dieWithParent makes the kernel end the child when the thread that started it ends: nothing is left behind, whatever
// becomes of this process.
func dieWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
