package chaos

import "syscall"

// attributes put a child into a process group of its own, and make the kernel end it when the thread that started it
// ends: also when this process is killed.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
