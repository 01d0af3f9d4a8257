package chaos

import "syscall"

// attributes put a child into a process group of its own, and make the kernel end it when the thread that started it
// ends: also when this process is killed.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// signal sends a signal to a process by its number.
func signal(pid int, s syscall.Signal) error { return syscall.Kill(pid, s) }

const (
	signalFreeze    = syscall.SIGSTOP
	signalThaw      = syscall.SIGCONT
	signalKill      = syscall.SIGKILL
	signalTerminate = syscall.SIGTERM
	signalDump      = syscall.SIGQUIT
)
