package projections

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/eventstore"
)

// States of a parked event.
const (
	stateFailed  = "failed"
	stateWaiting = "waiting"
	stateSkipped = "skipped"
)

// Parked is an event that the checkpoint is past, and the tables do not hold.
type Parked struct {
	Projection string
	Version    int
	Key        string
	Position   int64
	Type       string // of the event
	State      string // "failed", "waiting" behind one that failed, or "skipped" for good
	Error      string // why it failed; of a skipped one the reason that was given
	Attempts   int    // how often it was tried alone
	ParkedAt   time.Time
}

const selectParked = `
SELECT name, version, key, position, type, state, error, attempts, parked_at
FROM projections.parked
WHERE name = $1 OR $1 = ''
ORDER BY name, version, position`

// Parked lists the parked and skipped events of a projection, or of all if name is empty, in the order of the log.
func (a Admin) Parked(ctx context.Context, name string) ([]Parked, error) {
	rows, err := a.Pool.Query(ctx, selectParked, name)
	if err != nil {
		return nil, fmt.Errorf("list parked events: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Parked, error) {
		var p Parked
		err := row.Scan(&p.Projection, &p.Version, &p.Key, &p.Position, &p.Type, &p.State, &p.Error, &p.Attempts, &p.ParkedAt)
		p.ParkedAt = p.ParkedAt.UTC()
		return p, err
	})
	if err != nil {
		return nil, fmt.Errorf("list parked events: %w", err)
	}
	return list, nil
}

// retryEvents is how many events of a key are applied in one transaction when it is tried again.
const retryEvents = 200

// Retry applies the parked events of a key in order, and lets the key flow again. If one still cannot be applied, those
// before it stay applied, it and those behind it stay parked, and the error is a [*ParkedError]. Without parked events
// it does nothing.
func (a Admin) Retry(ctx context.Context, p Projection, key string) error {
	r := retrying{admin: a, folder: newFolder(p), key: key, reg: registry{pool: a.Pool, name: p.Name(), version: p.Version()}}
	own, err := dedicated(ctx, a.Pool, r.reg.schema(), 1)
	if err != nil {
		return err
	}
	defer own.Close()
	limit := retryEvents
	for {
		n, err := r.step(ctx, own, limit)
		_, failed := errors.AsType[*applyError](err)
		switch {
		case err == nil && n == 0:
			return nil
		case err == nil:
			limit = retryEvents
		case !failed || classify(err) != faultEvent:
			return fmt.Errorf("retry key %s of %s: %w", key, r.reg.schema(), err)
		case limit > 1:
			limit = 1 // one by one, to find which
		default:
			return r.failed(ctx, err)
		}
	}
}

// Skip leaves the first parked event of a key out for good, for the reason given, and tries those behind it. The event
// at position has to be the one that failed. That it was skipped, and why, stays in the list of parked events, and
// [Verify] leaves it out too.
func (a Admin) Skip(ctx context.Context, p Projection, key string, position int64, reason string) error {
	if reason == "" {
		return errors.New("skip a parked event: the reason is missing")
	}
	reg := registry{pool: a.Pool, name: p.Name(), version: p.Version()}
	err := pgx.BeginFunc(ctx, a.Pool, func(tx pgx.Tx) error {
		if err := reg.revise(ctx, tx); err != nil {
			return err
		}
		first, err := reg.queue(ctx, tx, key, 1)
		if err != nil {
			return err
		}
		if len(first) == 0 || first[0] != position {
			return fmt.Errorf("event %d is not the first that is parked under key %s: %w", position, key, ErrUnknown)
		}
		_, err = tx.Exec(ctx, `
UPDATE projections.parked SET state = 'skipped', error = $4
WHERE name = $1 AND version = $2 AND position = $3`, reg.name, reg.version, position, printable(reason))
		return err
	})
	if err != nil {
		return fmt.Errorf("skip event %d of %s: %w", position, reg.schema(), err)
	}
	return a.Retry(ctx, p, key)
}

// revise takes the lock of the version, under which nothing but this transaction changes its tables, and tells its
// runners to read their checkpoint again.
func (r registry) revise(ctx context.Context, tx pgx.Tx) error {
	tag, err := tx.Exec(ctx, "UPDATE projections.versions SET revision = revision + 1 WHERE name = $1 AND version = $2", r.name, r.version)
	if err != nil {
		return err
	}
	if tag.RowsAffected() == 0 {
		return &UnknownError{Projection: r.name, Version: r.version}
	}
	return nil
}

// queue reads the positions of the first events that are parked under key.
func (r registry) queue(ctx context.Context, tx pgx.Tx, key string, limit int) ([]int64, error) {
	rows, err := tx.Query(ctx, `
SELECT position FROM projections.parked
WHERE name = $1 AND version = $2 AND key = $3 AND state <> 'skipped'
ORDER BY position LIMIT $4`, r.name, r.version, key, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}

// retrying is one call of Retry.
type retrying struct {
	admin  Admin
	folder folder
	reg    registry
	key    string
	tried  int64 // first event of the last step
}

// step applies the first events of the key in one transaction, at most limit, and tells how many there were.
func (r *retrying) step(ctx context.Context, own pgxBeginner, limit int) (n int, err error) {
	err = pgx.BeginFunc(ctx, own, func(tx pgx.Tx) error {
		// Durable: nobody reads these from the log again by himself.
		if _, err := tx.Exec(ctx, "SET LOCAL synchronous_commit TO on"); err != nil {
			return err
		}
		if err := r.reg.revise(ctx, tx); err != nil {
			return err
		}
		positions, err := r.reg.queue(ctx, tx, r.key, limit)
		if err != nil || len(positions) == 0 {
			return err
		}
		n, r.tried = len(positions), positions[0]
		items, err := r.read(ctx, positions)
		if err != nil {
			return err
		}
		if err := r.folder.apply(ctx, tx, items); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
DELETE FROM projections.parked
WHERE name = $1 AND version = $2 AND position = ANY($3)`, r.reg.name, r.reg.version, positions)
		return err
	})
	return n, err
}

// read takes the events from the log, which is where they are kept.
func (r *retrying) read(ctx context.Context, positions []int64) ([]item, error) {
	items := make([]item, 0, len(positions))
	for _, position := range positions {
		page, err := r.admin.Log.ReadLog(ctx, position, 1)
		if err != nil {
			return nil, fmt.Errorf("read event %d: %w", position, err)
		}
		if len(page) != 1 || page[0].Position != position {
			return nil, &HoleError{Want: position, Got: last(page)}
		}
		items = append(items, r.folder.item(&page[0]))
	}
	return items, nil
}

// failed notes the attempt on the event that failed again.
func (r *retrying) failed(ctx context.Context, cause error) error {
	_, err := r.admin.Pool.Exec(ctx, `
UPDATE projections.parked SET state = 'failed', error = $4, attempts = attempts + 1
WHERE name = $1 AND version = $2 AND position = $3`, r.reg.name, r.reg.version, r.tried, printable(cause.Error()))
	if err != nil {
		return fmt.Errorf("note the failure of event %d: %w (it failed with: %w)", r.tried, err, cause)
	}
	return &ParkedError{Projection: r.reg.name, Key: r.key, Position: r.tried, Err: cause}
}

func last(events []eventstore.Event) int64 {
	if len(events) == 0 {
		return 0
	}
	return events[len(events)-1].Position
}

// pgxBeginner begins transactions.
type pgxBeginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}
