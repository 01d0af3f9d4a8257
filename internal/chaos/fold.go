package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/vmihailenco/msgpack/v5"
)

// item is the stock of one SKU, folded from the log by plain sums.
type item struct {
	onHand, reserved int64
}

// movement is the part of all stock events that moves units.
type movement struct {
	OrderID      string `msgpack:"order_id"`
	Quantity     int64  `msgpack:"quantity"`
	Delta        int64  `msgpack:"delta"`
	Reservations []part `msgpack:"reservations"`
	Parts        []part `msgpack:"parts"`
	FromStock    int64  `msgpack:"from_stock"`
	Backordered  int64  `msgpack:"backordered"`
}

type part struct {
	FromStock   int64 `msgpack:"from_stock"`
	Backordered int64 `msgpack:"backordered"`
}

// claim is what one order has of one SKU.
type claim struct{ order, sku string }

// stocks folds the stock of every SKU, and what each order holds of it, and calls f after each event.
func (l *storedLog) stocks(v *violations, f func(e *event, sku string, i *item)) (map[string]*item, map[claim]int64) {
	items, held := map[string]*item{}, map[claim]int64{}
	for n := range l.events {
		e := &l.events[n]
		name, ok := strings.CutPrefix(e.Stream, "stock-")
		if !ok {
			continue
		}
		sku, _, _ := strings.Cut(name, "@")
		var m movement
		if err := msgpack.Unmarshal(e.Data, &m); err != nil {
			v.add("I1", "position %d: %s cannot be read: %v", e.Position, e.Type, err)
			continue
		}
		i := items[sku]
		if i == nil {
			i = &item{}
			items[sku] = i
		}
		units := int64(0)
		switch e.Type {
		case "stock.received":
			i.onHand += m.Quantity
		case "stock.adjusted", "stock.counted":
			i.onHand += m.Delta
		case "stock.reserved":
			for _, p := range m.Reservations {
				units += p.FromStock + p.Backordered
			}
		case "stock.reservation_released":
			for _, p := range m.Parts {
				units -= p.FromStock + p.Backordered
			}
		case "stock.reservation_expired":
			units = -m.FromStock - m.Backordered
		}
		i.reserved += units
		held[claim{m.OrderID, sku}] += units
		f(e, sku, i)
	}
	return items, held
}

// stock wants that at no position more is promised than is there, and that the log holds exactly the receipts and
// adjustments that were acknowledged.
func (l *storedLog) stock(h *History, v *violations) {
	items, _ := l.stocks(v, func(e *event, sku string, i *item) {
		if i.reserved > i.onHand || i.reserved < 0 {
			v.add("I7", "%s at position %d: %d units are promised of %d", sku, e.Position, i.reserved, i.onHand)
		}
	})
	told := map[string]int64{}
	for _, o := range h.Operations() {
		if o.Outcome == Unknown {
			return // it may have moved units, or not
		}
		if o.Outcome != Accepted || (o.Kind != "receive" && o.Kind != "adjust") {
			continue
		}
		var body struct {
			Quantity int64 `json:"quantity"`
			Delta    int64 `json:"delta"`
		}
		if err := json.Unmarshal([]byte(o.Request), &body); err != nil {
			v.add("I7", "%s: %v", o.Key, err)
		}
		told[o.Target["sku"]] += body.Quantity + body.Delta
	}
	for sku, want := range told {
		if got := items[sku]; got == nil || got.onHand != want {
			v.add("I7", "%s: the clients were told of %d units, the log says %+v", sku, want, got)
		}
	}
}

// levels wants the read model of stock to show what the log says.
func (l *storedLog) levels(ctx context.Context, c *Cluster, v *violations) error {
	items, _ := l.stocks(v, func(*event, string, *item) {})
	conn, err := c.Database.Connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	rows, err := conn.Query(ctx, `SELECT sku, on_hand, reserved + backordered FROM readmodel.stock_levels`)
	if err != nil {
		return fmt.Errorf("read the stock: %w", err)
	}
	shown := map[string]item{}
	var sku string
	var i item
	if _, err := pgx.ForEachRow(rows, []any{&sku, &i.onHand, &i.reserved}, func() error { shown[sku] = i; return nil }); err != nil {
		return fmt.Errorf("read the stock: %w", err)
	}
	for _, sku := range slices.Sorted(maps.Keys(items)) {
		if shown[sku] != *items[sku] {
			v.add("I5", "%s: the read model shows %+v, the log says %+v", sku, shown[sku], *items[sku])
		}
	}
	return nil
}

// orderState is an order, folded from the log.
type orderState struct {
	state string // the end of the type of the event that led to it
	ends  int    // how often it was confirmed or rejected
	lines map[string]*orderLine
}

type orderLine struct {
	sku  string
	open int64
}

// orderEvent is the part of order events that moves units.
type orderEvent struct {
	Details struct {
		Lines []struct {
			ID       string `msgpack:"line_id"`
			SKU      string `msgpack:"sku"`
			Quantity int64  `msgpack:"quantity"`
		} `msgpack:"lines"`
	} `msgpack:"details"`
	Lines []struct {
		ID       string `msgpack:"line_id"`
		Quantity int64  `msgpack:"quantity"`
	} `msgpack:"lines"`
}

// orders wants every order to have been confirmed or rejected once, and to hold exactly the units that it still has
// open: what followed from it happened, and happened once.
func (l *storedLog) orders(v *violations) {
	orders := map[string]*orderState{}
	for n := range l.events {
		e := &l.events[n]
		id, ok := strings.CutPrefix(e.Stream, "order-")
		if !ok {
			continue
		}
		o := orders[id]
		if o == nil {
			o = &orderState{lines: map[string]*orderLine{}}
			orders[id] = o
		}
		o.apply(e, v)
	}
	_, held := l.stocks(&violations{}, func(*event, string, *item) {})
	for id, o := range orders {
		want := map[string]int64{}
		for _, line := range o.lines {
			want[line.sku] += line.open
		}
		switch {
		case o.state == "placed":
			v.add("I11", "order %s is still pending", id)
		case o.ends > 1:
			v.add("I4", "order %s was confirmed or rejected %d times", id, o.ends)
		}
		for sku, open := range want {
			if o.state != "confirmed" {
				open = 0
			}
			if got := held[claim{id, sku}]; got != open {
				v.add("I4", "order %s (%s) has %d units of %s open and holds %d", id, o.state, open, sku, got)
			}
		}
	}
}

func (o *orderState) apply(e *event, v *violations) {
	var body orderEvent
	if err := msgpack.Unmarshal(e.Data, &body); err != nil {
		v.add("I1", "position %d: %s cannot be read: %v", e.Position, e.Type, err)
		return
	}
	switch e.Type {
	case "order.placed":
		o.state = "placed"
		for _, line := range body.Details.Lines {
			o.lines[line.ID] = &orderLine{sku: line.SKU, open: line.Quantity}
		}
	case "order.lines_cancelled":
		for _, line := range body.Lines {
			if known := o.lines[line.ID]; known != nil {
				known.open -= line.Quantity
			}
		}
	case "order.confirmed", "order.rejected":
		o.state = strings.TrimPrefix(e.Type, "order.")
		o.ends++
	case "order.cancelled", "order.expired":
		o.state = strings.TrimPrefix(e.Type, "order.")
	}
}
