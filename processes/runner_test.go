package processes_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"waybill/commands"
	"waybill/domain"
	"waybill/domain/money"
	"waybill/domain/order"
	"waybill/domain/stock"
	"waybill/eventstore"
	"waybill/eventstore/relay"
	"waybill/internal/devstack/devtest"
	"waybill/processes"
)

func TestMain(m *testing.M) {
	os.Exit(devtest.Main(m, func(ctx context.Context, dsn string) error {
		return eventstore.Migrate(ctx, dsn, processes.Migrations())
	}))
}

// engine is the write side on real servers: log, bus and relay, with the placement process to be started and stopped.
type engine struct {
	t     *testing.T
	dsn   string
	log   *eventstore.Postgres
	bus   *commands.Bus
	feed  *relay.Fanout
	parts sync.WaitGroup
}

func start(t *testing.T) *engine {
	t.Helper()
	e := &engine{t: t, dsn: devtest.Database(t)}
	log, err := eventstore.OpenPostgres(t.Context(), eventstore.PostgresConfig{DSN: e.dsn})
	if err != nil {
		t.Fatal(err)
	}
	e.log = log
	if e.bus, err = commands.New(commands.Config{Log: log, Snapshots: log, Numbers: commands.NewBlocks(&commands.MemoryCounter{})}); err != nil {
		t.Fatal(err)
	}
	server := devtest.NATS(t)
	conn := e.connect(server.ClientURL(), relay.ConnOptions()...)
	r, err := relay.New(relay.Config{Log: log, Conn: conn, Poll: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if e.feed, err = relay.NewFanout(relay.FanoutConfig{Conn: conn}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	e.parts.Go(func() { e.check(log.Run(ctx)) })
	e.parts.Go(func() { e.check(e.feed.Run(ctx)) })
	e.parts.Go(func() { e.check(r.Run(ctx)) })
	t.Cleanup(func() { cancel(); e.parts.Wait(); log.Close() })
	return e
}

func (e *engine) check(err error) {
	if err != nil {
		e.t.Error(err)
	}
}

func (e *engine) connect(url string, options ...nats.Option) *nats.Conn {
	e.t.Helper()
	conn, err := nats.Connect(url, options...)
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(conn.Close)
	return conn
}

// run starts a process; the function that it returns stops it and waits.
func (e *engine) run(p processes.Process, change func(*processes.Config)) (stop func()) {
	e.t.Helper()
	pool, err := eventstore.NewPool(e.t.Context(), e.dsn, processes.PoolConfig())
	if err != nil {
		e.t.Fatal(err)
	}
	config := processes.Config{
		Process: p, Bus: e.bus, Log: e.log, Leases: eventstore.NewLeases(pool), Stream: e.feed, Pool: pool,
		LeaseTTL: time.Second, TimerPoll: 20 * time.Millisecond,
	}
	if change != nil {
		change(&config)
	}
	r, err := processes.NewRunner(config)
	if err != nil {
		e.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(e.t.Context()))
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		e.check(<-done)
		pool.Close()
	})
	e.t.Cleanup(stop)
	return stop
}

func (e *engine) must(c commands.Command) commands.Result {
	e.t.Helper()
	r, err := e.bus.Execute(e.t.Context(), c)
	if err != nil {
		e.t.Fatalf("%s: %v", c.Type, err)
	}
	return r
}

func now() domain.Time { return domain.TimeOf(time.Now()) }

func (e *engine) receive(sku string, quantity int64) {
	e.t.Helper()
	e.must(commands.OnStock(uuid.New(), stock.Receive{Key: stock.Key{SKU: sku, Location: "MAIN"}, MovementID: uuid.NewString(), Quantity: quantity, Now: now()}))
}

// place places an order of one unit of each SKU.
func (e *engine) place(change func(*order.Details), skus ...string) order.ID {
	e.t.Helper()
	id := order.ID(uuid.NewString())
	eur := func(minor int64) money.Money { return money.New(minor, "EUR") }
	d := order.Details{Channel: "web", Currency: "EUR"}
	for i, sku := range skus {
		d.Lines = append(d.Lines, order.Line{ID: strconv.Itoa(i + 1), SKU: sku, Title: sku, Quantity: 1, UnitPrice: "1.00", Total: eur(100), RequiresShipping: true})
	}
	sum := eur(int64(100 * len(skus)))
	d.Totals = order.Totals{Goods: sum, Discount: eur(0), Shipping: eur(0), Surcharge: eur(0), Tax: eur(0), Grand: sum}
	if change != nil {
		change(&d)
	}
	e.must(commands.OnOrder(uuid.New(), order.Place{ID: id, Details: d, Now: now()}))
	return id
}

func (e *engine) order(id order.ID) *order.Order {
	e.t.Helper()
	o := &order.Order{}
	for ev, err := range e.log.ReadStream(e.t.Context(), order.Stream(id), 1) {
		if err != nil {
			e.t.Fatal(err)
		}
		body, err := order.Decode(ev.Type, ev.Schema, ev.Data)
		if err != nil {
			e.t.Fatal(err)
		}
		order.Evolve(o, body)
	}
	return o
}

func (e *engine) item(sku string) *stock.Item {
	e.t.Helper()
	i := &stock.Item{}
	for ev, err := range e.log.ReadStream(e.t.Context(), stock.Stream(sku, "MAIN"), 1) {
		if err != nil {
			e.t.Fatal(err)
		}
		body, err := stock.Decode(ev.Type, ev.Schema, ev.Data)
		if err != nil {
			e.t.Fatal(err)
		}
		stock.Evolve(i, body)
	}
	return i
}

// eventually asks again until the answer is yes; what says what was hoped for.
func (e *engine) eventually(what string, yes func() bool) {
	e.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(20 * time.Second); ; {
		if yes() {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			e.t.Fatalf("never: %s", what)
		}
	}
}

func (e *engine) reaches(id order.ID, want order.Lifecycle) {
	e.t.Helper()
	e.eventually(fmt.Sprintf("order %s is %s", id, want), func() bool { return e.order(id).Lifecycle == want })
}

func TestOrdersAreConfirmedOrRejected(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.receive("A", 10)
	e.receive("B", 1)
	e.run(processes.Adapt(processes.Placement{}), nil)

	first := e.place(nil, "A", "B", "A")
	e.reaches(first, order.LifecycleConfirmed)
	second := e.place(nil, "A", "B")
	e.reaches(second, order.LifecycleRejected)

	r := e.order(second).Rejection
	if r.Reason != order.RejectOutOfStock || len(r.Shortages) != 1 || r.Shortages[0].SKU != "B" || r.Shortages[0].Available != 0 {
		t.Errorf("rejected as %+v", r)
	}
	if a, b := e.item("A").Reserved, e.item("B").Reserved; a != 2 || b != 1 {
		t.Errorf("reserved %d of A and %d of B, want 2 and 1", a, b)
	}
}

// TestLargestOrder places an order with as many lines as the domain takes, each of a SKU of its own.
func TestLargestOrder(t *testing.T) {
	t.Parallel()
	e := start(t)
	var skus []string
	receive := commands.Command{ID: uuid.New(), Type: stock.CommandReceive}
	for i := range order.MaxLines {
		skus = append(skus, fmt.Sprintf("SKU-%d", i))
		c := stock.Receive{Key: stock.Key{SKU: skus[i], Location: "MAIN"}, MovementID: uuid.NewString(), Quantity: 1, Now: now()}
		receive.Steps = append(receive.Steps, commands.Stock(c))
	}
	e.must(receive)
	e.run(processes.Adapt(processes.Placement{}), nil)
	e.reaches(e.place(nil, skus...), order.LifecycleConfirmed)
}

func TestCancelledUnitsAreReleased(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.receive("A", 5)
	e.run(processes.Adapt(processes.Placement{}), nil)
	id := e.place(nil, "A", "A", "A")
	e.reaches(id, order.LifecycleConfirmed)
	e.must(commands.OnOrder(uuid.New(), order.Cancel{ID: id, CancellationID: "c1", Lines: []order.LineQuantity{{LineID: "2", Quantity: 1}}, Now: now()}))
	e.eventually("one unit is back", func() bool { return e.item("A").Reserved == 2 })
	e.must(commands.OnOrder(uuid.New(), order.Cancel{ID: id, CancellationID: "c2", Now: now()}))
	e.eventually("all units are back", func() bool { return e.item("A").Reserved == 0 })
}

// TestReservationExpiresByTimer shows the durable timer: it is set by one instance and fires in the next.
func TestReservationExpiresByTimer(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.receive("A", 1)
	placement := processes.Adapt(processes.Placement{Hold: 1500 * time.Millisecond})
	stop := e.run(placement, nil)
	id := e.place(func(d *order.Details) { d.PaymentTerms.Kind = order.PaymentPrepaid }, "A")
	e.eventually("the unit is reserved", func() bool { return e.item("A").Reserved == 1 })
	stop()
	e.run(placement, nil)
	e.reaches(id, order.LifecycleExpired)
	if i := e.item("A"); i.Reserved != 0 || i.Available() != 1 {
		t.Errorf("after the expiry %d are reserved and %d available", i.Reserved, i.Available())
	}
}

func TestHoldDelaysTheConfirmation(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.receive("A", 1)
	id := e.place(nil, "A")
	e.must(commands.OnOrder(uuid.New(), order.PlaceHold{ID: id, HoldID: "h", Kind: order.HoldFraud, Blocks: []order.Verb{order.VerbConfirm}, Now: now()}))
	e.run(processes.Adapt(processes.Placement{}), nil)
	e.eventually("the unit is reserved", func() bool { return e.item("A").Reserved == 1 })
	e.must(commands.OnOrder(uuid.New(), order.ReleaseHold{ID: id, HoldID: "h", Now: now()}))
	e.reaches(id, order.LifecycleConfirmed)
}

// TestInterrupted places orders while the process is stopped and started again and again, with two instances at once:
// every order ends once, and the stock agrees.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	e := start(t)
	const orders, units = 60, 40
	e.receive("A", units)
	placement := processes.Adapt(processes.Placement{})
	e.run(placement, func(c *processes.Config) { c.Bus = flaky{e.bus, new(sync.Mutex), new(int)} })
	var ids []order.ID
	for i := range orders {
		if i%15 == 0 {
			stop := e.run(placement, nil)
			defer stop()
		}
		ids = append(ids, e.place(nil, "A"))
	}
	count := func(l order.Lifecycle) int {
		return len(ids) - len(slices.DeleteFunc(slices.Clone(ids), func(id order.ID) bool { return e.order(id).Lifecycle == l }))
	}
	e.eventually("all orders have ended", func() bool { return count(order.LifecyclePending) == 0 })
	if confirmed := count(order.LifecycleConfirmed); confirmed != units || e.item("A").Reserved != units {
		t.Errorf("%d orders are confirmed and %d units reserved, want %d", confirmed, e.item("A").Reserved, units)
	}
}

// flaky carries every third command out and says that it does not know.
type flaky struct {
	bus *commands.Bus
	mu  *sync.Mutex
	n   *int
}

func (f flaky) Execute(ctx context.Context, c commands.Command) (commands.Result, error) {
	r, err := f.bus.Execute(ctx, c)
	f.mu.Lock()
	defer f.mu.Unlock()
	if *f.n++; *f.n%3 == 0 && err == nil {
		return commands.Result{}, eventstore.ErrOutcomeUnknown
	}
	return r, err
}

// TestPoison parks the key of an order that the process cannot handle, and nothing else.
func TestPoison(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.receive("A", 2)
	sick := &failing{Process: processes.Adapt(processes.Placement{})}
	sick.id = e.place(nil, "A")
	e.run(sick, nil)
	well := e.place(nil, "A")
	e.reaches(well, order.LifecycleConfirmed)
	e.must(commands.OnOrder(uuid.New(), order.Cancel{ID: sick.id, CancellationID: "c", Now: now()}))
	pool, err := eventstore.NewPool(t.Context(), e.dsn, eventstore.PoolConfig{Role: eventstore.RoleRead})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	e.eventually("both inputs of the order are parked, in order", func() bool {
		var got string
		err := pool.QueryRow(t.Context(), `SELECT coalesce(string_agg(name || ':' || reason, ', ' ORDER BY id), '') FROM processes.parked WHERE key = $1`, string(sick.id)).Scan(&got)
		if err != nil {
			t.Fatal(err)
		}
		return got == "order.placed:placement reacts to order.placed of "+string(sick.id)+": cannot, order.lines_cancelled:"
	})
}

type failing struct {
	processes.Process
	id order.ID
}

func (f *failing) React(state []byte, in processes.Input) ([]byte, processes.Reaction, error) {
	if e, ok := in.(processes.Event); ok && e.Meta.Key == string(f.id) {
		return nil, processes.Reaction{}, errors.New("cannot")
	}
	return f.Process.React(state, in)
}
