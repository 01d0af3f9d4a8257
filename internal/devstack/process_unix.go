//go:build unix

package devstack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// account is the user that Postgres runs as. The zero value is "as ourselves".
type account struct {
	switched bool // we are root and run it as somebody else
	uid, gid uint32
}

// serverAccount chooses it: ourselves for an ordinary user. Postgres refuses to run as root, so root hands it to the
// owner of a data folder that is there already, else to the user postgres, else to nobody.
func serverAccount(dataDir string) (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	info, err := os.Stat(dataDir)
	if err == nil {
		st, ok := info.Sys().(*syscall.Stat_t)
		if ok && st.Uid != 0 {
			return account{switched: true, uid: st.Uid, gid: st.Gid}, nil
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(errUID, errGID); err != nil {
			return account{}, fmt.Errorf("read the ids of user %s: %w", name, err)
		}
		return account{switched: true, uid: uint32(uid), gid: uint32(gid)}, nil
	}
	return account{}, errors.New("run postgres as another user than root: there is neither a user postgres nor nobody")
}

func (a account) chown(path string) error {
	if !a.switched {
		return nil
	}
	return os.Chown(path, int(a.uid), int(a.gid))
}

// reaches reports whether the account may pass through dir and all folders above it.
func (a account) reaches(dir string) bool {
	if !a.switched {
		return true
	}
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return false
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return false
		}
		bit := fs.FileMode(0o001)
		switch {
		case st.Uid == a.uid:
			bit = 0o100
		case st.Gid == a.gid:
			bit = 0o010
		}
		if info.Mode().Perm()&bit == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}

// owns reports whether dir belongs to the account.
func (a account) owns(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	if a.switched {
		return st.Uid == a.uid
	}
	return int(st.Uid) == os.Geteuid()
}

// attributes for a child: in a process group of its own, so that Ctrl-C on the terminal reaches us alone and Postgres
// is stopped in its turn.
func (a account) attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if a.switched {
		attr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	dieWithParent(attr)
	return attr
}

// lockDir takes the folder for this process until the file is closed, or the process ends in whatever way. The kernel
// drops the lock with the process, so a kill -9 leaves nothing stale behind.
func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		held := &InUseError{Dir: dir}
		if b, err := os.ReadFile(path); err == nil {
			held.PID, _ = strconv.Atoi(strings.TrimSpace(string(b))) // 0 when its owner has not written it yet
		}
		return nil, held
	}
	if err := errors.Join(f.Truncate(0), writePID(f)); err != nil {
		return nil, errors.Join(fmt.Errorf("write %s: %w", path, err), f.Close())
	}
	return f, nil
}

func writePID(f *os.File) error {
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

func signal(pid int, sig signalNumber) error { return syscall.Kill(pid, sig) }

func alive(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

type signalNumber = syscall.Signal

const (
	signalFast      = syscall.SIGINT  // roll back what is open, checkpoint, exit
	signalImmediate = syscall.SIGQUIT // exit at once, recover from the WAL at the next start
	signalKill      = syscall.SIGKILL
	signalFreeze    = syscall.SIGSTOP
)
