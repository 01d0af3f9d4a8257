// Package verify checks, on a running system or at rest, what Waybill promises: the invariants of docs/architecture.md
// by their numbers. Tests and users run the same checks.
//
// It reads and compares, and repairs nothing. Everything is checked up to the end that the log had when the check
// began, so writers need not stop.
package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"

	"waybill/eventstore"
	"waybill/projections"
)

// Config says what is checked. Pool, Log and Projections are required; without Conn, I10 is not checked.
type Config struct {
	Pool        *pgxpool.Pool // of role eventstore.RoleProject
	Log         eventstore.Reader
	Projections []projections.Projection
	Conn        *nats.Conn // may read the event stream
	// Wait bounds the wait for the stream to hold what the log holds; 0 means 10 s.
	Wait time.Duration
	// Progress, if set, is told what is being checked and how far it is.
	Progress func(what string, done, of int64)
	// MaxViolations is how many are reported for each invariant; 0 means 20.
	MaxViolations int
}

// Result is what the check of one invariant found.
type Result struct {
	Invariant  string        `json:"invariant"`  // "I2"
	Says       string        `json:"says"`       // what it promises
	Checked    string        `json:"checked"`    // how much was looked at
	Violations []string      `json:"violations"` // the first ones; none: it holds
	Skipped    string        `json:"skipped,omitempty"`
	Took       time.Duration `json:"took_ns"`
}

// OK reports whether the invariant was checked and holds.
func (r *Result) OK() bool { return len(r.Violations) == 0 && r.Skipped == "" }

// check is one invariant in the making.
type check struct {
	Result
	max  int
	more int
}

func (c *check) violated(format string, args ...any) {
	if len(c.Violations) >= c.max {
		c.more++
		return
	}
	c.Violations = append(c.Violations, fmt.Sprintf(format, args...))
}

func (c *check) result(began time.Time) Result {
	if c.more > 0 {
		c.Violations = append(c.Violations, fmt.Sprintf("and %d more", c.more))
	}
	c.Took = time.Since(began)
	return c.Result
}

// Run checks everything and returns one result an invariant. The error says that a check could not be carried out; a
// violation is no error.
func Run(ctx context.Context, cfg Config) ([]Result, error) {
	if cfg.Pool == nil || cfg.Log == nil || len(cfg.Projections) == 0 {
		return nil, errors.New("verify: Pool, Log and Projections are required")
	}
	if cfg.Wait == 0 {
		cfg.Wait = 10 * time.Second
	}
	if cfg.MaxViolations == 0 {
		cfg.MaxViolations = 20
	}
	if cfg.Progress == nil {
		cfg.Progress = func(string, int64, int64) {}
	}
	head, err := cfg.Log.Head(ctx)
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	v := &verifier{Config: cfg, head: head}
	var results []Result
	for _, run := range []func(context.Context) ([]Result, error){v.log, v.outcomes, v.stream, v.readModels} {
		some, err := run(ctx)
		if err != nil {
			return results, fmt.Errorf("verify: %w", err)
		}
		results = append(results, some...)
	}
	return results, nil
}

type verifier struct {
	Config
	head eventstore.Head
}

func (v *verifier) check(invariant, says string) *check {
	return &check{Result: Result{Invariant: invariant, Says: says, Violations: []string{}}, max: v.MaxViolations}
}

// pageSize is how many events are read at once.
const pageSize = 2000

// pages calls f with the log, in order, up to the head at the beginning.
func (v *verifier) pages(ctx context.Context, what string, f func([]eventstore.Event) error) error {
	for from := int64(1); from <= v.head.Position; {
		page, err := v.Log.ReadLog(ctx, from, int(min(pageSize, v.head.Position-from+1)))
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return fmt.Errorf("the log ends at %d, its head says %d: %w", from-1, v.head.Position, errShort)
		}
		if err := f(page); err != nil {
			return err
		}
		from = page[len(page)-1].Position + 1
		v.Progress(what, from-1, v.head.Position)
	}
	return nil
}

var errShort = errors.New("events are missing at its end")

// log walks the log once, for I1, I2, I3 and I7.
func (v *verifier) log(ctx context.Context) ([]Result, error) {
	began := time.Now()
	walk := walk{
		i1:    v.check("I1", "no acknowledged event is lost: every commit is there, whole"),
		i2:    v.check("I2", "positions and versions are dense"),
		i3:    v.check("I3", "the log is in the order of streams and of time"),
		i7:    v.check("I7", "stock is conserved, and nothing is promised twice, at every prefix of the log"),
		next:  1,
		heads: map[string]int64{},
	}
	err := v.pages(ctx, "log", func(page []eventstore.Event) error {
		for i := range page {
			walk.event(&page[i])
		}
		return nil
	})
	if errors.Is(err, errShort) {
		walk.i2.violated("%v", err)
	} else if err != nil {
		return nil, err
	}
	walk.end()
	if err := v.commits(ctx, walk.i1); err != nil {
		return nil, err
	}
	n := v.head.Position
	walk.i1.Checked = fmt.Sprintf("%d commits", walk.commits)
	walk.i2.Checked = fmt.Sprintf("%d events in %d streams", n, len(walk.heads))
	walk.i3.Checked = fmt.Sprintf("%d events", n)
	walk.i7.Checked = fmt.Sprintf("%d movements of %d items", walk.movements, len(walk.items))
	return []Result{walk.i1.result(began), walk.i2.result(began), walk.i3.result(began), walk.i7.result(began)}, nil
}

// commits checks that every commit has as many events as it says, that no event is there twice, and that every claim
// points at the beginning of a commit.
func (v *verifier) commits(ctx context.Context, i1 *check) error {
	const cut = `
SELECT position, commit_size, ends - position FROM (
    SELECT position, commit_size, lead(position, 1, $1 + 1) OVER (ORDER BY position) AS ends
    FROM waybill.events WHERE command_id IS NOT NULL AND position <= $1
) AS commits WHERE ends - position <> commit_size ORDER BY position LIMIT 100`
	err := v.each(ctx, cut, []any{v.head.Position}, func(scan func(...any) error) error {
		var position, size, found int64
		if err := scan(&position, &size, &found); err != nil {
			return err
		}
		i1.violated("the commit at position %d has %d events, it was appended with %d", position, found, size)
		return nil
	})
	if err != nil {
		return err
	}
	const twice = `SELECT event_id, min(position), max(position) FROM waybill.events WHERE position <= $1 GROUP BY event_id HAVING count(*) > 1 LIMIT 100`
	err = v.each(ctx, twice, []any{v.head.Position}, func(scan func(...any) error) error {
		var id uuid.UUID
		var first, last int64
		if err := scan(&id, &first, &last); err != nil {
			return err
		}
		i1.violated("event %s stands at positions %d and %d", id, first, last)
		return nil
	})
	if err != nil {
		return err
	}
	const dangling = `
SELECT c.key, c.position FROM waybill.claims c
WHERE c.position <= $1 AND NOT EXISTS (SELECT FROM waybill.events e WHERE e.position = c.position AND e.command_id IS NOT NULL)
ORDER BY c.position LIMIT 100`
	return v.each(ctx, dangling, []any{v.head.Position}, func(scan func(...any) error) error {
		var key string
		var position int64
		if err := scan(&key, &position); err != nil {
			return err
		}
		i1.violated("claim %q is of a commit at position %d, where none begins", key, position)
		return nil
	})
}

// outcomes checks I8.
func (v *verifier) outcomes(ctx context.Context) ([]Result, error) {
	began := time.Now()
	c := v.check("I8", "one command id has one outcome")
	const twice = `
SELECT o.command_id, e.position FROM waybill.outcomes o JOIN waybill.events e ON e.command_id = o.command_id
ORDER BY e.position LIMIT 100`
	err := v.each(ctx, twice, nil, func(scan func(...any) error) error {
		var id uuid.UUID
		var position int64
		if err := scan(&id, &position); err != nil {
			return err
		}
		c.violated("command %s has both events, from position %d, and a stored verdict", id, position)
		return nil
	})
	if err != nil {
		return nil, err
	}
	const repeated = `SELECT command_id, count(*) FROM waybill.events WHERE command_id IS NOT NULL GROUP BY 1 HAVING count(*) > 1 LIMIT 100`
	err = v.each(ctx, repeated, nil, func(scan func(...any) error) error {
		var id uuid.UUID
		var n int64
		if err := scan(&id, &n); err != nil {
			return err
		}
		c.violated("command %s began %d commits", id, n)
		return nil
	})
	if err != nil {
		return nil, err
	}
	var events, verdicts int64
	const count = `SELECT (SELECT count(*) FROM waybill.events WHERE command_id IS NOT NULL), (SELECT count(*) FROM waybill.outcomes)`
	if err := v.Pool.QueryRow(ctx, count).Scan(&events, &verdicts); err != nil {
		return nil, err
	}
	c.Checked = fmt.Sprintf("%d commands with events, %d without", events, verdicts)
	return []Result{c.result(began)}, nil
}

func (v *verifier) each(ctx context.Context, sql string, args []any, f func(scan func(...any) error) error) error {
	rows, err := v.Pool.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// readModels checks I5.
func (v *verifier) readModels(ctx context.Context) ([]Result, error) {
	began := time.Now()
	c := v.check("I5", "every read model is the fold of its events, row for row")
	rows := int64(0)
	for _, p := range v.Projections {
		found, err := projections.Verify(ctx, projections.VerifyConfig{
			Projection: p, Pool: v.Pool, Log: v.Log, MaxDifferences: v.MaxViolations,
			Progress: func(position, until int64) { v.Progress("read model "+p.Name(), position, until) },
		})
		if err != nil {
			return nil, err
		}
		for _, d := range found.Differences {
			c.violated("%s v%d at position %d: %s", p.Name(), found.Version, found.Position, d)
		}
		for _, t := range found.Tables {
			rows += t.Rows
		}
	}
	c.Checked = fmt.Sprintf("%d rows of %d read models", rows, len(v.Projections))
	return []Result{c.result(began)}, nil
}
