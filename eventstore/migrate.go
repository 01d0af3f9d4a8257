package eventstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migration/*.sql
var migrationFiles embed.FS

// migrationLock is the key of the advisory lock under which one process at a time changes the schema.
const migrationLock = 0x57415942494c4c // "WAYBILL"

// The reasons for which a process does not start on a database.
var (
	// ErrSchemaBehind is matched when the database lacks migrations: run `waybill migrate`.
	ErrSchemaBehind = errors.New("database schema is older than this program needs")
	// ErrSchemaAhead is matched when the database has migrations that this program does not know.
	ErrSchemaAhead = errors.New("database schema is newer than this program")
)

// MigrationSet is an ordered set of goose migrations with a version table of its own, waybill.migration_<name>, so
// that each part of the system numbers its own from 1.
type MigrationSet struct {
	// Name is lower case letters, digits and underscores.
	Name string
	// FS holds NNNNN_name.sql files at its root.
	FS fs.FS
}

// Migrations is the set of the log itself. [Migrate] and its sisters always begin with it.
func Migrations() MigrationSet {
	files, err := fs.Sub(migrationFiles, "migration")
	if err != nil {
		panic(fmt.Sprintf("embedded migrations: %v", err)) // the folder is compiled in
	}
	return MigrationSet{Name: "eventstore", FS: files}
}

// Migration is one numbered change of the schema.
type Migration struct {
	Set       string
	Version   int64
	File      string
	SQL       string    // the whole file, up and down
	AppliedAt time.Time // zero if it is pending
}

// Migrate brings the database to the newest schema of the log and then of each set, in that order. It creates what is
// missing of schema waybill and of the group roles, and makes the user it connects as a member of these. Any number
// of processes may call it at once. Each migration is one transaction; it gives up after 5 seconds of waiting for a
// table lock, rather than queue every append behind it.
func Migrate(ctx context.Context, dsn string, sets ...MigrationSet) error {
	if err := prepareDatabase(ctx, dsn); err != nil {
		return err
	}
	err := eachProvider(dsn, sets, func(p *goose.Provider, set MigrationSet) error {
		if _, err := p.Up(ctx); err != nil {
			return fmt.Errorf("migrate %s: %w", set.Name, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return grantVersionTables(ctx, dsn, withOwn(sets))
}

// MigrationStatus lists all migrations of the log and of each set, applied or pending. It changes nothing.
func MigrationStatus(ctx context.Context, dsn string, sets ...MigrationSet) ([]Migration, error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, fmt.Errorf("migration status: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var all []Migration
	for _, set := range withOwn(sets) {
		known, err := set.list()
		if err != nil {
			return nil, err
		}
		applied, err := appliedVersions(ctx, conn, set)
		if err != nil {
			return nil, err
		}
		for _, m := range known {
			m.AppliedAt = applied[m.Version]
			all = append(all, m)
		}
	}
	return all, nil
}

// PendingSQL returns the migrations that [Migrate] would run, in order, with their SQL: for a dry run, or to have
// somebody else run them. It changes nothing.
func PendingSQL(ctx context.Context, dsn string, sets ...MigrationSet) ([]Migration, error) {
	all, err := MigrationStatus(ctx, dsn, sets...)
	if err != nil {
		return nil, err
	}
	var pending []Migration
	for _, m := range all {
		if m.AppliedAt.IsZero() {
			pending = append(pending, m)
		}
	}
	return pending, nil
}

// CheckSchema reports whether this program may work on the database: the error matches [ErrSchemaBehind] if
// migrations are missing, and [ErrSchemaAhead] if there are some that it does not know.
func CheckSchema(ctx context.Context, dsn string, sets ...MigrationSet) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("check schema: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for _, set := range withOwn(sets) {
		if err := checkSet(ctx, conn, set); err != nil {
			return err
		}
	}
	return nil
}

func checkSet(ctx context.Context, conn *pgx.Conn, set MigrationSet) error {
	known, err := set.list()
	if err != nil {
		return err
	}
	applied, err := appliedVersions(ctx, conn, set)
	if err != nil {
		return err
	}
	for _, m := range known {
		if _, ok := applied[m.Version]; !ok {
			return fmt.Errorf("%w: %s migration %s is pending: run `waybill migrate`", ErrSchemaBehind, set.Name, m.File)
		}
		delete(applied, m.Version)
	}
	for v := range applied {
		if v > 0 { // goose keeps a row 0 for the empty schema
			return fmt.Errorf("%w: %s migration %d is unknown here: run the program that made it, or a newer one", ErrSchemaAhead, set.Name, v)
		}
	}
	return nil
}

func withOwn(sets []MigrationSet) []MigrationSet {
	return append([]MigrationSet{Migrations()}, sets...)
}

func (s MigrationSet) table() string { return "waybill.migration_" + s.Name }

func (s MigrationSet) validate() error {
	if !regexp.MustCompile(`^[a-z][a-z0-9_]{0,40}$`).MatchString(s.Name) {
		return fmt.Errorf("migration set: name %q: want lower case letters, digits and underscores", s.Name)
	}
	if s.FS == nil {
		return fmt.Errorf("migration set %s: has no files", s.Name)
	}
	return nil
}

// list reads the files of the set in the order of their numbers.
func (s MigrationSet) list() ([]Migration, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	files, err := fs.Glob(s.FS, "*.sql") // sorted, and the numbers have one width
	if err != nil {
		return nil, fmt.Errorf("list migrations of %s: %w", s.Name, err)
	}
	list := make([]Migration, 0, len(files))
	for _, f := range files {
		v, err := goose.NumericComponent(f)
		if err != nil {
			return nil, fmt.Errorf("migrations of %s: %w", s.Name, err)
		}
		text, err := fs.ReadFile(s.FS, f)
		if err != nil {
			return nil, fmt.Errorf("migrations of %s: %w", s.Name, err)
		}
		list = append(list, Migration{Set: s.Name, Version: v, File: f, SQL: string(text)})
	}
	return list, nil
}

// appliedVersions reads a version table; one that does not exist yet is empty.
func appliedVersions(ctx context.Context, conn *pgx.Conn, set MigrationSet) (map[int64]time.Time, error) {
	applied := map[int64]time.Time{}
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", set.table()).Scan(&exists); err != nil {
		return nil, fmt.Errorf("read applied migrations of %s: %w", set.Name, err)
	}
	if !exists {
		return applied, nil
	}
	rows, err := conn.Query(ctx, `SELECT version_id, tstamp AT TIME ZONE current_setting('TimeZone') FROM `+set.table()+` WHERE is_applied`)
	if err != nil {
		return nil, fmt.Errorf("read applied migrations of %s: %w", set.Name, err)
	}
	var version int64
	var at time.Time
	_, err = pgx.ForEachRow(rows, []any{&version, &at}, func() error {
		applied[version] = at.UTC()
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read applied migrations of %s: %w", set.Name, err)
	}
	return applied, nil
}

// eachProvider runs do for every set, each with a goose provider that holds the advisory lock while it works.
func eachProvider(dsn string, sets []MigrationSet, do func(*goose.Provider, MigrationSet) error) error {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	cfg.RuntimeParams["application_name"] = "waybill migrate"
	cfg.RuntimeParams["lock_timeout"] = strconv.Itoa(int((5 * time.Second).Milliseconds()))
	cfg.RuntimeParams["timezone"] = "UTC"
	db := stdlib.OpenDB(*cfg)
	defer func() { _ = db.Close() }()
	for _, set := range withOwn(sets) {
		p, err := set.provider(db)
		if err != nil {
			return err
		}
		if err := do(p, set); err != nil {
			return err
		}
	}
	return nil
}

func (s MigrationSet) provider(db *sql.DB) (*goose.Provider, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	store, err := database.NewStore(database.DialectPostgres, s.table())
	if err != nil {
		return nil, fmt.Errorf("migrations of %s: %w", s.Name, err)
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(migrationLock), lock.WithLockTimeout(1, 120))
	if err != nil {
		return nil, fmt.Errorf("migrations of %s: %w", s.Name, err)
	}
	p, err := goose.NewProvider("", db, s.FS, goose.WithStore(store), goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("migrations of %s: %w", s.Name, err)
	}
	return p, nil
}
