package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// machine describes where this runs, as far as the system tells.
func machine() string {
	parts := []string{fmt.Sprintf("%d × %s", runtime.NumCPU(), firstField("/proc/cpuinfo", "model name", "processor"))}
	if kb, err := strconv.ParseFloat(strings.TrimSuffix(firstField("/proc/meminfo", "MemTotal", ""), " kB"), 64); err == nil {
		parts = append(parts, fmt.Sprintf("%.0f GiB", kb/(1<<20)))
	}
	if kernel, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		parts = append(parts, strings.TrimSpace(string(kernel)))
	}
	return strings.Join(append(parts, runtime.GOOS+"/"+runtime.GOARCH), ", ")
}

// firstField is the value of the first line "name: value" of a file.
func firstField(path, name, otherwise string) string {
	f, err := os.Open(path)
	if err != nil {
		return otherwise
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return otherwise
}

// settings are those of Postgres that a figure depends on.
func settings(ctx context.Context, conn *pgx.Conn) (map[string]string, error) {
	rows, err := conn.Query(ctx, `
SELECT name, current_setting(name) FROM pg_settings
WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes', 'wal_sync_method', 'commit_delay', 'commit_siblings',
	'shared_buffers', 'max_wal_size', 'checkpoint_timeout', 'max_connections', 'autovacuum', 'wal_level', 'synchronous_standby_names')`)
	if err != nil {
		return nil, fmt.Errorf("read the settings of postgres: %w", err)
	}
	all := map[string]string{}
	var name, value string
	_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error {
		all[name] = value
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the settings of postgres: %w", err)
	}
	return all, nil
}

// syncTime is what it takes to write 8 KiB and have them on disk, in a folder: what every commit has to pay.
func syncTime(dir string) (time.Duration, error) {
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return 0, fmt.Errorf("measure the disk: %w", err)
	}
	block, took := make([]byte, 8192), make([]time.Duration, 50)
	for i := range took {
		began := time.Now()
		if _, err = f.WriteAt(block, 0); err != nil {
			break
		}
		if err = f.Sync(); err != nil {
			break
		}
		took[i] = time.Since(began)
	}
	if err = errors.Join(err, f.Close(), os.Remove(f.Name())); err != nil {
		return 0, fmt.Errorf("measure the disk: %w", err)
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}
