//go:build !linux

package chaos

import (
	"errors"
	"syscall"
)

// attributes are none: only Linux ends a child with its parent.
func attributes() *syscall.SysProcAttr { return nil }

// signal knows no other way than Linux's to stop a process for a while.
func signal(int, syscall.Signal) error {
	return errors.New("processes can be stopped for a while on Linux alone")
}

const (
	signalFreeze    = syscall.Signal(0x13)
	signalThaw      = syscall.Signal(0x12)
	signalKill      = syscall.SIGKILL
	signalTerminate = syscall.SIGTERM
	signalDump      = syscall.Signal(0x3)
)
