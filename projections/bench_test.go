package projections_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/eventstore"
	"waybill/internal/devstack/devtest"
	"waybill/projections"
	"waybill/projections/projectiontest"
)

// BenchmarkRebuild fills a read model of two tables from a log in Postgres, and says how fast.
func BenchmarkRebuild(b *testing.B) {
	const events, perStream = 100_000, 5
	dsn := devtest.Database(b)
	pool, log := projectiontest.Connect(b, dsn, eventstore.RoleProject), postgresLog(b, dsn)
	for s := 0; s < events/perStream; s += 200 {
		proposals := make([]*eventstore.Proposal, 0, 200)
		for i := range 200 {
			key := fmt.Sprintf("k%06d", s+i)
			some := make([]eventstore.NewEvent, perStream)
			for j := range some {
				some[j] = happened(b, key, "thing.happened")
			}
			p, err := log.Propose(b.Context(), projectiontest.Commit("thing-"+key, 0, some...))
			if err != nil {
				b.Fatal(err)
			}
			proposals = append(proposals, p)
		}
		for _, p := range proposals {
			if _, err := p.Wait(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	projectiontest.Fold(b, pool, tally{}, projectiontest.Log(b))
	admin := projections.Admin{Pool: pool, Log: log}
	for b.Loop() {
		if err := admin.Reset(b.Context(), tally{}); err != nil {
			b.Fatal(err)
		}
		r := start(b, projections.Config{Projection: tally{}, Pool: pool, Log: log})
		until(b, "the rebuild", func() bool { return r.Position() == events })
		r.stop(b)
	}
	b.ReportMetric(events*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkVisible measures the time from an acknowledged append to its being visible, one event at a time.
func BenchmarkVisible(b *testing.B) {
	dsn, server := devtest.Database(b), devtest.NATS(b)
	pool, log := projectiontest.Connect(b, dsn, eventstore.RoleProject), postgresLog(b, dsn)
	startRelay(b, log, server)
	r := start(b, projections.Config{
		Projection: tally{}, Pool: pool, Log: log, Feed: follower(b, connect(b, server)), PollInterval: time.Second,
	})
	checkpoints := projections.NewCheckpoints(pool, r.Runner)
	projectiontest.Append(b, log, projectiontest.Commit("thing-first", 0, happened(b, "first", "thing.happened")))
	waitFor(b, pool, 1)
	version := int64(0)
	var waited time.Duration
	for b.Loop() {
		receipt, err := log.Append(b.Context(), projectiontest.Commit("thing-bench", version, happened(b, "bench", "thing.happened")))
		if err != nil {
			b.Fatal(err)
		}
		version++
		acknowledged := time.Now()
		if err := checkpoints.WaitFor(b.Context(), "tally", receipt.Last); err != nil {
			b.Fatal(err)
		}
		waited += time.Since(acknowledged)
	}
	b.ReportMetric(float64(waited.Microseconds())/float64(b.N), "visible-µs")
}

// BenchmarkUpsert writes batches of rows that half exist.
func BenchmarkUpsert(b *testing.B) {
	pool := projectiontest.Pool(b)
	p := tally{}
	projectiontest.Fold(b, pool, p, projectiontest.Log(b))
	table := p.tallies()
	rows := make([][]any, 4000)
	n := 0
	for b.Loop() {
		for i := range rows {
			rows[i] = []any{fmt.Sprintf("k%d", n/2+i), int64(i), int64(n), []string{"a", "b"}}
		}
		n += len(rows)
		err := pgx.BeginFunc(b.Context(), pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(b.Context(), "SET LOCAL search_path TO tally_v1"); err != nil {
				return err
			}
			return table.Upsert(b.Context(), tx, rows)
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(rows)*b.N)/b.Elapsed().Seconds(), "rows/s")
}
