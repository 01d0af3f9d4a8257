package devstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MinPostgres is the oldest major version that Waybill runs on.
const MinPostgres = 15

// Binaries are the programs of one Postgres installation.
type Binaries struct {
	Dir     string // where they lie, symbolic links resolved
	Version string // "15.18"
	Major   int    // 15
}

func (b Binaries) path(program string) string { return filepath.Join(b.Dir, program) }

// NoPostgresError says that no usable Postgres was found, and how to get one.
type NoPostgresError struct {
	Install string   // the one command line that installs it on this system
	TooOld  []string // what was found but is older than MinPostgres, "13.4 in /usr/lib/postgresql/13/bin"
}

func (e *NoPostgresError) Error() string {
	if len(e.TooOld) > 0 {
		return fmt.Sprintf("PostgreSQL %d or later not found (only %s); install it with: %s",
			MinPostgres, strings.Join(e.TooOld, ", "), e.Install)
	}
	return "PostgreSQL not found; install it with: " + e.Install
}

// FindPostgres looks for initdb and postgres: in explicitBinDir alone if that is given, otherwise on PATH, in what
// pg_config names, and in the usual folders of Debian, Red Hat, Homebrew and Postgres.app, newest first. Without a
// usable one the error is a [*NoPostgresError].
func FindPostgres(explicitBinDir string) (Binaries, error) {
	return findPostgres(context.Background(), explicitBinDir)
}

func findPostgres(ctx context.Context, explicitBinDir string) (Binaries, error) {
	if explicitBinDir != "" {
		b, err := inspect(ctx, explicitBinDir)
		if err != nil {
			return Binaries{}, err
		}
		if b.Major < MinPostgres {
			return Binaries{}, fmt.Errorf("PostgreSQL %s in %s is too old: %d or later is needed", b.Version, b.Dir, MinPostgres)
		}
		return b, nil
	}
	missing := &NoPostgresError{Install: installLine()}
	for _, dir := range candidates(ctx) {
		b, err := inspect(ctx, dir)
		switch {
		case err != nil: // not an installation with a server; look further
		case b.Major < MinPostgres:
			missing.TooOld = append(missing.TooOld, b.Version+" in "+b.Dir)
		default:
			return b, nil
		}
	}
	return Binaries{}, missing
}

func candidates(ctx context.Context) []string {
	var dirs []string
	if p, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(p))
	}
	if out, err := output(ctx, "pg_config", "--bindir"); err == nil {
		dirs = append(dirs, out)
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",
		"/usr/pgsql-*/bin",
		"/opt/homebrew/opt/postgresql*/bin",
		"/usr/local/opt/postgresql*/bin",
		"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			continue // only a malformed pattern errs, and these are constants
		}
		slices.SortFunc(found, func(a, b string) int { return majorIn(b) - majorIn(a) })
		dirs = append(dirs, found...)
	}
	return dirs
}

// majorIn reads the version number out of ".../postgresql/15/bin" or ".../postgresql@17/bin"; 0 when there is none.
func majorIn(binDir string) int {
	name := filepath.Base(filepath.Dir(binDir))
	n, err := strconv.Atoi(name[strings.LastIndexAny(name, "@-")+1:])
	if err != nil {
		return 0
	}
	return n
}

// inspect answers what the folder holds. Links are resolved because /usr/bin often has some of the programs only.
func inspect(ctx context.Context, dir string) (Binaries, error) {
	server, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
	if err != nil {
		return Binaries{}, fmt.Errorf("look for postgres in %s: %w", dir, err)
	}
	b := Binaries{Dir: filepath.Dir(server)}
	if _, err := os.Stat(b.path("initdb")); err != nil {
		return Binaries{}, fmt.Errorf("look for initdb beside postgres: %w", err)
	}
	line, err := output(ctx, server, "--version") // "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
	if err != nil {
		return Binaries{}, fmt.Errorf("ask %s for its version: %w", server, err)
	}
	_, rest, ok := strings.Cut(line, "(PostgreSQL) ")
	if !ok {
		return Binaries{}, fmt.Errorf("ask %s for its version: unknown answer %q", server, line)
	}
	b.Version, _, _ = strings.Cut(rest, " ")
	b.Major, err = strconv.Atoi(leadingDigits(b.Version)) // "15.18", "18beta1"
	if err != nil {
		return Binaries{}, fmt.Errorf("ask %s for its version: unknown answer %q", server, line)
	}
	return b, nil
}

func leadingDigits(s string) string {
	end := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		return s
	}
	return s[:end]
}

// output runs a program that answers at once and returns its one line.
func output(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(out)), nil
}

// installLine is the command that installs Postgres here, by the package manager that is there.
func installLine() string {
	sudo := "sudo "
	if os.Geteuid() == 0 {
		sudo = ""
	}
	for _, m := range []struct{ program, line string }{
		{"apt-get", sudo + "apt-get install -y postgresql"},
		{"dnf", sudo + "dnf install -y postgresql-server"},
		{"apk", sudo + "apk add postgresql"},
		{"pacman", sudo + "pacman -S --noconfirm postgresql"},
		{"zypper", sudo + "zypper install -y postgresql-server"},
		{"brew", "brew install postgresql@17"},
	} {
		if _, err := exec.LookPath(m.program); err == nil || errors.Is(err, exec.ErrDot) {
			return m.line
		}
	}
	if runtime.GOOS == "darwin" {
		return "brew install postgresql@17"
	}
	return sudo + "apt-get install -y postgresql"
}
