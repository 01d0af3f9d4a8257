package relay_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"waybill/eventstore"
	"waybill/eventstore/relay"
	"waybill/internal/devstack/devtest"
)

// openLog opens the log in Postgres and runs its appender until the test ends.
func openLog(t *testing.T, dsn string) *eventstore.Postgres {
	t.Helper()
	log, err := eventstore.OpenPostgres(t.Context(), eventstore.PostgresConfig{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := log.Run(ctx); err != nil && !errors.Is(err, eventstore.ErrFenced) {
			t.Errorf("run the log: %v", err)
		}
	})
	t.Cleanup(func() {
		stop()
		wg.Wait()
		log.Close()
	})
	return log
}

func openLeases(t *testing.T, dsn string) *eventstore.Leases {
	t.Helper()
	pool, err := eventstore.NewPool(t.Context(), dsn, eventstore.PoolConfig{Role: eventstore.RoleRelay})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return eventstore.NewLeases(pool)
}

func TestPostgresLive(t *testing.T) {
	t.Parallel()
	dsn, b := devtest.Database(t), startBroker(t)
	log, leases := openLog(t, dsn), openLeases(t, dsn)
	fill(t, log, 1_000)
	cfg := func() relay.Config {
		return relay.Config{
			Log: log, Signal: log, Conn: b.connect(), Lease: relay.NewLease(leases, "test", time.Second),
			Renew: 50 * time.Millisecond, Poll: time.Hour, // the signal alone wakes it
		}
	}
	one := startRelay(t, cfg())
	one.reaches(1_000)
	two := startRelay(t, cfg())
	two.becomes(relay.Standby)

	const writers, each = 4, 500
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each / 10 {
				fill(t, log, 10)
			}
		})
	}
	wg.Wait()
	one.reaches(1_000 + writers*each)

	one.stop() // and the other takes over where it stood
	fill(t, log, 100)
	two.reaches(1_100 + writers*each)
	sameAsLog(t, b.connect(), log, 1)
	two.stop()

	lease, err := leases.AcquireLease(t.Context(), "relay", "the test", time.Second, 0)
	if err != nil {
		t.Fatal(err)
	}
	if want := int64(1_100 + writers*each); lease.Upto != want {
		t.Errorf("barrier recorded %d, want %d", lease.Upto, want)
	}
}

func TestPostgresBeginsAnotherEpoch(t *testing.T) {
	t.Parallel()
	dsn, b := devtest.Database(t), startBroker(t)
	log := openLog(t, dsn)
	fill(t, log, 100)
	r := startRelay(t, relay.Config{Log: log, Signal: log, Conn: b.connect()})
	r.reaches(100)
	head, err := eventstore.NewEpoch(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	s := r.becomes(relay.Forked)
	fork, ok := errors.AsType[*relay.ForkError](s.Err)
	if !ok || fork.LogEpoch != head.Epoch || s.Run != "waybill doctor" {
		t.Fatalf("status %+v, want a fork by epoch %s", s, head.Epoch)
	}
	if err := r.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.reaches(head.Position)
	sameAsLog(t, b.connect(), log, 1)
}
