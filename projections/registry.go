package projections

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// SchemaName is the Postgres schema of a version's tables.
func SchemaName(name string, version int) string { return name + "_v" + strconv.Itoa(version) }

// checkpoint is what a runner knows of its version between two batches.
type checkpoint struct {
	position int64
	epoch    uuid.UUID
	revision int64
	parked   map[string]bool // keys whose events wait
}

// registry reads and writes the row of one version.
type registry struct {
	pool    *pgxpool.Pool
	name    string
	version int
}

func (r registry) schema() string { return SchemaName(r.name, r.version) }

const selectCheckpoint = `
SELECT v.position, v.epoch, v.revision,
       ARRAY(SELECT DISTINCT p.key FROM projections.parked p
             WHERE p.name = v.name AND p.version = v.version AND p.state <> 'skipped')
FROM projections.versions v
WHERE v.name = $1 AND v.version = $2`

// load reads the checkpoint and the parked keys, in one statement and so as of one moment.
func (r registry) load(ctx context.Context) (checkpoint, error) {
	var c checkpoint
	var keys []string
	err := r.pool.QueryRow(ctx, selectCheckpoint, r.name, r.version).Scan(&c.position, &c.epoch, &c.revision, &keys)
	if errors.Is(err, pgx.ErrNoRows) {
		return checkpoint{}, &UnknownError{Projection: r.name, Version: r.version}
	}
	if err != nil {
		return checkpoint{}, fmt.Errorf("read checkpoint of %s: %w", r.schema(), err)
	}
	c.parked = make(map[string]bool, len(keys))
	for _, k := range keys {
		c.parked[k] = true
	}
	return c, nil
}

const selectStands = `
SELECT EXISTS (SELECT FROM projections.versions
               WHERE name = $1 AND version = $2 AND position >= $3 AND epoch = $4 AND revision = $5)`

// stands is [errFenced] if the checkpoint is not one that follows from c. A larger position is: it is another runner's
// work, and the log has the events of it.
func (r registry) stands(ctx context.Context, c checkpoint) error {
	var ok bool
	if err := r.pool.QueryRow(ctx, selectStands, r.name, r.version, c.position, c.epoch, c.revision).Scan(&ok); err != nil {
		return fmt.Errorf("read checkpoint of %s: %w", r.schema(), err)
	}
	if !ok {
		return errFenced
	}
	return nil
}

const moveCheckpoint = `
UPDATE projections.versions
SET position = $3, recorded_at = $4, moved_at = clock_timestamp()
WHERE name = $1 AND version = $2 AND position = $5 AND epoch = $6 AND revision = $7`

// move is the compare-and-set. It comes first in the transaction of a batch: whoever lost finds out before it writes
// anything, and the row's lock puts all who write to the version's tables in one order.
func (r registry) move(from checkpoint, to int64, recordedAt time.Time) statement {
	return statement{
		sql: moveCheckpoint, what: fmt.Sprintf("move checkpoint of %s from %d to %d", r.schema(), from.position, to),
		args: []any{r.name, r.version, to, recordedAt, from.position, from.epoch, from.revision},
	}
}

const insertVersion = `
INSERT INTO projections.versions (name, version, state, position, revision, epoch, schema_hash, tables, moved_at, created_at, live_at)
SELECT $1, $2, CASE WHEN live THEN 'live' ELSE 'building' END, 0, 0, $3, $4, $5, now(), now(), CASE WHEN live THEN now() END
FROM (SELECT NOT EXISTS (SELECT FROM projections.versions WHERE name = $1 AND state = 'live') AS live) AS first
RETURNING state`

// ensure makes the schema, tables and registry row of p, if they are not there. The first version of a projection is
// live at once; a later one is built beside the live one until [Admin.Flip].
func (r registry) ensure(ctx context.Context, p Projection, epoch uuid.UUID) error {
	return pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		if err := lockName(ctx, tx, r.name); err != nil {
			return err
		}
		hash := schemaHash(p)
		var made []byte
		err := tx.QueryRow(ctx, "SELECT schema_hash FROM projections.versions WHERE name = $1 AND version = $2", r.name, r.version).Scan(&made)
		switch {
		case err == nil && !bytes.Equal(made, hash):
			return fmt.Errorf("projection %s version %d: %w: raise Version, or run `waybill projections rebuild %s`", r.name, r.version, ErrSchemaChanged, r.name)
		case err == nil:
			return nil
		case !errors.Is(err, pgx.ErrNoRows):
			return fmt.Errorf("read registry of %s: %w", r.schema(), err)
		}
		if err := makeTables(ctx, tx, r.schema(), p.Schema()); err != nil {
			return err
		}
		var state State
		if err := tx.QueryRow(ctx, insertVersion, r.name, r.version, epoch, hash, p.Tables()).Scan(&state); err != nil {
			return fmt.Errorf("register %s: %w", r.schema(), err)
		}
		if state == StateLive {
			return makeViews(ctx, tx, r.schema(), p.Tables())
		}
		return nil
	})
}

func schemaHash(p Projection) []byte {
	sum := sha256.Sum256([]byte(p.Schema()))
	return sum[:]
}

// lockName lets one transaction at a time make, flip or drop versions of a projection.
func lockName(ctx context.Context, tx pgx.Tx, name string) error {
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended('waybill projection ' || $1, 0))", name); err != nil {
		return fmt.Errorf("lock projection %s: %w", name, err)
	}
	return nil
}

// makeTables creates a schema and what sql says in it. The search path of the transaction leads there afterwards.
func makeTables(ctx context.Context, tx pgx.Tx, schema, sql string) error {
	if _, err := tx.Exec(ctx, "SELECT projections.make_schema($1)", schema); err != nil {
		return fmt.Errorf("make schema %s: %w", schema, err)
	}
	if _, err := tx.Exec(ctx, "SET LOCAL search_path TO "+quote(schema)); err != nil {
		return fmt.Errorf("make schema %s: %w", schema, err)
	}
	if _, err := tx.Exec(ctx, sql); err != nil { // without arguments: any number of statements
		return fmt.Errorf("make tables of %s: %w", schema, err)
	}
	return nil
}

func makeViews(ctx context.Context, tx pgx.Tx, schema string, tables []string) error {
	for _, t := range tables {
		view, table := pgx.Identifier{"readmodel", t}.Sanitize(), pgx.Identifier{schema, t}.Sanitize()
		if _, err := tx.Exec(ctx, "CREATE VIEW "+view+" AS SELECT * FROM "+table); err != nil {
			return fmt.Errorf("make view %s of %s: %w", view, table, err)
		}
	}
	return nil
}

func dropViews(ctx context.Context, tx pgx.Tx, tables []string) error {
	for _, t := range tables {
		view := pgx.Identifier{"readmodel", t}.Sanitize()
		if _, err := tx.Exec(ctx, "DROP VIEW IF EXISTS "+view); err != nil {
			return fmt.Errorf("drop view %s: %w", view, err)
		}
	}
	return nil
}

// foldSettings are those of a session that applies batches. Every statement of a fold finds its rows by a key. A plan
// that was made while the table was empty must not read the whole table when a rebuild has filled it a minute later.
func foldSettings(schema string) map[string]string {
	return map[string]string{
		"search_path": quote(schema), "synchronous_commit": "off",
		"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off",
		"work_mem": "16MB", // a whole batch, unnested, stays in memory
	}
}

// dedicated returns a pool of n connections like those of pool, whose search path leads to schema. A runner does not
// share connections: a statement prepared under one search path would have to be planned anew under another, and may
// not even have the same result.
//
// Its commits do not wait for the disk. Rows and checkpoint are one transaction, so a crash of Postgres loses a tail of
// whole batches, which are read from the log again; nothing outside is told of a position before it is in the
// database, and whoever waits for a position asks the database for it and not the runner's memory. It saves a flush
// per batch and projection, and the wait for a synchronous standby, on the disk that the appender lives from.
func dedicated(ctx context.Context, pool *pgxpool.Pool, schema string, n int32) (*pgxpool.Pool, error) {
	cfg := pool.Config()
	cfg.MaxConns, cfg.MinConns, cfg.MinIdleConns = n, 0, 0
	maps.Copy(cfg.ConnConfig.RuntimeParams, foldSettings(schema))
	own, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connections of %s: %w", schema, err)
	}
	return own, nil
}
