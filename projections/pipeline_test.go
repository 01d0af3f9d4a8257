package projections_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"waybill/projections"
	"waybill/projections/projectiontest"
)

// trips counts what the connections that apply batches send and wait for.
type trips struct {
	mu   sync.Mutex
	sent []string
}

func (t *trips) note(conn *pgx.Conn, sql string) {
	if !strings.Contains(conn.Config().RuntimeParams["search_path"], "tally_v1") {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent = append(t.sent, sql)
}

func (t *trips) take() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	sent := t.sent
	t.sent = nil
	return sent
}

func (t *trips) TraceQueryStart(ctx context.Context, conn *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	t.note(conn, q.SQL)
	return ctx
}

func (t *trips) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (t *trips) TraceBatchStart(ctx context.Context, conn *pgx.Conn, b pgx.TraceBatchStartData) context.Context {
	all := make([]string, 0, b.Batch.Len())
	for _, q := range b.Batch.QueuedQueries {
		verb, _, _ := strings.Cut(strings.TrimSpace(q.SQL), " ")
		all = append(all, verb)
	}
	t.note(conn, strings.Join(all, ", "))
	return ctx
}

func (t *trips) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (t *trips) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

// A batch costs two round trips, however many tables it writes; one of which nothing is wanted costs one.
func TestRoundTripsOfABatch(t *testing.T) {
	t.Parallel()
	plain, log := projectiontest.Pool(t), projectiontest.Log(t, history(t, 40, 5)...)
	cfg := plain.Config()
	var seen trips
	cfg.ConnConfig.Tracer = &seen
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	start(t, projections.Config{Projection: tally{}, Pool: pool, Log: log})
	waitFor(t, plain, 40)
	seen.take()

	projectiontest.Append(t, log, projectiontest.Commit("thing-new", 0, happened(t, "new", "thing.happened")))
	waitFor(t, plain, 41)
	if got, want := seen.take(), []string{"begin, UPDATE, SELECT", "INSERT, INSERT, commit"}; !slices.Equal(got, want) {
		t.Errorf("a batch sends %q, want %q", got, want)
	}
	projectiontest.Append(t, log, projectiontest.Commit("thing-other", 0, happened(t, "other", "thing.ignored")))
	waitFor(t, plain, 42)
	if got := seen.take(); len(got) != 1 || !strings.HasPrefix(strings.TrimSpace(got[0]), "UPDATE projections.versions") {
		t.Errorf("a batch of which nothing is wanted sends %q, want the checkpoint alone", got)
	}
	exact(t, plain, tally{}, log)
}

// Whoever lost the checkpoint sees no row and writes none, also if it reads before it knows.
func TestLostCheckpointWritesNothing(t *testing.T) {
	t.Parallel()
	for name, reads := range map[string]bool{"reads first": true, "writes alone": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool, log := projectiontest.Pool(t), projectiontest.Log(t, history(t, 20, 5)...)
			var once sync.Once
			var applied []int64
			p := tally{before: func(ctx context.Context, tx pgx.Tx, events []projections.Event) error {
				once.Do(func() { // another runner is faster, and has folded the first ten
					if _, err := pool.Exec(ctx, "UPDATE projections.versions SET position = 10 WHERE name = 'tally'"); err != nil {
						t.Error(err)
					}
				})
				for i := range events {
					applied = append(applied, events[i].Position)
				}
				if reads {
					return nil
				}
				entries := tally{}.entries()
				return entries.Insert(ctx, tx, [][]any{{-events[0].Position, "early", int64(0)}})
			}}
			r := start(t, projections.Config{Projection: p, Pool: pool, Log: log})
			waitFor(t, pool, 20)
			r.stop(t)
			if applied[0] != 1 {
				t.Fatalf("the runner applied %v: it never tried the first batch", applied)
			}
			var first int64
			err := pool.QueryRow(t.Context(), "SELECT min(abs(position)) FROM tally_v1.tally_entries").Scan(&first)
			if err != nil || first != 11 {
				t.Errorf("the first entry is of position %d (%v), want 11: what lost the checkpoint was written", first, err)
			}
		})
	}
}

// A write that fails is the fault of its event, also where it is sent with the commit: its key is parked, and all
// others flow on.
func TestFailingWriteParks(t *testing.T) {
	t.Parallel()
	for name, row := range map[string][]any{
		"refused by the server":    {int64(1), nil, int64(1)},
		"does not fit the column":  {"one", "key", int64(1)},
		"taken":                    {int64(-1), "key", int64(1)},
		"of the wrong length":      {int64(1)},
		"not what Postgres stores": {int64(-2), "nul\x00", int64(1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool, log := projectiontest.Pool(t), projectiontest.Log(t, history(t, 40, 5)...)
			p := tally{before: func(ctx context.Context, tx pgx.Tx, events []projections.Event) error {
				entries := tally{}.entries()
				for i := range events {
					if events[i].Position != 22 {
						continue
					}
					rows := [][]any{row}
					if name == "taken" {
						rows = append(rows, row)
					}
					return entries.Insert(ctx, tx, rows)
				}
				return nil
			}}
			r := start(t, projections.Config{Projection: p, Pool: pool, Log: log})
			waitFor(t, pool, 40)
			r.stop(t)
			if got := parkedOf(t, projections.Admin{Pool: pool, Log: log}, "failed"); !slices.Equal(got, []int64{22}) {
				t.Errorf("failed are %v, want 22", got)
			}
			exact(t, pool, tally{}, log)
		})
	}
}

// What was written is there for the next read of the same transaction.
func TestReadsSeeWhatWasWritten(t *testing.T) {
	t.Parallel()
	pool, log := projectiontest.Pool(t), projectiontest.Log(t, history(t, 10, 3)...)
	p := tally{before: func(ctx context.Context, tx pgx.Tx, events []projections.Event) error {
		entries := tally{}.entries()
		if err := entries.Insert(ctx, tx, [][]any{{-events[0].Position, "mine", int64(7)}}); err != nil {
			return err
		}
		var nth int64
		err := entries.Load(ctx, tx, [][]any{{-events[0].Position}}, func(row pgx.CollectableRow) error {
			var position int64
			var key string
			return row.Scan(&position, &key, &nth)
		})
		if err == nil && nth != 7 {
			t.Errorf("a row that was just written reads %d, want 7", nth)
		}
		if err := entries.Delete(ctx, tx, [][]any{{-events[0].Position}}); err != nil {
			return err
		}
		var left int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM tally_entries WHERE position < 0").Scan(&left); err != nil || left != 0 {
			t.Errorf("%d rows are left that were just deleted (%v)", left, err)
		}
		return err
	}}
	r := start(t, projections.Config{Projection: p, Pool: pool, Log: log})
	waitFor(t, pool, 10)
	r.stop(t)
	exact(t, pool, tally{}, log)
}
