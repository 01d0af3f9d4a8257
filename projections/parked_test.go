package projections_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/eventstore"
	"waybill/internal/devstack/devtest"
	"waybill/projections"
	"waybill/projections/projectiontest"
)

// failing fails on events of a key, from one position on, until it is mended.
type failing struct {
	key    string
	from   int64
	mended atomic.Bool
}

func (f *failing) check(e *projections.Event) error {
	if e.Meta.Key == f.key && e.Position >= f.from && !f.mended.Load() {
		return fmt.Errorf("cannot make sense of event %d", e.Position)
	}
	return nil
}

func parkedOf(tb testing.TB, a projections.Admin, state string) []int64 {
	tb.Helper()
	list, err := a.Parked(tb.Context(), "tally")
	if err != nil {
		tb.Fatal(err)
	}
	var positions []int64
	for _, p := range list {
		if p.State == state {
			positions = append(positions, p.Position)
		}
	}
	return positions
}

// positionsOf lists the wanted events of a key.
func positionsOf(tb testing.TB, log eventstore.Reader, key string) []int64 {
	tb.Helper()
	page, err := log.ReadLog(tb.Context(), 1, eventstore.MaxPage)
	if err != nil {
		tb.Fatal(err)
	}
	var positions []int64
	for _, e := range page {
		if meta, err := e.Metadata(); err == nil && meta.Key == key && e.Type != "thing.ignored" {
			positions = append(positions, e.Position)
		}
	}
	return positions
}

func TestParkRetryAndSkip(t *testing.T) {
	t.Parallel()
	pool, log := projectiontest.Pool(t), projectiontest.Log(t)
	commits := history(t, 400, 10)
	projectiontest.Append(t, log, commits[:200]...)
	f := &failing{key: "k4", from: 30}
	p := tally{fail: f.check}
	admin := projections.Admin{Pool: pool, Log: log}
	r := start(t, projections.Config{Projection: p, Pool: pool, Log: log, PageEvents: 64, FarBehind: 1})
	waitFor(t, pool, 200)
	all := positionsOf(t, log, "k4")
	first := slices.IndexFunc(all, func(p int64) bool { return p >= 30 })
	if got := parkedOf(t, admin, "failed"); !slices.Equal(got, all[first:first+1]) {
		t.Fatalf("failed are %v, want %v", got, all[first:first+1])
	}
	if got := parkedOf(t, admin, "waiting"); !slices.Equal(got, all[first+1:]) {
		t.Fatalf("waiting are %v, want %v", got, all[first+1:])
	}
	exact(t, pool, tally{}, log) // all others are there

	// Not mended yet: the order of the queue stays.
	err := admin.Retry(t.Context(), p, "k4")
	if parked, ok := errors.AsType[*projections.ParkedError](err); !ok || parked.Position != all[first] || parked.Key != "k4" {
		t.Fatalf("retry says %v, want that event %d fails", err, all[first])
	}
	list, err := admin.Parked(t.Context(), "tally")
	if err != nil || list[0].Attempts != 2 || !strings.Contains(list[0].Error, "cannot make sense") {
		t.Fatalf("first parked is %+v, %v, want two attempts", list[0], err)
	}

	// Skipped: the next one fails in its turn, for now the last of all.
	f.from = all[len(all)-1]
	if err := admin.Skip(t.Context(), p, "k4", all[first]+1, "wrong place"); !errors.Is(err, projections.ErrUnknown) {
		t.Errorf("skip of an event that is not the first says %v", err)
	}
	err = admin.Skip(t.Context(), p, "k4", all[first], "a duplicate from the old shop")
	if parked, ok := errors.AsType[*projections.ParkedError](err); !ok || parked.Position != f.from {
		t.Fatalf("skip says %v, want that event %d fails", err, f.from)
	}
	if got := parkedOf(t, admin, "skipped"); !slices.Equal(got, all[first:first+1]) {
		t.Errorf("skipped are %v, want %v", got, all[first:first+1])
	}

	// Mended: the key flows again, while the runner goes on.
	projectiontest.Append(t, log, commits[200:300]...)
	waitFor(t, pool, 300)
	f.mended.Store(true)
	if err := admin.Retry(t.Context(), p, "k4"); err != nil {
		t.Fatal(err)
	}
	projectiontest.Append(t, log, commits[300:]...)
	waitFor(t, pool, 400)
	r.stop(t)
	if got := append(parkedOf(t, admin, "failed"), parkedOf(t, admin, "waiting")...); len(got) > 0 {
		t.Errorf("still parked are %v", got)
	}
	if v := exact(t, pool, tally{}, log); v.LeftOut != 1 {
		t.Errorf("%d events are left out, want the one that was skipped", v.LeftOut)
	}
	rows, err := pool.Query(t.Context(), "SELECT position FROM readmodel.tally_entries WHERE key = 'k4' ORDER BY nth")
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if want := slices.Delete(positionsOf(t, log, "k4"), first, first+1); err != nil || !slices.Equal(got, want) {
		t.Errorf("events of the key were applied in the order %v, %v, want %v", got, err, want)
	}
}

// A runner and retries from outside, both at work on the same projection all the time.
func TestRetryWhileTheRunnerRuns(t *testing.T) {
	t.Parallel()
	pool, log := projectiontest.Pool(t), projectiontest.Log(t)
	var flaky atomic.Int64
	p := tally{fail: func(e *projections.Event) error {
		if e.Meta.Key == "k1" && flaky.Add(1)%2 == 1 {
			return errors.New("every other time")
		}
		return nil
	}}
	admin := projections.Admin{Pool: pool, Log: log}
	start(t, projections.Config{Projection: p, Pool: pool, Log: log, Feed: &projectiontest.Feed{Log: log}})
	waitFor(t, pool, 0)
	for i, c := range history(t, 500, 6) {
		projectiontest.Append(t, log, c)
		if i%10 == 9 {
			if err := admin.Retry(t.Context(), p, "k1"); err != nil && !errors.Is(err, projections.ErrParked) && !errors.Is(err, projections.ErrUnknown) {
				t.Fatal(err)
			}
		}
	}
	waitFor(t, pool, 500)
	until(t, "the key flows", func() bool { return admin.Retry(t.Context(), tally{}, "k1") == nil })
	if v := exact(t, pool, tally{}, log); v.LeftOut > 0 {
		t.Errorf("%d events are left out", v.LeftOut)
	}
}

func TestPanicParks(t *testing.T) {
	t.Parallel()
	pool, log := projectiontest.Pool(t), projectiontest.Log(t, history(t, 50, 5)...)
	p := tally{before: func(ctx context.Context, tx pgx.Tx, events []projections.Event) error {
		for _, e := range events {
			if e.Position == 21 {
				if _, err := tx.Query(ctx, "SELECT generate_series(1, 100000)"); err != nil { // left open
					return err
				}
				panic("no such luck")
			}
		}
		return nil
	}}
	r := start(t, projections.Config{Projection: p, Pool: pool, Log: log})
	waitFor(t, pool, 50)
	r.stop(t)
	list, err := (projections.Admin{Pool: pool, Log: log}).Parked(t.Context(), "tally")
	if err != nil || len(list) == 0 || list[0].Position != 21 || !strings.Contains(list[0].Error, "panic: no such luck") {
		t.Fatalf("parked are %+v, %v, want event 21 with its panic", list, err)
	}
	exact(t, pool, tally{}, log)
}

func TestTooManyParkedStops(t *testing.T) {
	t.Parallel()
	pool, log := projectiontest.Pool(t), projectiontest.Log(t, history(t, 200, 50)...)
	p := tally{fail: func(*projections.Event) error { return errors.New("this code is wrong altogether") }}
	r := start(t, projections.Config{Projection: p, Pool: pool, Log: log, MaxParkedKeys: 3})
	if err := r.fails(t); !errors.Is(err, projections.ErrTooManyParked) || !strings.Contains(err.Error(), "wrong altogether") {
		t.Errorf("runner says %v, want ErrTooManyParked and the reason", err)
	}
	if got := parkedOf(t, projections.Admin{Pool: pool, Log: log}, "failed"); len(got) != 3 {
		t.Errorf("failed are %v, want three", got)
	}
}

// What is not the fault of an event is tried again, and parks nothing.
func TestTransientFaultsParkNothing(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"40001", "40P01", "55P03", "53200"} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			pool, log := projectiontest.Pool(t), projectiontest.Log(t, history(t, 60, 5)...)
			var faults atomic.Int32
			p := tally{before: func(ctx context.Context, tx pgx.Tx, _ []projections.Event) error {
				if faults.Add(1) > 3 {
					return nil
				}
				_, err := tx.Exec(ctx, "DO $$ BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = '"+code+"'; END $$")
				return err
			}}
			r := start(t, projections.Config{Projection: p, Pool: pool, Log: log})
			waitFor(t, pool, 60)
			r.stop(t)
			if v := exact(t, pool, tally{}, log); v.LeftOut > 0 {
				t.Errorf("%d events are parked", v.LeftOut)
			}
		})
	}
}

// An event that always takes longer than a statement may is found out, and does not stop the others for ever.
func TestEndlessStatementParks(t *testing.T) {
	t.Parallel()
	pool, err := eventstore.NewPool(t.Context(), devtest.Database(t), eventstore.PoolConfig{Role: eventstore.RoleProject, StatementTimeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	log := projectiontest.Log(t, history(t, 20, 5)...)
	p := tally{before: func(ctx context.Context, tx pgx.Tx, events []projections.Event) error {
		for i := range events {
			if events[i].Position == 15 {
				_, err := tx.Exec(ctx, "SELECT pg_sleep(3600)")
				return err
			}
		}
		return nil
	}}
	r := start(t, projections.Config{Projection: p, Pool: pool, Log: log})
	waitFor(t, pool, 20)
	r.stop(t)
	if got := parkedOf(t, projections.Admin{Pool: pool, Log: log}, "failed"); !slices.Equal(got, []int64{15}) {
		t.Errorf("failed are %v, want 15", got)
	}
	exact(t, pool, tally{}, log)
}

// Apply that passes over the failure of a statement has not applied its events.
func TestSwallowedErrorParks(t *testing.T) {
	t.Parallel()
	pool, log := projectiontest.Pool(t), projectiontest.Log(t, history(t, 40, 5)...)
	p := swallowing{tally{}, 22}
	r := start(t, projections.Config{Projection: p, Pool: pool, Log: log})
	waitFor(t, pool, 40)
	r.stop(t)
	if got := parkedOf(t, projections.Admin{Pool: pool, Log: log}, "failed"); !slices.Equal(got, []int64{22}) {
		t.Errorf("failed are %v, want 22", got)
	}
	exact(t, pool, tally{}, log)
}

type swallowing struct {
	tally
	position int64
}

func (p swallowing) Apply(ctx context.Context, tx pgx.Tx, events []projections.Event) error {
	for i := range events {
		if events[i].Position == p.position {
			_, _ = tx.Exec(ctx, "SELECT 1/0")
			return nil
		}
	}
	return p.tally.Apply(ctx, tx, events)
}

// Events that cannot even be handed over are parked under their stream.
func TestUnreadableMetadataParks(t *testing.T) {
	t.Parallel()
	pool, log := projectiontest.Pool(t), projectiontest.Log(t, history(t, 10, 3)...)
	broken := eventstore.NewEvent{Type: "thing.happened", Schema: 1, Meta: []byte{0xc1}}
	nul := happened(t, "nul\x00", "thing.happened")
	projectiontest.Append(t, log, projectiontest.Commit("thing-broken", 0, broken), projectiontest.Commit("thing-nul", 0, nul))
	r := start(t, projections.Config{Projection: tally{}, Pool: pool, Log: log})
	waitFor(t, pool, 12)
	r.stop(t)
	list, err := (projections.Admin{Pool: pool, Log: log}).Parked(t.Context(), "tally")
	if err != nil || len(list) != 2 || list[0].Key != "thing-broken" || list[1].Key != "nul" {
		t.Errorf("parked are %+v, %v, want both events", list, err)
	}
	exact(t, pool, tally{}, log)
}

// A table that is gone is no fault of the events: none is parked, the runner says that it is unwell, and it goes on when
// the table is back.
func TestMissingTableParksNothing(t *testing.T) {
	t.Parallel()
	pool, log := projectiontest.Pool(t), projectiontest.Log(t, history(t, 20, 3)...)
	projectiontest.Fold(t, pool, tally{}, log)
	for _, sql := range []string{"ALTER TABLE tally_v1.tally RENAME TO away", "ALTER TABLE tally_v1.away RENAME COLUMN last TO gone"} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	projectiontest.Append(t, log, projectiontest.Commit("thing-late", 0, happened(t, "late", "thing.happened")))
	r := start(t, projections.Config{Projection: tally{}, Pool: pool, Log: log, StallAfter: 50 * time.Millisecond})
	for _, c := range []struct{ state, sql string }{
		{"42P01", "ALTER TABLE tally_v1.away RENAME TO tally"},
		{"42703", "ALTER TABLE tally_v1.tally RENAME COLUMN gone TO last"},
	} {
		until(t, "the runner is unwell by "+c.state, func() bool {
			err := r.Health()
			return err != nil && strings.Contains(err.Error(), c.state)
		})
		if list, err := (projections.Admin{Pool: pool, Log: log}).Parked(t.Context(), ""); err != nil || len(list) > 0 {
			t.Fatalf("parked are %v, %v, want none", list, err)
		}
		if _, err := pool.Exec(t.Context(), c.sql); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, pool, 21)
	exact(t, pool, tally{}, log)
}
