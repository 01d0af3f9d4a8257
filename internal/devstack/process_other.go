//go:build !unix

package devstack

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

var errUnsupported = errors.New("run a private postgres on this system: not supported; give the address of a running one")

type account struct{}

func serverAccount(string) (account, error)      { return account{}, errUnsupported }
func (account) chown(string) error               { return errUnsupported }
func (account) reaches(string) bool              { return false }
func (account) owns(fs.FileInfo) bool            { return false }
func (account) attributes() *syscall.SysProcAttr { return nil }
func lockDir(string) (*os.File, error)           { return nil, errUnsupported }
func signal(int, signalNumber) error             { return errUnsupported }
func alive(int) bool                             { return false }
func isServer(int, string) bool                  { return false }
func children(int) []int                         { return nil }
func endStrays(string)                           {}

type signalNumber = syscall.Signal

const (
	signalFast      = syscall.SIGINT
	signalImmediate = syscall.SIGQUIT
	signalKill      = syscall.SIGKILL
	signalFreeze    = syscall.SIGKILL
)
