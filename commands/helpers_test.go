package commands_test

import (
	"context"
	"errors"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"waybill/commands"
	"waybill/domain"
	"waybill/domain/money"
	"waybill/domain/order"
	"waybill/domain/stock"
	"waybill/eventstore"
	"waybill/internal/devstack/devtest"
)

func TestMain(m *testing.M) {
	os.Exit(devtest.Main(m, func(ctx context.Context, dsn string) error { return eventstore.Migrate(ctx, dsn) }))
}

const (
	now   = domain.Time(1_770_000_000_000_000)
	later = now + domain.Time(15*time.Minute/time.Microsecond)
)

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

func newOrder() order.ID { return order.ID(newID().String()) }

// logs are the implementations that most tests run against.
func logs() map[string]func(testing.TB) testLog {
	return map[string]func(testing.TB) testLog{
		"memory": func(testing.TB) testLog { return eventstore.NewMemory() },
		"postgres": func(tb testing.TB) testLog {
			tb.Helper()
			return openLog(tb, devtest.Database(tb))
		},
	}
}

// testLog is a log that keeps snapshots, too.
type testLog interface {
	eventstore.Log
	eventstore.Snapshots
}

// openLog opens the log on a database and runs its appender until the test ends.
func openLog(tb testing.TB, dsn string) *eventstore.Postgres {
	tb.Helper()
	log, err := eventstore.OpenPostgres(tb.Context(), eventstore.PostgresConfig{DSN: dsn})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(tb.Context()))
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := log.Run(ctx); err != nil {
			tb.Errorf("run the log: %v", err)
		}
	})
	tb.Cleanup(func() {
		stop()
		wg.Wait()
		log.Close()
	})
	return log
}

// newBus returns a bus on a log, with numbers and snapshots; change adjusts its configuration.
func newBus(tb testing.TB, log eventstore.Log, change ...func(*commands.Config)) *commands.Bus {
	tb.Helper()
	cfg := commands.Config{Log: log, Numbers: commands.NewBlocks(&commands.MemoryCounter{})}
	if s, ok := log.(eventstore.Snapshots); ok {
		cfg.Snapshots = s
	}
	for _, f := range change {
		f(&cfg)
	}
	b, err := commands.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// runBus runs what a bus does in the background until the test ends.
func runBus(tb testing.TB, b *commands.Bus) {
	tb.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(tb.Context()))
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := b.Run(ctx); err != nil {
			tb.Errorf("run the bus: %v", err)
		}
	})
	tb.Cleanup(func() {
		stop()
		wg.Wait()
	})
}

// place is a valid order of two units at 10.00 EUR.
func place(id order.ID) order.Place {
	eur := func(minor int64) money.Money { return money.New(minor, "EUR") }
	price, err := money.ParsePrice("10.00")
	if err != nil {
		panic(err)
	}
	return order.Place{ID: id, Now: now, Details: order.Details{
		Channel: "web", Currency: "EUR",
		Lines: []order.Line{{ID: "1", SKU: "MUG", Title: "Mug", Quantity: 2, UnitPrice: price, Total: eur(2000), Net: eur(0), RequiresShipping: true}},
		Totals: order.Totals{
			Goods: eur(2000), Discount: eur(0), Shipping: eur(0), Surcharge: eur(0), Tax: eur(0), Grand: eur(2000),
		},
	}}
}

func placeCommand(id order.ID) commands.Command { return commands.OnOrder(newID(), place(id)) }

func receive(sku string, quantity int64) commands.Command {
	return commands.OnStock(newID(), stock.Receive{
		Key: stock.Key{SKU: sku, Location: "BER1"}, MovementID: newID().String(), Quantity: quantity, Now: now,
	})
}

// reserve asks for units of some SKUs for a new order.
func reserve(quantity int64, skus ...string) commands.Command {
	r := commands.Reservation{OrderID: newOrder(), Attempt: 1, ExpiresAt: later, Now: now}
	for i, sku := range skus {
		r.Demands = append(r.Demands, commands.Demand{LineID: strconv.Itoa(i + 1), SKU: sku, Location: "BER1", Quantity: quantity})
	}
	return commands.Reserve(newID(), r)
}

// must executes a command that is to be accepted.
func must(tb testing.TB, b *commands.Bus, c commands.Command) commands.Result {
	tb.Helper()
	r, err := b.Execute(tb.Context(), c)
	if err != nil {
		tb.Fatalf("%s: %v", c.Type, err)
	}
	return r
}

// mustRefuse executes a command that is to be refused.
func mustRefuse(tb testing.TB, b *commands.Bus, c commands.Command, code string) {
	tb.Helper()
	_ = refusalOf(tb, b, c, code)
}

// refusalOf is mustRefuse that returns the refusal.
func refusalOf(tb testing.TB, b *commands.Bus, c commands.Command, code string) *commands.Refused {
	tb.Helper()
	r, err := b.Execute(tb.Context(), c)
	refused, ok := errors.AsType[*commands.Refused](err)
	if !ok || refused.Code != code {
		tb.Fatalf("%s = %+v, %v; want refusal %s", c.Type, r, err, code)
	}
	return refused
}

func item(tb testing.TB, log eventstore.Log, sku string) *stock.Item {
	tb.Helper()
	i := new(stock.Item)
	for e, err := range log.ReadStream(tb.Context(), stock.Stream(sku, "BER1"), 1) {
		if err != nil {
			tb.Fatal(err)
		}
		ev, err := stock.Decode(e.Type, e.Schema, e.Data)
		if err != nil {
			tb.Fatal(err)
		}
		stock.Evolve(i, ev)
		if i.Oversold() > 0 {
			tb.Fatalf("%s is oversold by %d at version %d", sku, i.Oversold(), e.Version)
		}
	}
	return i
}

func head(tb testing.TB, log eventstore.Log) int64 {
	tb.Helper()
	h, err := log.Head(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return h.Position
}

// eventually waits until what is asked for is so.
func eventually(tb testing.TB, so func() bool) {
	tb.Helper()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	for next := time.NewTicker(2 * time.Millisecond); !so(); {
		select {
		case <-next.C:
		case <-limit.C:
			tb.Fatal("it did not come to be in 20 seconds")
		}
	}
}
