package devstack_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"waybill/internal/devstack"
)

// install makes a folder with a server that only knows its version.
func install(t *testing.T, version string) string {
	t.Helper()
	dir := t.TempDir()
	script := "#!/bin/sh\necho 'postgres (PostgreSQL) " + version + "'\n"
	for _, name := range []string{"postgres", "initdb"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFindPostgresExplicit(t *testing.T) {
	for name, tt := range map[string]struct {
		dir   func(t *testing.T) string
		major int
		want  string // of the error
	}{
		"release":    {func(t *testing.T) string { t.Helper(); return install(t, "17.2 (Debian 17.2-1)") }, 17, ""},
		"beta":       {func(t *testing.T) string { t.Helper(); return install(t, "18beta1") }, 18, ""},
		"too old":    {func(t *testing.T) string { t.Helper(); return install(t, "13.9") }, 0, "too old: 15 or later"},
		"not a name": {func(t *testing.T) string { t.Helper(); return install(t, "x") }, 0, "unknown answer"},
		"empty":      {func(t *testing.T) string { t.Helper(); return t.TempDir() }, 0, "look for postgres in"},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := devstack.FindPostgres(tt.dir(t))
			if tt.want == "" {
				if err != nil || b.Major != tt.major {
					t.Errorf("found %+v, %v; want major %d", b, err, tt.major)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want it to say %q", err, tt.want)
			}
		})
	}
}

func TestFindPostgresPrefersPath(t *testing.T) {
	dir := install(t, "99.1")
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	b, err := devstack.FindPostgres("")
	if err != nil || b.Major != 99 {
		t.Errorf("found %+v, %v; want the one on PATH", b, err)
	}
}

func TestNoPostgresErrorHasOneInstallLine(t *testing.T) {
	err := error(&devstack.NoPostgresError{Install: "apt-get install -y postgresql"})
	if got, want := err.Error(), "PostgreSQL not found; install it with: apt-get install -y postgresql"; got != want {
		t.Errorf("error = %q, want %q", got, want)
	}
	old := &devstack.NoPostgresError{Install: "apt-get install -y postgresql", TooOld: []string{"13.9 in /usr/lib/postgresql/13/bin"}}
	if _, ok := errors.AsType[*devstack.NoPostgresError](err); !ok || !strings.Contains(old.Error(), "13.9 in") {
		t.Errorf("error = %q", old)
	}
}
