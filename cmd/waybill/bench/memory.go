package bench

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"waybill/eventstore"
)

// floodClients is how many clients place orders at once, without any pace.
const floodClients = 256

// memory is the workload that floods the engine: many clients send orders as fast as they are answered, whether or not
// what follows from them keeps up. Its figures are the resident memory of a fresh process with all roles.
func memory(program string) Workload {
	return Workload{
		Name:     "memory",
		Measures: "orders accepted from clients that know no pace, and the resident memory of serve before, at most, and after: idle_mb, peak_mb, after_mb",
		Clients:  []int{floodClients}, Quick: []int{floodClients},
		Contests: func(_ context.Context, e *Env) ([]Contest, error) {
			var contests []Contest
			for _, n := range e.Clients {
				contests = append(contests, Contest{Clients: n, Unit: "orders/s", Open: func(ctx context.Context, e *Env) ([]Side, error) {
					reads, err := e.Pool(ctx, eventstore.RoleRead, 2)
					if err != nil {
						return nil, err
					}
					f := &flood{env: e, program: program, reads: reads, clients: n, articles: e.Pick(1000, 1000, 50)}
					return []Side{{Name: "flood", Run: f.run}}, nil
				}})
			}
			return contests, nil
		},
	}
}

// flood is the clients of one contest.
type flood struct {
	env      *Env
	program  string
	reads    *pgxpool.Pool
	clients  int
	articles int
}

// times are how long the engine is left alone before its memory is looked at, before the load and after it, and how long
// the load lasts.
func (f *flood) times(r Round) (rest, load time.Duration) {
	switch {
	case r.Number == 0: // the processes of the other rounds are fresh ones, too
		return 0, 10 * time.Millisecond
	case f.env.Size == Full:
		return 10 * time.Second, 30 * time.Second
	case f.env.Size == Quick:
		return time.Second, 2 * time.Second
	}
	return 0, 300 * time.Millisecond
}

func (f *flood) run(ctx context.Context, r Round) (_ Measurement, err error) {
	rest, load := f.times(r)
	s, err := f.env.launch(ctx, f.program)
	if err != nil {
		return Measurement{}, err
	}
	defer func() { err = errors.Join(err, s.stop(ctx)) }()
	if err := wait(ctx, rest); err != nil {
		return Measurement{}, err
	}
	idle, err := s.usage()
	if err != nil {
		return Measurement{}, err
	}
	m, err := f.load(ctx, s, load)
	if err != nil {
		return Measurement{}, err
	}
	drained := time.Now()
	if err := f.awaitQuiet(ctx, s); err != nil {
		return Measurement{}, err
	}
	took := time.Since(drained)
	if err := wait(ctx, rest); err != nil {
		return Measurement{}, err
	}
	after, err := s.usage()
	if err != nil {
		return Measurement{}, err
	}
	m.Figures = map[string]float64{
		"idle_mb": megabytes(idle.resident), "peak_mb": megabytes(after.peak), "after_mb": megabytes(after.resident), "drained_after_s": took.Seconds(),
	}
	return m, nil
}

func (f *flood) load(ctx context.Context, s *process, d time.Duration) (Measurement, error) {
	c := newClient(s, f.clients)
	defer c.close()
	if err := c.stockUp(ctx, newShop(1, f.articles), 16); err != nil {
		return Measurement{}, err
	}
	shops := make([]*shop, f.clients)
	for i := range shops {
		shops[i] = newShop(uint64(i)+1, f.articles)
	}
	run := uuid.NewString()[:13]
	var n atomic.Int64
	return EachClient(ctx, f.clients, d, func(ctx context.Context, client int) error {
		body, err := shops[client].body(run+"-"+strconv.FormatInt(n.Add(1), 10), lines)
		if err != nil {
			return err
		}
		_, err = c.place(ctx, body)
		return err
	})
}

const (
	quietLimit = 10 * time.Minute // for what a flood left behind
	// selectBusy tells whether an order is not confirmed yet, or a read model has not seen the whole log.
	selectBusy = `
SELECT EXISTS (SELECT FROM readmodel.order_list WHERE lifecycle = 'pending')
OR EXISTS (SELECT FROM projections.versions v, waybill.log_head h WHERE v.state = 'live' AND v.position < h.position)`
)

// awaitQuiet waits until everything that was accepted has been carried through.
func (f *flood) awaitQuiet(ctx context.Context, s *process) error {
	ctx, cancel := context.WithTimeoutCause(ctx, quietLimit, fmt.Errorf("not quiet %s after the load", quietLimit))
	defer cancel()
	for {
		busy := true
		if err := f.reads.QueryRow(ctx, selectBusy).Scan(&busy); err != nil {
			return fmt.Errorf("ask whether the engine is done: %w", err)
		}
		if !busy {
			return nil
		}
		if err := errors.Join(s.alive(), wait(ctx, 50*time.Millisecond)); err != nil {
			return err
		}
	}
}

// wait lets time pass.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
