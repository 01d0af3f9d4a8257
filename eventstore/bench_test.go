package eventstore_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"waybill/eventstore"
	"waybill/internal/devstack/devtest"
)

// eachClient shares b.N operations among clients.
func eachClient(b *testing.B, clients int, do func(client int)) {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	b.ResetTimer()
	for i := range clients {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				do(i)
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

func payload() []byte { return bytes.Repeat([]byte("waybill."), 38)[:300] }

func single(stream string, expected int64) eventstore.Commit {
	return eventstore.Commit{CommandID: uuid.Must(uuid.NewV7()), Streams: []eventstore.StreamEvents{{
		ID: stream, Expected: expected, Events: []eventstore.NewEvent{{Type: "bench.happened", Schema: 1, Data: payload(), Meta: []byte{0x80}}},
	}}}
}

// BenchmarkAppend is one event of 300 bytes in a commit, beside the yardstick: one row in a transaction of its own,
// into a bare table with the same unique keys.
func BenchmarkAppend(b *testing.B) {
	for _, clients := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("new/C=%d", clients), func(b *testing.B) {
			s := openLog(b, devtest.Database(b))
			eachClient(b, clients, func(int) {
				if _, err := s.Append(b.Context(), single("order-"+uuid.NewString(), 0)); err != nil {
					b.Error(err)
				}
			})
		})
		b.Run(fmt.Sprintf("existing/C=%d", clients), func(b *testing.B) {
			s := openLog(b, devtest.Database(b))
			versions := make([]int64, clients)
			eachClient(b, clients, func(client int) {
				if _, err := s.Append(b.Context(), single(fmt.Sprintf("order-%d", client), versions[client])); err != nil {
					b.Error(err)
				}
				versions[client]++
			})
		})
		b.Run(fmt.Sprintf("verdict/C=%d", clients), func(b *testing.B) {
			s := openLog(b, devtest.Database(b))
			if _, err := s.Append(b.Context(), single("stock-A@B", 0)); err != nil {
				b.Fatal(err)
			}
			eachClient(b, clients, func(int) {
				_, err := s.Append(b.Context(), eventstore.Commit{
					CommandID: uuid.Must(uuid.NewV7()), Streams: []eventstore.StreamEvents{{ID: "stock-A@B", Expected: 1}},
					Verdict: &eventstore.Verdict{Refused: true, Code: "sold-out", Key: "order-1", Type: "stock.reserve", Data: []byte("{}"), Meta: []byte{0x80}},
				})
				if err != nil {
					b.Error(err)
				}
			})
		})
		b.Run(fmt.Sprintf("yardstick/C=%d", clients), func(b *testing.B) {
			pool := bareTable(b, clients)
			meta, data := []byte{0x80}, payload()
			eachClient(b, clients, func(int) {
				_, err := pool.Exec(b.Context(), `INSERT INTO bare (stream, version, event_id, type, data, meta) VALUES ($1, 1, $2, $3, $4, $5)`,
					"order-"+uuid.NewString(), [16]byte(uuid.New()), "bench.happened", data, meta)
				if err != nil {
					b.Error(err)
				}
			})
		})
	}
}

// BenchmarkAppendMany is 100 events in a commit, one client.
func BenchmarkAppendMany(b *testing.B) {
	s := openLog(b, devtest.Database(b))
	for b.Loop() {
		c := single("order-"+uuid.NewString(), 0)
		e := c.Streams[0].Events[0]
		for range 99 {
			c.Streams[0].Events = append(c.Streams[0].Events, e)
		}
		if _, err := s.Append(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*100/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkReadLog is catching up in pages of 5,000.
func BenchmarkReadLog(b *testing.B) {
	s := openLog(b, devtest.Database(b))
	const events = 100_000
	for range events / 5000 {
		c := single("order-"+uuid.NewString(), 0)
		for range 4999 {
			c.Streams[0].Events = append(c.Streams[0].Events, c.Streams[0].Events[0])
		}
		if _, err := s.Append(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
	n := 0
	for b.Loop() {
		for from := int64(1); ; {
			page, err := s.ReadLog(b.Context(), from, 5000)
			if err != nil {
				b.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			n += len(page)
			from += int64(len(page))
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkReadStream loads a stream of 100 events.
func BenchmarkReadStream(b *testing.B) {
	s := openLog(b, devtest.Database(b))
	c := single("order-1", 0)
	for range 99 {
		c.Streams[0].Events = append(c.Streams[0].Events, c.Streams[0].Events[0])
	}
	if _, err := s.Append(b.Context(), c); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		for _, err := range s.ReadStream(b.Context(), "order-1", 1) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func bareTable(b *testing.B, clients int) *pgxpool.Pool {
	b.Helper()
	dsn := devtest.Database(b)
	exec(b, dsn, `CREATE TABLE bare (position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, stream text NOT NULL, version bigint NOT NULL,
		event_id uuid NOT NULL, type text NOT NULL, data bytea NOT NULL, meta bytea NOT NULL, recorded_at timestamptz NOT NULL DEFAULT now(), UNIQUE (stream, version))`)
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		b.Fatal(err)
	}
	cfg.MaxConns = int32(clients)
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(b.Context()), cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	return pool
}
