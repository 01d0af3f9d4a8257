package devstack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// endOrphan ends the postmaster of a Waybill process that was killed. Our own lock is held by now, so nobody living
// can want that server.
func (h home) endOrphan(ctx context.Context, log *slog.Logger) error {
	pidFile := filepath.Join(h.data(), "postmaster.pid")
	pid, err := readPID(pidFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !isServer(pid, h.data()) {
		if !alive(pid) {
			return nil // Postgres itself takes over from a file whose process is gone
		}
		// The number belongs to somebody else by now, and Postgres would refuse to start because of it. That no
		// backend is left is still guarded by its shared memory, whose key is that of the folder.
		log.InfoContext(ctx, "a stale postmaster.pid was removed", slog.Int("pid", pid))
		return os.Remove(pidFile)
	}
	log.InfoContext(ctx, "a postgres that outlived its parent is shut down", slog.Int("pid", pid))
	for _, sig := range []signalNumber{signalImmediate, signalKill} {
		if err := signal(pid, sig); err != nil && alive(pid) {
			return fmt.Errorf("stop the postgres of a former run, process %d: %w", pid, err)
		}
		until := time.Now().Add(quitGrace)
		for time.Now().Before(until) {
			if !isServer(pid, h.data()) {
				return nil
			}
			if err := pause(ctx, readyPoll); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("stop the postgres of a former run: process %d does not end", pid)
}

// readPID reads the first line of postmaster.pid.
func readPID(path string) (int, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || pid <= 0 {
		return 0, fmt.Errorf("read %s: no process id in it", path)
	}
	return pid, nil
}
