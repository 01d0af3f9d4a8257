package projections

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/singleflight"
)

// State says what a version is for.
type State string

// The states of a version.
const (
	StateBuilding State = "building" // fills its tables beside the live version
	StateLive     State = "live"     // readers see its tables
	StateRetired  State = "retired"  // was live; can be gone back to
)

// Version is a version of a projection as the registry has it.
type Version struct {
	Name       string
	Version    int
	State      State
	Position   int64     // checkpoint
	Epoch      uuid.UUID // of the log that Position means
	RecordedAt time.Time // when the log took the event at Position; zero at 0
	MovedAt    time.Time // when the checkpoint moved last
	CreatedAt  time.Time
	ParkedKeys int
	Tables     []string // seen as views while it is live
}

// Querier is what reads: a pool, a connection or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

const selectVersions = `
SELECT v.name, v.version, v.state, v.position, v.epoch, coalesce(v.recorded_at, '0001-01-01 00:00:00+00'), v.moved_at, v.created_at,
       (SELECT count(DISTINCT p.key) FROM projections.parked p
        WHERE p.name = v.name AND p.version = v.version AND p.state <> 'skipped'), v.tables
FROM projections.versions v
ORDER BY v.name, v.version`

// Versions lists all versions of all projections, by name and version.
func Versions(ctx context.Context, q Querier) ([]Version, error) {
	rows, err := q.Query(ctx, selectVersions)
	if err != nil {
		return nil, fmt.Errorf("list projections: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Version, error) {
		var v Version
		err := row.Scan(&v.Name, &v.Version, &v.State, &v.Position, &v.Epoch, &v.RecordedAt, &v.MovedAt, &v.CreatedAt, &v.ParkedKeys, &v.Tables)
		v.RecordedAt, v.MovedAt, v.CreatedAt = v.RecordedAt.UTC(), v.MovedAt.UTC(), v.CreatedAt.UTC()
		return v, err
	})
	if err != nil {
		return nil, fmt.Errorf("list projections: %w", err)
	}
	return list, nil
}

// Position reads the checkpoint of the live version. In a REPEATABLE READ transaction it is the position that the rows
// read there are of. An error that matches [ErrUnknown] means that no version is live.
func Position(ctx context.Context, q Querier, name string) (int64, error) {
	var position int64
	err := q.QueryRow(ctx, "SELECT position FROM projections.versions WHERE name = $1 AND state = 'live'", name).Scan(&position)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, &UnknownError{Projection: name}
	}
	if err != nil {
		return 0, fmt.Errorf("read checkpoint of %s: %w", name, err)
	}
	return position, nil
}

// How often a checkpoint is read while somebody waits for it.
const (
	pollSoon    = 5 * time.Millisecond
	pollLate    = 50 * time.Millisecond
	readTimeout = 5 * time.Second
)

// Checkpoints lets queries wait for a position. It needs no runner: a process that only answers queries polls the
// registry, once for all who wait. It may be used by any number of goroutines.
type Checkpoints struct {
	pool    *pgxpool.Pool
	runners map[string]*Runner
	flight  singleflight.Group
}

// NewCheckpoints reads by pool. Runners of this process, if there are any, wake those who wait.
func NewCheckpoints(pool *pgxpool.Pool, runners ...*Runner) *Checkpoints {
	c := &Checkpoints{pool: pool, runners: map[string]*Runner{}}
	for _, r := range runners {
		c.runners[r.Name()] = r
	}
	return c
}

// Position reads the checkpoint of the live version.
func (c *Checkpoints) Position(ctx context.Context, name string) (int64, error) {
	return Position(ctx, c.pool, name)
}

// WaitFor waits until the live version of a projection holds position, or ctx ends: then the error is a
// [*BehindError]. What a query reads after WaitFor returned nil holds the position: the last word is always the
// database's, a runner in this process only tells when to ask.
func (c *Checkpoints) WaitFor(ctx context.Context, name string, position int64) error {
	if position <= 0 {
		return nil
	}
	var seen int64
	for delay := pollSoon; ; delay = min(2*delay, pollLate) {
		var woken <-chan struct{}
		if r := c.runners[name]; r != nil {
			woken = r.signal.reached(position) // before the database is asked: no batch between is missed
		}
		at, err := c.read(ctx, name)
		switch {
		case err == nil && at >= position:
			return nil
		case err == nil:
			seen = at
		case ctx.Err() == nil:
			return err
		}
		t := time.NewTimer(delay)
		select {
		case <-woken:
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
		if ctx.Err() != nil {
			return &BehindError{Projection: name, Position: seen, Want: position}
		}
	}
}

// read asks for the checkpoint, together with all who ask for it now.
func (c *Checkpoints) read(ctx context.Context, name string) (int64, error) {
	answer := c.flight.DoChan(name, func() (any, error) {
		// One caller's end must not fail the others.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
		defer cancel()
		return Position(ctx, c.pool, name)
	})
	select {
	case a := <-answer:
		position, _ := a.Val.(int64)
		return position, a.Err
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// signal wakes those who wait for a position.
type signal struct {
	mu       sync.Mutex
	position int64
	changed  chan struct{}
}

func newSignal() *signal { return &signal{changed: make(chan struct{})} }

func (s *signal) set(position int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if position == s.position {
		return
	}
	s.position = position
	close(s.changed)
	s.changed = make(chan struct{})
}

// reached is closed by the next batch, or nil, which never is ready, if position was reached before.
func (s *signal) reached(position int64) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.position >= position {
		return nil
	}
	return s.changed
}
