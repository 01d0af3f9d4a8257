package projections_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"waybill/eventstore"
	"waybill/eventstore/relay"
	"waybill/internal/devstack/devtest"
	"waybill/projections"
	"waybill/projections/projectiontest"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	pool, log := projectiontest.Pool(t), eventstore.NewMemory()
	whole := projections.Config{Projection: tally{}, Pool: pool, Log: log}
	for _, c := range []struct {
		field string
		edit  func(*projections.Config)
	}{
		{"Projection", func(c *projections.Config) { c.Projection = nil }},
		{"Pool", func(c *projections.Config) { c.Pool = nil }},
		{"Log", func(c *projections.Config) { c.Log = nil }},
		{"PageEvents", func(c *projections.Config) { c.PageEvents = eventstore.MaxPage + 1 }},
		{"FarBehind", func(c *projections.Config) { c.FarBehind = -1 }},
		{"MaxParkedKeys", func(c *projections.Config) { c.MaxParkedKeys = -1 }},
		{"Pace", func(c *projections.Config) { c.Pace = -1 }},
		{"Version", func(c *projections.Config) { c.Projection = tally{version: 1_000_000} }},
	} {
		cfg := whole
		c.edit(&cfg)
		if _, err := projections.New(cfg); err == nil || !strings.Contains(err.Error(), c.field) {
			t.Errorf("New without a good %s: %v, want an error that names it", c.field, err)
		}
	}
}

// A connection that is killed in the middle of Apply takes its whole batch with it, and nothing else.
func TestConnectionKilledInMidBatch(t *testing.T) {
	t.Parallel()
	dsn := devtest.Database(t)
	pool, admin := projectiontest.Connect(t, dsn, eventstore.RoleProject), superuser(t, dsn)
	log := projectiontest.Log(t, history(t, 300, 7)...)
	var batches, kills atomic.Int32
	p := tally{before: func(ctx context.Context, tx pgx.Tx, _ []projections.Event) error {
		if n := batches.Add(1); n%3 == 0 && kills.Load() < 5 {
			kills.Add(1)
			if _, err := admin.Exec(ctx, "SELECT pg_terminate_backend($1, 5000)", tx.Conn().PgConn().PID()); err != nil {
				return err
			}
		}
		return nil
	}}
	r := start(t, projections.Config{Projection: p, Pool: pool, Log: log, PageEvents: 20, FarBehind: 1})
	waitFor(t, pool, 300)
	r.stop(t)
	if kills.Load() != 5 {
		t.Fatalf("%d connections were killed, want 5", kills.Load())
	}
	exact(t, pool, tally{}, log)
	if list, err := (projections.Admin{Pool: pool, Log: log}).Parked(t.Context(), ""); err != nil || len(list) > 0 {
		t.Errorf("parked are %v, %v: a broken connection is not the fault of an event", list, err)
	}
}

func superuser(tb testing.TB, dsn string) *pgx.Conn {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), dsn)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := conn.Close(context.WithoutCancel(tb.Context())); err != nil {
			tb.Error(err)
		}
	})
	return conn
}

// Any number of runners of one projection are harmless, and when one goes another one takes over.
func TestSeveralRunners(t *testing.T) {
	t.Parallel()
	pool, log := projectiontest.Pool(t), projectiontest.Log(t)
	cfg := projections.Config{Projection: tally{}, Pool: pool, Log: log, Feed: &projectiontest.Feed{Log: log}}
	runners := []*running{start(t, cfg), start(t, cfg), start(t, cfg)}
	for i, c := range history(t, 600, 11) {
		projectiontest.Append(t, log, c)
		if i%40 == 0 {
			waitFor(t, pool, int64(i))
		}
		switch i {
		case 200, 400:
			runners[i/200].stop(t)
		}
	}
	waitFor(t, pool, 600)
	exact(t, pool, tally{}, log)
}

func TestHolesAreFilledFromTheLog(t *testing.T) {
	t.Parallel()
	pool, log := projectiontest.Pool(t), projectiontest.Log(t, history(t, 200, 5)...)
	reg := prometheus.NewPedanticRegistry()
	holes := map[int64]bool{1: true, 2: true, 50: true, 51: true, 52: true, 120: true, 199: true}
	r := start(t, projections.Config{
		Projection: tally{}, Pool: pool, Log: log, PollInterval: patience, // nothing but the feed tells of events
		Feed: &projectiontest.Feed{Log: log, Holes: holes}, Registerer: reg,
	})
	waitFor(t, pool, 200)
	r.stop(t)
	exact(t, pool, tally{}, log)
	if got := metric(t, reg, "waybill_projection_events_total"); got != 160 {
		t.Errorf("%v events are counted, want the 160 that it wants", got)
	}
	if got := metric(t, reg, "waybill_projection_holes_total"); got < 1 {
		t.Error("no hole is counted")
	}
	if got := metric(t, reg, "waybill_projection_position"); got != 200 {
		t.Errorf("position is %v, want 200", got)
	}
}

func metric(tb testing.TB, reg prometheus.Gatherer, name string) float64 {
	tb.Helper()
	families, err := reg.Gather()
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			m := f.GetMetric()[0]
			return m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	tb.Fatalf("there is no metric %s", name)
	return 0
}

func TestOtherEpochStops(t *testing.T) {
	t.Parallel()
	t.Run("feed", func(t *testing.T) {
		t.Parallel()
		pool, log := projectiontest.Pool(t), projectiontest.Log(t, history(t, 20, 3)...)
		r := start(t, projections.Config{Projection: tally{}, Pool: pool, Log: log, Feed: &projectiontest.Feed{Log: log, Epoch: uuid.New()}})
		err := r.fails(t)
		if other, ok := errors.AsType[*projections.EpochError](err); !ok || other.Source != "feed" || !strings.Contains(err.Error(), "waybill doctor") {
			t.Errorf("runner says %v, want what to run", err)
		}
		if r.Health() == nil {
			t.Error("a runner that stopped says that it is healthy")
		}
	})
	t.Run("stream", func(t *testing.T) {
		t.Parallel()
		server, before := devtest.NATS(t), projectiontest.Log(t, history(t, 30, 3)...)
		r, err := relay.New(relay.Config{Log: before, Conn: connect(t, server)})
		if err != nil {
			t.Fatal(err)
		}
		background(t, "relay", r.Run)
		feed := follower(t, connect(t, server))
		until(t, "the stream is filled", func() bool {
			published, err := feed.Published(t.Context())
			return err == nil && published == 30
		})
		pool, log := projectiontest.Pool(t), projectiontest.Log(t, history(t, 20, 3)...)
		err = start(t, projections.Config{Projection: tally{}, Pool: pool, Log: log, Feed: feed, PollInterval: patience}).fails(t)
		if other, ok := errors.AsType[*projections.EpochError](err); !ok || other.Source != "feed" || other.Projection != "tally" {
			t.Errorf("runner says %v, want that the feed is of another epoch", err)
		}
	})
	t.Run("log", func(t *testing.T) {
		t.Parallel()
		pool, log := projectiontest.Pool(t), projectiontest.Log(t, history(t, 20, 3)...)
		projectiontest.Fold(t, pool, tally{}, log)
		restored := projectiontest.Log(t, history(t, 40, 3)...)
		err := start(t, projections.Config{Projection: tally{}, Pool: pool, Log: restored}).fails(t)
		if !errors.Is(err, projections.ErrEpoch) || !strings.Contains(err.Error(), "waybill projections rebuild tally") {
			t.Fatalf("runner says %v, want ErrEpoch and what to run", err)
		}
		if err := (projections.Admin{Pool: pool, Log: restored}).Reset(t.Context(), tally{}); err != nil {
			t.Fatal(err)
		}
		projectiontest.Fold(t, pool, tally{}, restored)
		exact(t, pool, tally{}, restored)
	})
	t.Run("log lost its end", func(t *testing.T) {
		t.Parallel()
		pool, log := projectiontest.Pool(t), projectiontest.Log(t, history(t, 20, 3)...)
		projectiontest.Fold(t, pool, tally{}, log)
		err := start(t, projections.Config{Projection: tally{}, Pool: pool, Log: shortened{log, 10}, StallAfter: 100 * time.Millisecond}).fails(t)
		if ahead, ok := errors.AsType[*projections.AheadError](err); !ok || ahead.Position != 20 || ahead.Head != 10 {
			t.Errorf("runner says %v, want that it is at 20 of 10", err)
		}
	})
}

// A replica that lags is no log that lost its end.
func TestLaggingReplicaIsWaitedFor(t *testing.T) {
	t.Parallel()
	pool, log := projectiontest.Pool(t), projectiontest.Log(t, history(t, 20, 3)...)
	projectiontest.Fold(t, pool, tally{}, log)
	projectiontest.Append(t, log, projectiontest.Commit("thing-late", 0, happened(t, "late", "thing.happened")))
	replica := &lagging{Reader: log}
	replica.reads.Store(3)
	start(t, projections.Config{Projection: tally{}, Pool: pool, Log: replica})
	waitFor(t, pool, 21)
	exact(t, pool, tally{}, log)
}

// lagging is a log that is short for some reads.
type lagging struct {
	eventstore.Reader
	reads atomic.Int64
}

func (l *lagging) Head(ctx context.Context) (eventstore.Head, error) {
	h, err := l.Reader.Head(ctx)
	if l.reads.Add(-1) >= 0 {
		h.Position = 10
	}
	return h, err
}

// shortened is a log that lost its end.
type shortened struct {
	eventstore.Reader
	end int64
}

func (s shortened) Head(ctx context.Context) (eventstore.Head, error) {
	h, err := s.Reader.Head(ctx)
	h.Position = min(h.Position, s.end)
	return h, err
}

func TestHoleInTheLogStops(t *testing.T) {
	t.Parallel()
	pool, log := projectiontest.Pool(t), projectiontest.Log(t, history(t, 20, 3)...)
	err := start(t, projections.Config{Projection: tally{}, Pool: pool, Log: holed{log, 7}}).fails(t)
	if hole, ok := errors.AsType[*projections.HoleError](err); !ok || hole.Want != 7 || hole.Got != 8 {
		t.Errorf("runner says %v, want that 8 came where 7 was due", err)
	}
}

// holed is a log that lacks one position.
type holed struct {
	eventstore.Reader
	missing int64
}

func (h holed) ReadLog(ctx context.Context, from int64, limit int) ([]eventstore.Event, error) {
	page, err := h.Reader.ReadLog(ctx, from, limit)
	kept := page[:0]
	for _, e := range page {
		if e.Position != h.missing {
			kept = append(kept, e)
		}
	}
	return kept, err
}

func TestSchemaChangedWithoutVersionStops(t *testing.T) {
	t.Parallel()
	pool, log := projectiontest.Pool(t), projectiontest.Log(t, history(t, 5, 3)...)
	projectiontest.Fold(t, pool, tally{}, log)
	if err := start(t, projections.Config{Projection: tally{suffix: "_other"}, Pool: pool, Log: log}).fails(t); !errors.Is(err, projections.ErrSchemaChanged) {
		t.Errorf("runner says %v, want ErrSchemaChanged", err)
	}
}

// Whatever the log, the pages and the places where the runner is stopped: the tables are the fold.
func TestRestartsAnywhere(t *testing.T) {
	t.Parallel()
	pool := projectiontest.Pool(t)
	projectiontest.Fold(t, pool, tally{}, projectiontest.Log(t))
	rapid.Check(t, func(rt *rapid.T) {
		events := rapid.IntRange(1, 80).Draw(rt, "events")
		log := projectiontest.Log(t, history(t, events, rapid.IntRange(1, 9).Draw(rt, "keys"))...)
		if err := (projections.Admin{Pool: pool, Log: log}).Reset(t.Context(), tally{}); err != nil {
			rt.Fatal(err)
		}
		seed := rapid.Uint64().Draw(rt, "seed")
		feed := &projectiontest.Feed{Log: log, Rand: rand.New(rand.NewPCG(seed, 1))}
		for _, stop := range rapid.SliceOfN(rapid.IntRange(0, events), 0, 3).Draw(rt, "stops") {
			r := start(t, projections.Config{
				Projection: tally{}, Pool: pool, Log: log, Feed: feed, Pace: time.Nanosecond,
				PageEvents: rapid.IntRange(1, 30).Draw(rt, "page"), FarBehind: int64(rapid.IntRange(1, 60).Draw(rt, "far")),
			})
			until(t, "the runner gets to where it is stopped", func() bool { return r.Position() >= int64(stop) })
			r.stop(t)
		}
		projectiontest.Fold(t, pool, tally{}, log)
		if v := exact(t, pool, tally{}, log); v.Position != int64(events) || len(v.Differences) > 0 {
			rt.Fatalf("at position %d of %d: %v", v.Position, events, v.Differences)
		}
	})
}

func TestWaitFor(t *testing.T) {
	t.Parallel()
	dsn := devtest.Database(t)
	pool, reader := projectiontest.Connect(t, dsn, eventstore.RoleProject), projectiontest.Connect(t, dsn, eventstore.RoleRead)
	log := projectiontest.Log(t, history(t, 10, 3)...)
	r := start(t, projections.Config{Projection: tally{}, Pool: pool, Log: log, Feed: &projectiontest.Feed{Log: log}})
	waitFor(t, pool, 10)
	for name, c := range map[string]*projections.Checkpoints{
		"beside the runner": projections.NewCheckpoints(reader, r.Runner),
		"without a runner":  projections.NewCheckpoints(reader),
	} {
		at := head(t, log)
		if err := c.WaitFor(t.Context(), "tally", at); err != nil {
			t.Errorf("%s: wait for what is there: %v", name, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		err := c.WaitFor(ctx, "tally", at+1)
		cancel()
		if behind, ok := errors.AsType[*projections.BehindError](err); !ok || *behind != (projections.BehindError{Projection: "tally", Position: at, Want: at + 1}) {
			t.Errorf("%s: wait for what does not come: %v", name, err)
		}
		waited := make(chan error, 1)
		go func() { waited <- c.WaitFor(t.Context(), "tally", at+1) }()
		projectiontest.Append(t, log, projectiontest.Commit("thing-"+name, 0, happened(t, name, "thing.ignored")))
		if err := <-waited; err != nil {
			t.Errorf("%s: wait for what comes: %v", name, err)
		}
	}
	if err := projections.NewCheckpoints(reader).WaitFor(t.Context(), "nothing", 1); !errors.Is(err, projections.ErrUnknown) {
		t.Errorf("wait for a projection that there is not: %v", err)
	}
}
