package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"waybill/eventstore"
)

// httpOrders is the workload that counts whole orders. program is the binary of Waybill; empty for the one that runs.
//
// What it counts are orders that are confirmed and visible in the order list, not answers: an engine that only takes orders
// in and falls behind does not get faster by it. So the load is a closed loop over visible confirmed orders. The clients
// send as fast as they are answered, but only so many orders are on their way at one time, and that number is set ten
// times a second so that the slowest read model stays a third of a second behind the log, or less. If it is a second or
// more behind at the end of a round, there is no figure but an error.
//
// Clients and NATS run in this process, the engine in one of its own. By a profile, the clients with all of net/http take
// about 2 % of the CPU time of everything together, and NATS 10 %: the load does not stand in its own way.
func httpOrders(program string) Workload {
	return Workload{
		Name:      "http",
		Measures:  "orders of 3 lines placed over HTTP, confirmed and visible in the order list, with relay, projections and placement keeping up",
		Yardstick: "one-row INSERT per transaction, as in append",
		Clients:   []int{64}, Quick: []int{64},
		Contests: func(ctx context.Context, e *Env) ([]Contest, error) {
			if err := makeBare(ctx, e); err != nil {
				return nil, err
			}
			var contests []Contest
			for _, n := range e.Clients {
				contests = append(contests, Contest{
					Clients: n, Unit: "orders/s",
					Open: func(ctx context.Context, e *Env) ([]Side, error) {
						ours, err := openOrders(ctx, e, program, n)
						if err != nil {
							return nil, err
						}
						writers, err := bareWriters(ctx, e, n)
						if err != nil {
							return nil, err
						}
						rows := insertSide(writers, func(int) (string, int64) { return newStream(), 1 })
						return []Side{ours.side(), rows}, nil
					},
				})
			}
			return contests, nil
		},
	}
}

// orders is our side of http.
type orders struct {
	server  *process
	placing *placing
	size    Size
}

// openOrders starts the engine and fills the shelves.
func openOrders(ctx context.Context, e *Env, program string, clients int) (*orders, error) {
	s, err := e.startEngine(ctx, program)
	if err != nil {
		return nil, err
	}
	c := newClient(s, clients)
	e.OnClose(func(context.Context) error { c.close(); return nil })
	articles := e.Pick(1000, 1000, 50)
	if err := c.stockUp(ctx, newShop(1, articles), min(clients, 16)); err != nil {
		return nil, err
	}
	reads, err := watchers(ctx, e)
	if err != nil {
		return nil, err
	}
	return &orders{server: s, size: e.Size, placing: &placing{server: s, client: c, reads: reads, clients: clients, articles: articles, window: newWindow(2 * clients)}}, nil
}

// watchers is a pool for those who watch the order list grow. They read the newest rows by the index in whose order they
// want them; Postgres, which thinks of a table as it was when it was last analysed, would rather read and sort all.
func watchers(ctx context.Context, e *Env) (*pgxpool.Pool, error) {
	dsn, err := e.Database(ctx)
	if err != nil {
		return nil, err
	}
	pool, err := eventstore.NewPool(ctx, dsn, eventstore.PoolConfig{
		Role: eventstore.RoleRead, MaxConns: 2, StatementTimeout: time.Minute,
		Settings: map[string]string{"enable_seqscan": "off", "enable_bitmapscan": "off", "enable_sort": "off"},
	})
	if err != nil {
		return nil, err
	}
	e.OnClose(func(context.Context) error { pool.Close(); return nil })
	return pool, nil
}

func (o *orders) side() Side { return Side{Name: "http", Run: o.run} }

// times are how long a round warms up, and how long it is measured. A round is longer than those of other workloads,
// because what falls behind does so slowly.
func (o *orders) times(r Round) (warm, stretch time.Duration) {
	switch {
	case o.size == Full && r.Number > 0:
		return 5 * time.Second, time.Minute
	case o.size == Full:
		return 5 * time.Second, 5 * time.Second
	case o.size == Quick && r.Number > 0:
		return time.Second, 4 * time.Second
	case o.size == Quick:
		return time.Second, time.Second
	}
	return 300 * time.Millisecond, 700 * time.Millisecond
}

func (o *orders) run(ctx context.Context, r Round) (Measurement, error) {
	warm, stretch := o.times(r)
	o.placing.run = uuid.NewString()[:13]
	before, err := position(ctx, o.placing.reads)
	if err != nil {
		return Measurement{}, err
	}
	sum, err := o.placing.measure(ctx, warm, stretch)
	if err != nil {
		return Measurement{}, err
	}
	if err := o.server.alive(); err != nil {
		return Measurement{}, err
	}
	if err := o.check(ctx, before, sum); err != nil {
		return Measurement{}, err
	}
	return sum.measurement(stretch), nil
}

func (s *placed) measurement(stretch time.Duration) Measurement {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return Measurement{
		Count: int64(s.confirmed), Elapsed: stretch, Latency: s.answer,
		Figures: map[string]float64{
			"orders":           float64(s.total), // warm-up and all; each was confirmed once
			"accepted_per_s":   float64(s.accepted) / stretch.Seconds(),
			"confirmed_p50_ms": quantile(s.visible, 50),
			"confirmed_p99_ms": quantile(s.visible, 99),
			"lag_end_ms":       ms(s.lag),
			"lag_worst_ms":     ms(s.worstLag),
			"in_flight":        float64(s.window),
			"engine_cpus":      s.engine.Seconds() / stretch.Seconds(),
			"clients_cpus":     s.clients.Seconds() / stretch.Seconds(),
		},
	}
}

func position(ctx context.Context, reads *pgxpool.Pool) (int64, error) {
	var p int64
	if err := reads.QueryRow(ctx, `SELECT position FROM waybill.log_head`).Scan(&p); err != nil {
		return 0, fmt.Errorf("read the end of the log: %w", err)
	}
	return p, nil
}

// check wants every order that was accepted in the log and in the order list, confirmed, and each once; and the engine not
// to have fallen behind.
func (o *orders) check(ctx context.Context, before int64, sum placed) error {
	if sum.lag >= mostLag {
		return fmt.Errorf("the engine did not keep up: its slowest consumer was %s behind at the end", sum.lag.Round(time.Millisecond))
	}
	for _, c := range []struct {
		what, sql string
		arg       any
	}{
		{"placed in the log", `SELECT count(*) FROM waybill.events WHERE position > $1 AND type = 'order.placed'`, before},
		{"confirmed in the log", `SELECT count(*) FROM waybill.events WHERE position > $1 AND type = 'order.confirmed'`, before},
		{"different orders confirmed in the log", `SELECT count(DISTINCT stream) FROM waybill.events WHERE position > $1 AND type = 'order.confirmed'`, before},
		{"confirmed in the order list", `SELECT count(*) FROM readmodel.order_list WHERE lifecycle = 'confirmed' AND source_ref LIKE $1`, o.placing.run + "-%"},
	} {
		var n int
		if err := o.placing.reads.QueryRow(ctx, c.sql, c.arg).Scan(&n); err != nil {
			return fmt.Errorf("count the orders that are %s: %w", c.what, err)
		}
		if n != sum.total {
			return fmt.Errorf("%d orders were accepted, and %d are %s", sum.total, n, c.what)
		}
	}
	return nil
}
