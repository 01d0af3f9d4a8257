package bench

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"waybill/commands"
	"waybill/domain/stock"
	"waybill/eventstore"
	"waybill/projections"
	"waybill/projections/orderlist"
	"waybill/projections/stuckorders"
)

// growth is the workload that asks what size costs: the same operations on logs of different lengths.
//
// A log is filled, its read models are rebuilt, and everything is measured; then the log is filled further. Before it
// measures, it makes sure that no operation reads a big table from end to end: that would be an error and no figure.
func growth() Workload {
	return Workload{
		Name:      "size",
		Measures:  "the same operations on logs of different lengths",
		Yardstick: "the same operation on the smallest log; what is compared is the median time, so 1 says that it costs the same",
		Contests: func(ctx context.Context, e *Env) ([]Contest, error) {
			g := &grown{env: e, smallest: map[string][]Measurement{}}
			var contests []Contest
			for i, events := range g.sizes() {
				for _, name := range operations(e.Size) {
					contests = append(contests, Contest{
						Case: fmt.Sprintf("%s, %s events", name, whole(float64(events))), Unit: "/s",
						Open:    func(ctx context.Context, _ *Env) ([]Side, error) { return g.sides(ctx, events, name, i == 0) },
						Compare: compareMedians,
					})
				}
			}
			return contests, ctx.Err()
		},
	}
}

// projectStep is how many events a read model is given at a time to fold.
const projectStep = 500_000

// grown is a log that grows from one contest to the next.
type grown struct {
	env      *Env // of the workload
	opened   *Env // of the operations
	filler   *filler
	events   int // that it was filled to last
	ops      map[string]operation
	smallest map[string][]Measurement // of the first size, by operation, then by round
}

// operation is something that is measured, once.
type operation func(ctx context.Context) error

func (g *grown) sizes() []int {
	switch g.env.Size {
	case Full:
		return []int{10_000, 1_000_000, 5_000_000}
	case Quick:
		return []int{10_000, 100_000}
	case Tiny:
	}
	return []int{1_000, 3_000}
}

// streamLengths are the lengths of the streams that are loaded.
func streamLengths(s Size) []int {
	switch s {
	case Full:
		return []int{10, 1_000, 100_000}
	case Quick:
		return []int{10, 1_000, 10_000}
	case Tiny:
	}
	return []int{10, 300}
}

// turnOf is how long an operation is repeated in one round.
func (g *grown) turnOf(r Round) time.Duration {
	d := map[Size]time.Duration{Full: 500 * time.Millisecond, Quick: 20 * time.Millisecond, Tiny: time.Millisecond}[g.env.Size]
	if r.Number == 0 {
		return d / 4
	}
	return d
}

// sides are the operation on the log as it is now, and, for all but the smallest log, what it was there.
func (g *grown) sides(ctx context.Context, events int, name string, first bool) ([]Side, error) {
	if g.events < events {
		if err := g.grow(ctx, events); err != nil {
			return nil, err
		}
	}
	do, ok := g.ops[name]
	if !ok {
		return nil, fmt.Errorf("there is no operation %q", name)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ours := Side{Name: name, Run: func(ctx context.Context, r Round) (Measurement, error) {
		m, err := EachClient(ctx, 1, g.turnOf(r), func(ctx context.Context, _ int) error { return do(ctx) })
		if first {
			g.smallest[name] = append(g.smallest[name], m)
		}
		return m, err
	}}
	if first {
		return []Side{ours}, nil
	}
	return []Side{ours, {Name: "on the smallest log", Run: func(_ context.Context, r Round) (Measurement, error) {
		return g.smallest[name][r.Number], nil
	}}}, nil
}

// grow fills the log, brings the read models up to date, and prepares the operations.
func (g *grown) grow(ctx context.Context, events int) error {
	if g.filler == nil {
		conns, err := connections(ctx, g.env, 1)
		if err != nil {
			return err
		}
		sizes := g.sizes()
		g.filler = newFiller(conns[0], int64(sizes[len(sizes)-1]))
	}
	if g.opened != nil {
		if err := g.opened.close(ctx); err != nil {
			return err
		}
	}
	if err := g.filler.fill(ctx, int64(events)); err != nil {
		return err
	}
	if err := g.project(ctx); err != nil {
		return err
	}
	long := map[int]stock.Key{}
	for _, n := range streamLengths(g.env.Size) {
		key, err := g.longStream(ctx, n)
		if err != nil {
			return err
		}
		long[n] = key
	}
	if err := g.seesBigScans(ctx, long); err != nil {
		return err
	}
	g.opened = g.env.child()
	g.env.OnClose(g.opened.close)
	ops, err := g.open(ctx, g.opened, long)
	if err != nil {
		return err
	}
	g.ops, g.events = ops, events
	return nil
}

// project runs the read models that are queried until they have seen the whole log.
func (g *grown) project(ctx context.Context) (err error) {
	own := g.env.child()
	defer func() { err = errors.Join(err, own.close(ctx)) }()
	log, err := own.Log(ctx)
	if err != nil {
		return err
	}
	head, err := log.Head(ctx)
	if err != nil {
		return err
	}
	pool, err := own.Pool(ctx, eventstore.RoleProject, 4)
	if err != nil {
		return err
	}
	for _, p := range []projections.Projection{orderlist.Projection{}, stuckorders.Projection{}} {
		m := &readModel{projection: p, log: log, pool: pool}
		for m.head < head.Position { // in steps, because the patience with each is limited
			m.head = min(m.head+projectStep, head.Position)
			if _, err := m.fold(ctx); err != nil {
				return err
			}
		}
		schema := projections.SchemaName(p.Name(), p.Version())
		for _, table := range p.Tables() {
			if _, err := g.filler.conn.Exec(ctx, "VACUUM (ANALYZE) "+pgx.Identifier{schema, table}.Sanitize()); err != nil {
				return fmt.Errorf("tidy up %s: %w", table, err)
			}
		}
	}
	return nil
}

// longStream makes a stream of so many events through the bus, with the snapshot that comes of it.
func (g *grown) longStream(ctx context.Context, events int) (key stock.Key, err error) {
	own := g.env.child()
	defer func() { err = errors.Join(err, own.close(ctx)) }()
	log, err := own.Log(ctx)
	if err != nil {
		return key, err
	}
	bus, err := commands.New(commands.Config{Log: log, Snapshots: log})
	if err != nil {
		return key, err
	}
	own.Go(ctx, "bus", bus.Run)
	key = stock.Key{SKU: "LONG-" + strconv.Itoa(events) + "-" + newID().String()[24:], Location: location}
	// Commits are large at first and small at last: what stands behind the snapshot then is what usually does.
	const most, small = 1000, 25
	for done := 0; done < events; {
		n := min(most, events-done)
		if left := events - done; left <= most {
			n = min(small, left)
		}
		c := commands.Command{ID: newID(), Type: stock.CommandReceive, Actor: "key:bench"}
		for range n {
			c.Steps = append(c.Steps, commands.Stock(stock.Receive{Key: key, MovementID: newID().String(), Quantity: 1, Now: clock()}))
		}
		if _, err := bus.Execute(ctx, c); err != nil {
			return key, fmt.Errorf("make a stream of %d events: %w", events, err)
		}
		done += n
	}
	if events < 500 {
		return key, nil
	}
	var at int64
	waitErr := until(ctx, func() bool {
		s, ok, loadErr := log.LoadSnapshot(ctx, key.Stream())
		if at, err = s.Version, loadErr; !ok {
			at = 0
		}
		return err != nil || at >= int64(events)/2
	})
	if waitErr != nil {
		return key, fmt.Errorf("wait for the snapshot of a stream of %d events, it is at %d: %w", events, at, waitErr)
	}
	return key, err
}

// open opens what the operations need, until e is closed.
func (g *grown) open(ctx context.Context, e *Env, long map[int]stock.Key) (map[string]operation, error) {
	log, err := e.Log(ctx)
	if err != nil {
		return nil, err
	}
	pool, err := e.Pool(ctx, eventstore.RoleRead, 2)
	if err != nil {
		return nil, err
	}
	ops, err := listOperations(ctx, pool, g.filler)
	if err != nil {
		return nil, err
	}
	if err := logOperations(ctx, ops, log, pool, g.filler.head/2); err != nil {
		return nil, err
	}
	for n, key := range long {
		ops[loadOf(n)] = func(ctx context.Context) error { return loadCold(ctx, log, key, n) }
	}
	return ops, nil
}

func loadOf(events int) string { return fmt.Sprintf("load a stream of %d", events) }

// loadCold loads an item as a process does that has never seen it.
func loadCold(ctx context.Context, log *eventstore.Postgres, key stock.Key, events int) error {
	bus, err := commands.New(commands.Config{Log: log, Snapshots: log})
	if err != nil {
		return err
	}
	c := commands.OnStock(newID(), stock.Receive{Key: key, MovementID: newID().String(), Quantity: 1, Now: clock()})
	c.DryRun, c.Actor = true, "key:bench"
	r, err := bus.Execute(ctx, c)
	if err != nil {
		return err
	}
	if got := r.Streams[0].Version; got != int64(events)+1 {
		return fmt.Errorf("%s was loaded to version %d, and has %d events", key.Stream(), got-1, events)
	}
	return nil
}

// logOperations are those on the log itself.
func logOperations(ctx context.Context, ops map[string]operation, log *eventstore.Postgres, pool *pgxpool.Pool, middle int64) error {
	var command uuid.UUID
	var stream string
	const placed = `SELECT command_id, stream FROM waybill.events WHERE position >= $1 AND command_id IS NOT NULL AND type = 'order.placed' ORDER BY position LIMIT 1`
	if err := pool.QueryRow(ctx, placed, middle).Scan(&command, &stream); err != nil {
		return fmt.Errorf("look for a command in the middle of the log: %w", err)
	}
	ops["append"] = func(ctx context.Context) error {
		_, err := log.Append(ctx, commit(newStream(), 0, 1))
		return err
	}
	ops["poll that finds nothing"] = func(ctx context.Context) error {
		h, err := log.Head(ctx)
		if err != nil {
			return err
		}
		page, err := log.ReadLog(ctx, h.Position+1, 512)
		if len(page) > 0 {
			return errors.New("there is something behind the head of the log")
		}
		return err
	}
	ops["read an order"] = func(ctx context.Context) error {
		n := 0
		for _, err := range log.ReadStream(ctx, stream, 1) {
			if err != nil {
				return err
			}
			n++
		}
		if n == 0 {
			return fmt.Errorf("stream %s has no events", stream)
		}
		return nil
	}
	ops["outcome of a command"] = outcome(log, command, true)
	ops["outcome of no command"] = outcome(log, uuid.New(), false)
	return nil
}

func outcome(log *eventstore.Postgres, id uuid.UUID, want bool) operation {
	return func(ctx context.Context) error {
		_, ok, err := log.Outcome(ctx, id)
		if err == nil && ok != want {
			return fmt.Errorf("command %s: found %t, want %t", id, ok, want)
		}
		return err
	}
}
