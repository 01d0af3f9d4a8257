package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"waybill/commands"
	"waybill/domain/order"
	"waybill/domain/stock"
	"waybill/eventstore"
)

// shelf is where the yardstick of hot keeps the stock. A row of it is rewritten all the time, so there is room on its page.
const shelf = `CREATE TABLE shelf (sku text COLLATE "C" PRIMARY KEY, available bigint NOT NULL) WITH (fillfactor = 10)`

const takeOne = `UPDATE shelf SET available = available - 1 WHERE sku = $1 AND available > 0`

// refusedForStock is the code of the refusal that ends a sale.
const refusedForStock = "insufficient-stock"

func hot() Workload {
	return Workload{
		Name: "hot", Measures: "clients reserve one unit each of one SKU, through the bus, until it is sold out; exactly the stock is sold",
		Yardstick: "UPDATE … SET available = available - 1 WHERE available > 0, a transaction each, a connection a client",
		Clients:   []int{1, 16, 64, 256}, Quick: []int{1, 64},
		Contests: hotContests,
	}
}

func hotContests(ctx context.Context, e *Env) ([]Contest, error) {
	log, err := e.Log(ctx)
	if err != nil {
		return nil, err
	}
	bus, err := commands.New(commands.Config{Log: log, Snapshots: log, Logger: e.Logger})
	if err != nil {
		return nil, err
	}
	e.Go(ctx, "bus", bus.Run)
	admin, err := connections(ctx, e, 1)
	if err != nil {
		return nil, err
	}
	if _, err := admin[0].Exec(ctx, shelf); err != nil {
		return nil, fmt.Errorf("make the shelf: %w", err)
	}
	trial := int64(e.Pick(2000, 500, 20)) // units of the warm-up, which tells how many are sold in a turn
	var contests []Contest
	for _, clients := range e.Clients {
		contests = append(contests, Contest{Clients: clients, Unit: "units/s", Open: func(ctx context.Context, e *Env) ([]Side, error) {
			conns, err := connections(ctx, e, clients)
			if err != nil {
				return nil, err
			}
			table := make([]*pgconn.PgConn, clients)
			for i, conn := range conns {
				table[i] = conn.PgConn()
				if _, err := table[i].Prepare(ctx, "take", takeOne, nil); err != nil {
					return nil, fmt.Errorf("prepare the yardstick: %w", err)
				}
			}
			return []Side{
				saleSide("reserve", trial, func(ctx context.Context, sku string, units int64) (Measurement, error) {
					return sell(ctx, log, bus, clients, sku, units)
				}),
				saleSide("UPDATE", trial, func(ctx context.Context, sku string, units int64) (Measurement, error) {
					return sellFromTable(ctx, table, sku, units)
				}),
			}, nil
		}})
	}
	return contests, nil
}

// saleSide sells a new SKU in every turn, as many units of it as take about the time of the turn.
func saleSide(name string, trial int64, sale func(ctx context.Context, sku string, units int64) (Measurement, error)) Side {
	rate := 0.0 // of the turn before
	return Side{Name: name, Run: func(ctx context.Context, r Round) (Measurement, error) {
		units := max(trial, int64(rate*r.For.Seconds()))
		m, err := sale(ctx, "HOT-"+newID().String(), units)
		if err == nil && m.Count != units {
			err = fmt.Errorf("%d units were sold of a stock of %d", m.Count, units)
		}
		rate = m.Rate()
		return m, err
	}}
}

// sell sells through the bus, and holds the log to it.
func sell(ctx context.Context, log *eventstore.Postgres, bus *commands.Bus, clients int, sku string, units int64) (Measurement, error) {
	if err := receive(ctx, bus, units, sku); err != nil {
		return Measurement{}, err
	}
	m, err := UntilDone(ctx, clients, func(ctx context.Context, _ int) (bool, error) {
		now := clock()
		_, err := bus.Execute(ctx, commands.Reserve(newID(), commands.Reservation{
			OrderID: order.ID(newID().String()), Attempt: 1, ExpiresAt: now.Add(time.Hour), Now: now,
			Demands: []commands.Demand{{LineID: "1", SKU: sku, Location: location, Quantity: 1}},
		}))
		if refused, ok := errors.AsType[*commands.Refused](err); ok && refused.Code == refusedForStock {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return Measurement{}, err
	}
	return m, checkSale(ctx, log, stock.Stream(sku, location), units)
}

// checkSale folds the stream of a SKU that is sold out.
func checkSale(ctx context.Context, log eventstore.Reader, stream string, units int64) error {
	item, reserved := new(stock.Item), int64(0)
	for e, err := range log.ReadStream(ctx, stream, 1) {
		if err != nil {
			return err
		}
		event, err := stock.Decode(e.Type, e.Schema, e.Data)
		if err != nil {
			return fmt.Errorf("version %d of %s: %w", e.Version, stream, err)
		}
		stock.Evolve(item, event)
		if _, ok := event.(stock.Reserved); ok {
			reserved++
		}
		if item.Oversold() != 0 {
			return fmt.Errorf("%s is oversold by %d at version %d", stream, item.Oversold(), e.Version)
		}
	}
	if reserved != units || item.Reserved != units || item.Available() != 0 {
		return fmt.Errorf("%s has %d reservations of %d units, and %d are left: want %d, and none left", stream, reserved, item.Reserved, item.Available(), units)
	}
	return nil
}

// sellFromTable sells from a row.
func sellFromTable(ctx context.Context, table []*pgconn.PgConn, sku string, units int64) (Measurement, error) {
	insert := fmt.Sprintf(`INSERT INTO shelf (sku, available) VALUES ('%s', %d)`, sku, units)
	if _, err := table[0].Exec(ctx, insert).ReadAll(); err != nil {
		return Measurement{}, err
	}
	m, err := UntilDone(ctx, len(table), func(ctx context.Context, client int) (bool, error) {
		// As in bareWriter.insert.
		tag, err := table[client].ExecPrepared(context.WithoutCancel(ctx), "take", [][]byte{[]byte(sku)}, nil, nil).Close()
		return tag.RowsAffected() == 1, err
	})
	if err != nil {
		return Measurement{}, err
	}
	left, err := number(ctx, table[0], fmt.Sprintf(`SELECT available FROM shelf WHERE sku = '%s'`, sku))
	if err == nil && left != 0 {
		err = fmt.Errorf("%d units are left", left)
	}
	return m, err
}
