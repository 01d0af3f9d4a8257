package projections

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"waybill/eventstore"
	"waybill/internal/failpoint"
)

// Admin changes what runners keep: which version readers see, and what is parked. It works from any process, while
// runners run: they notice by the revision of their checkpoint, drop the batch they are at, and go on from what is
// there then. Both fields are required; Pool connects as eventstore.RoleProject.
type Admin struct {
	Pool *pgxpool.Pool
	Log  eventstore.Reader
}

// Time limits of a flip.
const (
	// flipLock is how long a flip waits for readers to finish. It is shorter than the server's deadlock_timeout (1 s):
	// should a flip and a reader wait for each other, it is the flip that gives way, and tries again.
	flipLock = 300 * time.Millisecond
	// flipWait is how long the live version stands still while the new one passes it.
	flipWait = 1500 * time.Millisecond
	// flipNear is how far behind the live version the new one may be for that, in events.
	flipNear = 5000
)

// Flip makes a version live: the views in schema readmodel lead to its tables from one moment on, for all tables at
// once. The version that was live is retired; its tables stay, and are kept up to date as long as a runner of it runs.
//
// Readers never go back in time: a version that is behind the live one is not flipped to. Is it near, the live one is
// held until it has passed; else the error is a [*BehindError] with the position of the live one as Want. Flip tries
// until ctx ends.
func (a Admin) Flip(ctx context.Context, name string, version int) error {
	for {
		err := a.flip(ctx, name, version)
		if err == nil || !isBusy(err) {
			return err
		}
		if !sleep(ctx, 50*time.Millisecond) {
			return fmt.Errorf("flip %s to version %d: %w (last try: %w)", name, version, context.Cause(ctx), err)
		}
	}
}

// Rollback makes the version live again that was live before. It has to be up to date, as for [Admin.Flip]: if its
// runner does not run any more, start the program that has it.
func (a Admin) Rollback(ctx context.Context, name string) error {
	var version int
	err := a.Pool.QueryRow(ctx, `
SELECT version FROM projections.versions WHERE name = $1 AND state = 'retired'
ORDER BY retired_at DESC LIMIT 1`, name).Scan(&version)
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("roll back %s: %w: no version was live before", name, ErrUnknown)
	}
	if err != nil {
		return fmt.Errorf("roll back %s: %w", name, err)
	}
	return a.Flip(ctx, name, version)
}

// isBusy tells the errors of a lock that could not be had now.
func isBusy(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pg.Code == "55P03" || pg.Code == "40P01")
}

type versionRow struct {
	version  int
	position int64
	epoch    uuid.UUID
	tables   []string
}

const selectLive = "SELECT version, position, epoch, tables FROM projections.versions WHERE name = $1 AND state = 'live'"

func (a Admin) flip(ctx context.Context, name string, version int) error {
	err := pgx.BeginFunc(ctx, a.Pool, func(tx pgx.Tx) error {
		if err := lockName(ctx, tx, name); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, fmt.Sprintf("SET LOCAL lock_timeout = %d", flipLock.Milliseconds())); err != nil {
			return err
		}
		var live versionRow
		err := tx.QueryRow(ctx, selectLive+" FOR UPDATE", name).Scan(&live.version, &live.position, &live.epoch, &live.tables)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if live.version == version {
			return nil
		}
		next, err := passed(ctx, tx, name, version, live)
		if err != nil {
			return err
		}
		if err := failpoint.Hit(ctx, failpoint.ProjectionBeforeSwap); err != nil {
			return err
		}
		if err := dropViews(ctx, tx, live.tables); err != nil {
			return err
		}
		if err := makeViews(ctx, tx, SchemaName(name, version), next.tables); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
UPDATE projections.versions
SET state = 'retired', retired_at = clock_timestamp()
WHERE name = $1 AND state = 'live'`, name)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
UPDATE projections.versions
SET state = 'live', live_at = clock_timestamp()
WHERE name = $1 AND version = $2`, name, version)
		return err
	})
	if err == nil {
		err = failpoint.Hit(ctx, failpoint.ProjectionAfterSwap)
	}
	if err != nil {
		return fmt.Errorf("flip %s to version %d: %w", name, version, err)
	}
	return nil
}

// passed waits until the version is not behind the live one, whose row is locked and so stands still, and locks it.
func passed(ctx context.Context, tx pgx.Tx, name string, version int, live versionRow) (versionRow, error) {
	const one = "SELECT version, position, epoch, tables FROM projections.versions WHERE name = $1 AND version = $2"
	wait, cancel := context.WithTimeout(ctx, flipWait)
	defer cancel()
	for sql := one; ; {
		var next versionRow
		err := tx.QueryRow(ctx, sql, name, version).Scan(&next.version, &next.position, &next.epoch, &next.tables)
		if errors.Is(err, pgx.ErrNoRows) {
			return next, &UnknownError{Projection: name, Version: version}
		}
		if err != nil {
			return next, err
		}
		behind := &BehindError{Projection: SchemaName(name, version), Position: next.position, Want: live.position}
		switch {
		case live.version != 0 && next.epoch == live.epoch && live.position-next.position > flipNear:
			return next, behind
		case live.version != 0 && next.epoch == live.epoch && next.position < live.position:
			if !sleep(wait, 5*time.Millisecond) {
				return next, behind
			}
		case sql == one:
			sql += " FOR UPDATE"
		default:
			return next, nil
		}
	}
}

// Drop removes a version that is not live: its tables, its checkpoint and its parked events. A runner of it that still
// runs stops with an error that matches [ErrUnknown].
func (a Admin) Drop(ctx context.Context, name string, version int) error {
	err := pgx.BeginFunc(ctx, a.Pool, func(tx pgx.Tx) error {
		if err := lockName(ctx, tx, name); err != nil {
			return err
		}
		var state State
		err := tx.QueryRow(ctx, "SELECT state FROM projections.versions WHERE name = $1 AND version = $2 FOR UPDATE", name, version).Scan(&state)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return &UnknownError{Projection: name, Version: version}
		case err != nil:
			return err
		case state == StateLive:
			return fmt.Errorf("%w: flip to another one first", ErrLive)
		}
		if _, err := tx.Exec(ctx, "DROP SCHEMA "+quote(SchemaName(name, version))+" CASCADE"); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "DELETE FROM projections.versions WHERE name = $1 AND version = $2", name, version)
		return err
	})
	if err != nil {
		return fmt.Errorf("drop %s version %d: %w", name, version, err)
	}
	return nil
}

// Reset empties a version and sets it back to the start of the log as it is now: the way out when the log was
// restored. Its runner notices and fills the tables again. If the version is live, readers see it grow; to rebuild
// without that, raise the version and flip.
func (a Admin) Reset(ctx context.Context, p Projection) error {
	head, err := a.Log.Head(ctx)
	if err != nil {
		return fmt.Errorf("reset %s: %w", SchemaName(p.Name(), p.Version()), err)
	}
	for {
		err := a.reset(ctx, p, head.Epoch)
		if err == nil || !isBusy(err) {
			return err
		}
		if !sleep(ctx, 50*time.Millisecond) {
			return fmt.Errorf("%w (last try: %w)", context.Cause(ctx), err)
		}
	}
}

func (a Admin) reset(ctx context.Context, p Projection, epoch uuid.UUID) error {
	name, version := p.Name(), p.Version()
	schema := SchemaName(name, version)
	err := pgx.BeginFunc(ctx, a.Pool, func(tx pgx.Tx) error {
		if err := lockName(ctx, tx, name); err != nil {
			return err
		}
		var state State
		var tables []string
		err := tx.QueryRow(ctx, "SELECT state, tables FROM projections.versions WHERE name = $1 AND version = $2 FOR UPDATE", name, version).Scan(&state, &tables)
		if errors.Is(err, pgx.ErrNoRows) {
			return &UnknownError{Projection: name, Version: version}
		}
		if err != nil {
			return err
		}
		if err := failpoint.Hit(ctx, failpoint.ProjectionBeforeSwap); err != nil {
			return err
		}
		if state == StateLive {
			if err := dropViews(ctx, tx, tables); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, "DROP SCHEMA "+quote(schema)+" CASCADE"); err != nil {
			return err
		}
		if err := makeTables(ctx, tx, schema, p.Schema()); err != nil {
			return err
		}
		if state == StateLive {
			if err := makeViews(ctx, tx, schema, p.Tables()); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, "DELETE FROM projections.parked WHERE name = $1 AND version = $2", name, version); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
UPDATE projections.versions
SET position = 0, revision = revision + 1, recorded_at = NULL, moved_at = clock_timestamp(), epoch = $3, schema_hash = $4, tables = $5
WHERE name = $1 AND version = $2`, name, version, epoch, schemaHash(p), p.Tables())
		return err
	})
	if err == nil {
		err = failpoint.Hit(ctx, failpoint.ProjectionAfterSwap)
	}
	if err != nil {
		return fmt.Errorf("reset %s: %w", schema, err)
	}
	return nil
}
