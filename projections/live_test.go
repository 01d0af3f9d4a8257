package projections_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/nats-io/nats.go"

	"waybill/eventstore"
	"waybill/eventstore/relay"
	"waybill/internal/devstack"
	"waybill/internal/devstack/devtest"
	"waybill/projections"
	"waybill/projections/projectiontest"
)

// background runs something until the test's end.
func background(tb testing.TB, what string, run func(context.Context) error) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			tb.Errorf("%s: %v", what, err)
		}
	})
}

// postgresLog is the real log, with its appender at work.
func postgresLog(tb testing.TB, dsn string) *eventstore.Postgres {
	tb.Helper()
	log, err := eventstore.OpenPostgres(tb.Context(), eventstore.PostgresConfig{DSN: dsn})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(log.Close)
	background(tb, "appender", log.Run)
	return log
}

func connect(tb testing.TB, server *devstack.NATS) *nats.Conn {
	tb.Helper()
	conn, err := server.Connect(relay.ConnOptions()...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(conn.Close)
	return conn
}

// follower is the feed of a server, at work.
func follower(tb testing.TB, conn *nats.Conn) *relay.Fanout {
	tb.Helper()
	f, err := relay.NewFanout(relay.FanoutConfig{Conn: conn, Logger: slog.New(slog.NewTextHandler(tb.Output(), nil))})
	if err != nil {
		tb.Fatal(err)
	}
	background(tb, "feed", f.Run)
	return f
}

func startRelay(tb testing.TB, log *eventstore.Postgres, server *devstack.NATS) {
	tb.Helper()
	r, err := relay.New(relay.Config{Log: log, Signal: log, Conn: connect(tb, server), Logger: slog.New(slog.NewTextHandler(tb.Output(), nil))})
	if err != nil {
		tb.Fatal(err)
	}
	background(tb, "relay", r.Run)
}

// write lets writers append n events each, to streams of their own.
func write(tb testing.TB, log eventstore.Appender, writers, n int, name string) {
	tb.Helper()
	var wg sync.WaitGroup
	for w := range writers {
		key := fmt.Sprintf("%s-%d", name, w)
		event, ignored := happened(tb, key, "thing.happened"), happened(tb, key, "thing.ignored")
		wg.Go(func() {
			for i := range n {
				next := event
				if i%7 == 0 {
					next = ignored
				}
				if _, err := log.Append(tb.Context(), projectiontest.Commit("thing-"+key, int64(i), next)); err != nil {
					tb.Errorf("append: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// From a log that is far ahead, through the hand-over to the live feed, under 16 writers: nothing lost, nothing doubled.
func TestCatchUpAndGoLiveUnderWriters(t *testing.T) {
	t.Parallel()
	dsn, server := devtest.Database(t), devtest.NATS(t)
	pool, log := projectiontest.Connect(t, dsn, eventstore.RoleProject), postgresLog(t, dsn)
	startRelay(t, log, server)
	write(t, log, 16, 100, "before")
	r := start(t, projections.Config{
		Projection: tally{}, Pool: pool, Log: log, Feed: follower(t, connect(t, server)),
		PageEvents: 100, FarBehind: 300, PollInterval: patience, // at the head, nothing but the feed tells of events
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	write(t, log, 16, 300, "during")
	waitFor(t, pool, 16*400)
	if v := exact(t, pool, tally{}, log); v.Position != 16*400 {
		t.Errorf("verified at %d of %d", v.Position, 16*400)
	}
	if err := r.Health(); err != nil {
		t.Errorf("health: %v", err)
	}
}

// Verify runs beside writers and runner, and compares as of one checkpoint.
func TestVerifyBesideWriters(t *testing.T) {
	t.Parallel()
	dsn := devtest.Database(t)
	pool, log := projectiontest.Connect(t, dsn, eventstore.RoleProject), postgresLog(t, dsn)
	start(t, projections.Config{Projection: tally{}, Pool: pool, Log: log, PollInterval: time.Millisecond})
	var writing sync.WaitGroup
	writing.Go(func() { write(t, log, 8, 400, "beside") })
	defer writing.Wait()
	waitFor(t, pool, 10)
	for range 5 {
		exact(t, pool, tally{}, log)
	}
}

// Without JetStream, events become visible all the same, and when it is back the feed goes on.
func TestJetStreamAway(t *testing.T) {
	t.Parallel()
	dsn, dir := devtest.Database(t), t.TempDir()
	server, err := devstack.StartNATS(devstack.NATSConfig{Dir: dir, Port: -1})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := nats.Connect(server.ClientURL(), relay.ConnOptions()...)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	pool, log := projectiontest.Connect(t, dsn, eventstore.RoleProject), postgresLog(t, dsn)
	start(t, projections.Config{Projection: tally{}, Pool: pool, Log: log, Feed: follower(t, conn)})
	write(t, log, 4, 20, "without-stream")
	waitFor(t, pool, 80)
	r, err := relay.New(relay.Config{Log: log, Conn: conn})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- r.Run(ctx) }()
	write(t, log, 4, 20, "with-stream")
	waitFor(t, pool, 160)
	server.Stop()
	write(t, log, 4, 20, "server-gone")
	waitFor(t, pool, 240)
	cancel()
	if err := <-ran; err != nil {
		t.Error(err)
	}
	exact(t, pool, tally{}, log)
}

// A crash of Postgres may cost the last batches, whose commits did not wait for the disk. They are read again, and
// nobody is told of a position that the tables do not hold.
func TestPostgresCrash(t *testing.T) {
	t.Parallel()
	server := devtest.Cluster(t, nil)
	dsn := server.URL("postgres")
	address, err := pgconn.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	if err := projectiontest.Migrate(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	// The log is elsewhere: it did not crash, and so the tables are what has to come back.
	pool, log := projectiontest.Connect(t, dsn, eventstore.RoleProject), projectiontest.Log(t)
	r := start(t, projections.Config{Projection: tally{}, Pool: pool, Log: log, Feed: &projectiontest.Feed{Log: log}})
	checkpoints := projections.NewCheckpoints(pool, r.Runner)
	for i, c := range history(t, 300, 7) {
		projectiontest.Append(t, log, c)
		if i%100 != 60 {
			continue
		}
		if err := server.Kill(); err != nil {
			t.Fatal(err)
		}
		server, err = devstack.StartPostgres(t.Context(), devstack.PostgresConfig{Dir: server.Dir(), Port: int(address.Port)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := server.Kill(); err != nil {
				t.Error(err)
			}
		})
	}
	until(t, "all events are visible", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		err := checkpoints.WaitFor(ctx, "tally", 300)
		if errors.Is(err, projections.ErrBehind) {
			t.Fatal(err)
		}
		return err == nil
	})
	exact(t, pool, tally{}, log)
}
