package projections

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"waybill/eventstore"
)

// VerifyConfig says what [Verify] compares. Projection, Pool and Log are required.
type VerifyConfig struct {
	Projection Projection
	Pool       *pgxpool.Pool // connects as eventstore.RoleProject
	Log        eventstore.Reader
	// MaxDifferences is how many are reported; default 20.
	MaxDifferences int
	// PageEvents is how many events are applied at once; default 4000.
	PageEvents int
	// Progress, if set, is called after every page with the position reached and the one aimed at.
	Progress func(position, until int64)
}

// Verification is what a comparison found.
type Verification struct {
	Projection  string
	Version     int
	Position    int64 // the checkpoint at which tables and fold were compared
	LeftOut     int   // events that are parked or skipped, and so in neither
	Tables      []TableDump
	Differences []Difference // the first ones; none: the read model is the fold of its events
}

// TableDump stands for the content of one table.
type TableDump struct {
	Table string
	Rows  int64
	Hash  string // SHA-256 of the rows in the order of the primary key, in COPY's text form
}

// Difference is a field, or a whole row, that is not what the events say; or, with an empty Key, a table that is not the
// one that the projection makes.
type Difference struct {
	Table string
	Key   string // the primary key as JSON; empty: it is about the table, and Got and Want are names of columns
	Field string // "columns" or "primary key" of a table; empty if the row, or table, is missing on one side
	Got   string // in the read model, as JSON; empty: there is no such row, or table
	Want  string // folded from the log; empty: there should be no such row, or table
}

// String is the difference as a line for people.
func (d Difference) String() string {
	switch {
	case d.Key == "" && d.Got == "":
		return d.Table + ": table is missing"
	case d.Key == "" && d.Want == "":
		return d.Table + ": table should not be there"
	case d.Key == "":
		return fmt.Sprintf("%s: %s: %s, want %s", d.Table, d.Field, d.Got, d.Want)
	case d.Got == "":
		return fmt.Sprintf("%s %s: row is missing, want %s", d.Table, d.Key, d.Want)
	case d.Want == "":
		return fmt.Sprintf("%s %s: row should not be there: %s", d.Table, d.Key, d.Got)
	}
	return fmt.Sprintf("%s %s: %s is %s, want %s", d.Table, d.Key, d.Field, d.Got, d.Want)
}

// verifyRounds is how often Verify starts anew because events were parked or retried meanwhile.
const verifyRounds = 3

// errMoved means that a comparison has to start anew.
var errMoved = errors.New("events were parked or retried meanwhile")

// Verify folds the log into a schema of its own, by the same code, and compares the tables row by row with those of
// the projection's version, as of one checkpoint. Runner and writers may go on: the long part runs beside them, and
// only the last stretch and the comparison take place in one REPEATABLE READ transaction. One Verify of a version runs
// at a time. It works inside Postgres, so no table has to fit into memory.
func Verify(ctx context.Context, cfg VerifyConfig) (Verification, error) {
	cfg.MaxDifferences = cmp.Or(cfg.MaxDifferences, 20)
	cfg.PageEvents = cmp.Or(cfg.PageEvents, 4000)
	p := cfg.Projection
	v := verifier{cfg: cfg, folder: newFolder(p), reg: registry{pool: cfg.Pool, name: p.Name(), version: p.Version()}}
	v.scratch = v.reg.schema() + "_verify"
	found, err := v.run(ctx)
	if err != nil {
		return Verification{}, fmt.Errorf("verify %s: %w", v.reg.schema(), err)
	}
	return found, nil
}

type verifier struct {
	cfg     VerifyConfig
	folder  folder
	reg     registry
	scratch string
	conn    *pgx.Conn
}

func (v *verifier) run(ctx context.Context) (found Verification, err error) {
	cfg := v.cfg.Pool.Config().ConnConfig
	maps.Copy(cfg.RuntimeParams, foldSettings(v.scratch))
	maps.Copy(cfg.RuntimeParams, map[string]string{
		"idle_in_transaction_session_timeout": "0", "statement_timeout": "0",
		"datestyle": "ISO, YMD", "intervalstyle": "iso_8601", "timezone": "UTC", "extra_float_digits": "1", "bytea_output": "hex",
	})
	if v.conn, err = pgx.ConnectConfig(ctx, cfg); err != nil {
		return found, err
	}
	closing := context.WithoutCancel(ctx)
	defer func() { err = errors.Join(err, v.conn.Close(closing)) }()
	var alone bool
	if err := v.conn.QueryRow(ctx, "SELECT pg_try_advisory_lock(hashtextextended($1, 0))", "waybill "+v.scratch).Scan(&alone); err != nil {
		return found, err
	}
	if !alone {
		return found, errors.New("another verification of this version runs")
	}
	defer func() { err = errors.Join(err, v.drop(closing), v.unlock(closing)) }()
	for range verifyRounds {
		if found, err = v.round(ctx); !errors.Is(err, errMoved) {
			return found, err
		}
	}
	return found, err
}

func (v *verifier) drop(ctx context.Context) error {
	if v.conn.IsClosed() {
		return nil // the next verification does it
	}
	_, err := v.conn.Exec(ctx, "DROP SCHEMA IF EXISTS "+quote(v.scratch)+" CASCADE")
	return err
}

// unlock lets the next verification begin now, and not when the server has noticed that the connection is closed.
func (v *verifier) unlock(ctx context.Context) error {
	if v.conn.IsClosed() {
		return nil
	}
	_, err := v.conn.Exec(ctx, "SELECT pg_advisory_unlock_all()")
	return err
}

// round folds up to where the projection is now, then takes a snapshot, folds the rest and compares.
func (v *verifier) round(ctx context.Context) (Verification, error) {
	if err := v.drop(ctx); err != nil {
		return Verification{}, err
	}
	err := pgx.BeginFunc(ctx, v.conn, func(tx pgx.Tx) error { return makeTables(ctx, tx, v.scratch, v.cfg.Projection.Schema()) })
	if err != nil {
		return Verification{}, err
	}
	start, out, err := v.state(ctx, v.conn)
	if err != nil {
		return Verification{}, err
	}
	each := func(b batch) error {
		return pgx.BeginFunc(ctx, v.conn, func(tx pgx.Tx) error { return v.folder.apply(ctx, tx, b.items) })
	}
	if err := v.fold(ctx, 0, start, out, each); err != nil {
		return Verification{}, err
	}
	found := Verification{Projection: v.reg.name, Version: v.reg.version}
	err = pgx.BeginTxFunc(ctx, v.conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
		end, now, err := v.state(ctx, tx)
		if err != nil {
			return err
		}
		if end.position < start.position || end.epoch != start.epoch || !maps.Equal(upTo(out, start.position), upTo(now, start.position)) {
			return errMoved
		}
		found.Position, found.LeftOut = end.position, len(now)
		err = v.fold(ctx, start.position, end, now, func(b batch) error { return v.folder.apply(ctx, tx, b.items) })
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "SET LOCAL enable_seqscan TO on; SET LOCAL enable_hashjoin TO on; SET LOCAL enable_mergejoin TO on"); err != nil {
			return err
		}
		return v.compare(ctx, tx, &found)
	})
	return found, err
}

func upTo(positions map[int64]bool, limit int64) map[int64]bool {
	some := map[int64]bool{}
	for p := range positions {
		if p <= limit {
			some[p] = true
		}
	}
	return some
}

type mark struct {
	position int64
	epoch    uuid.UUID
}

// state reads the checkpoint, and the positions before it whose events are not in the tables.
func (v *verifier) state(ctx context.Context, q Querier) (mark, map[int64]bool, error) {
	var m mark
	var out []int64
	err := q.QueryRow(ctx, `
SELECT v.position, v.epoch, ARRAY(SELECT p.position FROM projections.parked p WHERE p.name = v.name AND p.version = v.version)
FROM projections.versions v
WHERE v.name = $1 AND v.version = $2`, v.reg.name, v.reg.version).Scan(&m.position, &m.epoch, &out)
	if errors.Is(err, pgx.ErrNoRows) {
		return m, nil, &UnknownError{Projection: v.reg.name, Version: v.reg.version}
	}
	if err != nil {
		return m, nil, err
	}
	set := make(map[int64]bool, len(out))
	for _, p := range out {
		set[p] = true
	}
	return m, set, nil
}

// fold applies the log after a position up to a mark, except for the events left out.
func (v *verifier) fold(ctx context.Context, after int64, until mark, out map[int64]bool, apply func(batch) error) error {
	for after < until.position {
		limit := min(int64(v.cfg.PageEvents), until.position-after)
		events, err := v.cfg.Log.ReadLog(ctx, after+1, int(limit))
		if err != nil {
			return fmt.Errorf("read the log from %d: %w", after+1, err)
		}
		head, err := v.cfg.Log.Head(ctx)
		if err != nil {
			return fmt.Errorf("read the end of the log: %w", err)
		}
		if head.Epoch != until.epoch {
			return &EpochError{Projection: v.reg.name, Source: "log", Checkpoint: until.epoch, Other: head.Epoch}
		}
		b, err := v.folder.prepare(after, events)
		if err != nil {
			return err
		}
		if b.to == after {
			return &AheadError{Projection: v.reg.name, Position: until.position, Head: after}
		}
		b.items = slices.DeleteFunc(b.items, func(it item) bool { return out[it.event.Position] })
		if err := apply(b); err != nil {
			return fmt.Errorf("fold events %d to %d: %w", after+1, b.to, err)
		}
		after = b.to
		if v.cfg.Progress != nil {
			v.cfg.Progress(after, until.position)
		}
	}
	return nil
}

// compare hashes every table on both sides, and looks for the rows only where the hashes differ. Which tables there
// have to be, the scratch schema says: the one that is checked may lack some.
func (v *verifier) compare(ctx context.Context, tx pgx.Tx, found *Verification) error {
	live, err := readTables(ctx, tx, v.reg.schema())
	if err != nil {
		return err
	}
	made, err := readTables(ctx, tx, v.scratch)
	if err != nil {
		return err
	}
	tables, differences := compareShapes(live, made)
	found.Differences = differences[:min(len(differences), v.cfg.MaxDifferences)]
	for _, t := range tables {
		got, err := t.dump(ctx, tx.Conn(), v.reg.schema())
		if err != nil {
			return err
		}
		want, err := t.dump(ctx, tx.Conn(), v.scratch)
		if err != nil {
			return err
		}
		found.Tables = append(found.Tables, got)
		if room := v.cfg.MaxDifferences - len(found.Differences); got != want && room > 0 {
			more, err := t.differences(ctx, tx, v.reg.schema(), v.scratch, room)
			if err != nil {
				return err
			}
			found.Differences = append(found.Differences, more...)
		}
	}
	return nil
}

// Dump returns the content of all tables of a version in canonical form: equal dumps are equal tables, to the byte.
func Dump(ctx context.Context, pool *pgxpool.Pool, p Projection) ([]TableDump, error) {
	schema := SchemaName(p.Name(), p.Version())
	var dumps []TableDump
	err := pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		tables, err := readTables(ctx, tx, schema)
		if err != nil {
			return err
		}
		for _, t := range tables {
			d, err := t.dump(ctx, tx.Conn(), schema)
			if err != nil {
				return err
			}
			dumps = append(dumps, d)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("dump %s: %w", schema, err)
	}
	return dumps, nil
}
