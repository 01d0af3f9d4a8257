//go:build !unix

package chaos

import (
	"errors"
	"syscall"
)

// attributes are none.
func attributes() *syscall.SysProcAttr { return nil }

// signal knows no way to stop a process for a while.
func signal(int, syscall.Signal) error {
	return errors.New("signals can be sent to other processes on Unix alone")
}

const (
	signalFreeze    = syscall.Signal(0x13)
	signalThaw      = syscall.Signal(0x12)
	signalKill      = syscall.SIGKILL
	signalTerminate = syscall.SIGTERM
	signalDump      = syscall.Signal(0x3)
)
