//go:build unix

package chaos

import "syscall"

// signal sends a signal to a process by its number.
func signal(pid int, s syscall.Signal) error { return syscall.Kill(pid, s) }

const (
	signalFreeze    = syscall.SIGSTOP
	signalThaw      = syscall.SIGCONT
	signalKill      = syscall.SIGKILL
	signalTerminate = syscall.SIGTERM
	signalDump      = syscall.SIGQUIT
)
