package devstack

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	maxSocketPath = 107      // sockaddr_un holds 108 bytes with the closing zero
	maxLog        = 16 << 20 // bytes; an older log is kept once, as postgres.log.1
	fallbackRoot  = "/var/lib/waybill-dev"
)

// home is the folder of one cluster and the account that owns its data.
//
//	<dir>/lock            held by the Waybill process that runs the server
//	<dir>/data            the cluster, owned by the account; data.new while initdb runs
//	<dir>/run             the Unix socket, unless that path would be too long
//	<dir>/postgres.log    what the server says
//	<dir>/pg_hba.conf     who may connect; written at each start
type home struct {
	dir       string
	socketDir string
	as        account
}

func (h home) data() string    { return filepath.Join(h.dir, "data") }
func (h home) logPath() string { return filepath.Join(h.dir, "postgres.log") }
func (h home) hba() string     { return filepath.Join(h.dir, "pg_hba.conf") }

// openHome makes the folder, or another one where the account could not reach it.
func openHome(ctx context.Context, cfg PostgresConfig, log *slog.Logger) (home, error) {
	dir := cfg.Dir
	if dir == "" {
		made, err := os.MkdirTemp("", "waybill-pg-")
		if err != nil {
			return home{}, fmt.Errorf("make a folder for postgres: %w", err)
		}
		dir = made
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return home{}, fmt.Errorf("make a folder for postgres: %w", err)
	}
	as, err := serverAccount(filepath.Join(dir, "data"))
	if err != nil {
		return home{}, err
	}
	if err := makeReachable(dir); err != nil {
		return home{}, fmt.Errorf("make a folder for postgres: %w", err)
	}
	if as.reaches(dir) {
		return home{dir: dir, as: as}, nil
	}
	instead := filepath.Join(fallbackRoot, shortHash(dir))
	if cfg.Ephemeral {
		instead = filepath.Join("/tmp", "waybill-pg-"+shortHash(dir)) // $TMPDIR may be what cannot be reached
	}
	if as, err = serverAccount(filepath.Join(instead, "data")); err != nil {
		return home{}, err
	}
	if err := makeReachable(instead); err != nil {
		return home{}, fmt.Errorf("make a folder for postgres: %w", err)
	}
	if !as.reaches(instead) {
		return home{}, fmt.Errorf("make a folder for postgres: the user it runs as reaches neither %s nor %s", dir, instead)
	}
	log.WarnContext(ctx, "the user that postgres runs as cannot reach the data folder, another is used",
		slog.String("wanted", dir), slog.String("used", instead))
	return home{dir: instead, as: as}, nil
}

// makeReachable is MkdirAll, and what it makes may be passed through (not listed) by others whatever the umask. A
// folder that is there already belongs to somebody else's rules, but for the last one, which is ours.
func makeReachable(dir string) error {
	if parent := filepath.Dir(dir); parent != dir {
		if _, err := os.Stat(parent); errors.Is(err, fs.ErrNotExist) {
			if err := makeReachable(parent); err != nil {
				return err
			}
		}
	}
	if err := os.Mkdir(dir, 0o711); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a folder", dir)
	}
	if info.Mode().Perm()&0o111 == 0o111 {
		return nil
	}
	return os.Chmod(dir, info.Mode().Perm()|0o111)
}

// initialise makes the cluster when there is none, and checks that what is there fits the binaries.
func (h home) initialise(ctx context.Context, cfg PostgresConfig) error {
	b, err := os.ReadFile(filepath.Join(h.data(), "PG_VERSION"))
	if err == nil {
		if made := strings.TrimSpace(string(b)); made != strconv.Itoa(cfg.Binaries.Major) {
			return fmt.Errorf("the data was made by PostgreSQL %s and %s is %s: name the folder of the right binaries, or remove %s to begin anew",
				made, cfg.Binaries.Dir, cfg.Binaries.Version, h.dir)
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the version of the data: %w", err)
	}
	// Under another name first: an initdb that was killed half-way is never taken for a cluster.
	fresh := h.data() + ".new"
	if err := errors.Join(os.RemoveAll(fresh), os.Mkdir(fresh, 0o700), h.as.chown(fresh)); err != nil {
		return err
	}
	args := []string{
		"-D", fresh, "-U", Superuser, "--data-checksums", "--encoding=UTF8", "--locale=C",
		"--auth-local=trust", "--auth-host=reject",
	}
	if cfg.Ephemeral {
		args = append(args, "--no-sync")
	}
	cmd := exec.Command(cfg.Binaries.path("initdb"), args...) //nolint:noctx // child.wait ends it with ctx
	h.dress(cmd)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	c, err := startChild(cmd)
	if err != nil {
		return err
	}
	if err := c.wait(ctx); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, lastLines(said.Bytes()))
	}
	if err := os.Rename(fresh, h.data()); err != nil {
		return err
	}
	return syncDir(h.dir)
}

// dress gives a Postgres program its account, a folder that the account may stand in, and a plain environment: the
// PG* variables of the caller would otherwise reach the server.
func (h home) dress(cmd *exec.Cmd) {
	cmd.SysProcAttr = h.as.attributes()
	cmd.Dir = h.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC", "HOME=" + h.dir}
}

// arguments of the server. What the caller sets goes before what this package sets, but for where the files are.
func (h home) arguments(cfg PostgresConfig, port int) []string {
	settings := map[string]string{
		"fsync":                          "on",
		"full_page_writes":               "on",
		"synchronous_commit":             "on",
		"max_connections":                "200",
		"shared_buffers":                 "256MB",
		"max_wal_size":                   "2GB",
		"checkpoint_timeout":             "15min",
		"timezone":                       "UTC",
		"log_timezone":                   "UTC",
		"log_line_prefix":                "%m [%p] %d ",
		"log_checkpoints":                "off",
		"cluster_name":                   "waybill-dev",
		"unix_socket_permissions":        "0700",
		"superuser_reserved_connections": "3",
	}
	maps.Copy(settings, cfg.Settings)
	settings["listen_addresses"] = ""
	if cfg.Port != 0 {
		settings["listen_addresses"] = "127.0.0.1"
	}
	settings["port"] = strconv.Itoa(port)
	settings["unix_socket_directories"] = quoted(h.socketDir)
	settings["hba_file"] = h.hba()
	args := []string{"-D", h.data()}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}

// makeSocketDir chooses the folder of the socket and makes it ours alone: who opens the socket is superuser.
func (h home) makeSocketDir(port int) (string, error) {
	dir := filepath.Join(h.dir, "run")
	if len(filepath.Join(dir, ".s.PGSQL."+strconv.Itoa(port)+".lock")) > maxSocketPath {
		dir = h.shortSocketDir()
	}
	err := os.Mkdir(dir, 0o700)
	if err == nil {
		return dir, h.as.chown(dir)
	}
	if !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("make the folder of the socket: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", fmt.Errorf("make the folder of the socket: %w", err)
	}
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 || !h.as.owns(info) {
		return "", fmt.Errorf("make the folder of the socket: %s is there already and is not a private folder of the user that postgres runs as", dir)
	}
	return dir, nil
}

// shortSocketDir stands in for <dir>/run where that path is too long for a socket.
func (h home) shortSocketDir() string {
	return filepath.Join("/tmp", "waybill-"+shortHash(h.dir)) // $TMPDIR may itself be too long, as on macOS
}

func (h home) writeHBA(tcp bool) error {
	rules := "local all all trust\nlocal replication all trust\n"
	if tcp {
		rules += "host all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n"
	}
	if err := os.WriteFile(h.hba(), []byte(rules), 0o644); err != nil {
		return err
	}
	return os.Chmod(h.hba(), 0o644) // read by the account, whatever the umask
}

// openLog returns the log for appending, and where its next line will stand.
func (h home) openLog() (f *os.File, mark int64, err error) {
	info, err := os.Stat(h.logPath())
	if err == nil && info.Size() > maxLog {
		if err := os.Rename(h.logPath(), h.logPath()+".1"); err != nil {
			return nil, 0, err
		}
	}
	f, err = os.OpenFile(h.logPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, 0, err
	}
	mark, err = f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, mark, nil
}

// logSince answers the last lines that the server wrote after the mark, for an error.
func (h home) logSince(mark int64) string {
	b, err := os.ReadFile(h.logPath())
	if err != nil || mark > int64(len(b)) {
		return "nothing (see " + h.logPath() + ")"
	}
	return cmp.Or(lastLines(b[mark:]), "nothing")
}

func lastLines(b []byte) string {
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-8):], " | ")
}

// leave removes the folder of the socket where it stands outside, and when asked the whole.
func (h home) leave(discard bool) error {
	var err error
	if short := h.shortSocketDir(); h.socketDir == short {
		err = os.RemoveAll(short)
	}
	if discard {
		err = errors.Join(err, os.RemoveAll(h.dir))
	}
	return err
}

func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:6])
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
