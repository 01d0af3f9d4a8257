package stuckorders

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"waybill/domain"
	"waybill/domain/order"
	"waybill/domain/stock"
	"waybill/projections"
)

// Projection keeps the table stuck_orders: a row for every order, because any order may be put on hold, with an index over
// those that wait alone.
type Projection struct{}

var _ projections.Projection = Projection{}

// Name implements [projections.Projection].
func (Projection) Name() string { return "stuck_orders" }

// Version implements [projections.Projection].
func (Projection) Version() int { return 2 }

// Types implements [projections.Projection].
func (Projection) Types() []string {
	return append(stock.ReservationEventTypes(),
		order.TypePlaced, order.TypeConfirmed, order.TypeRejected, order.TypeExpired, order.TypeHoldPlaced,
		order.TypeHoldReleased, order.TypeLinesCancelled, order.TypeCancelled, order.TypePaymentPositionChanged, order.TypeCompleted,
		order.TypeRefundGranted, order.TypeCancellationRequested, order.TypeCancellationDeclined, order.TypeCustomerLinked, order.TypeAmended,
	)
}

// Tables implements [projections.Projection].
func (Projection) Tables() []string { return []string{"stuck_orders"} }

// Key implements [projections.Projection].
func (Projection) Key(e *projections.Event) string { return e.Meta.Key }

// Schema implements [projections.Projection].
func (Projection) Schema() string {
	return `
CREATE TABLE stuck_orders (
    seq        bigint  NOT NULL,  -- position of the first event
    version    bigint  NOT NULL,
    position   bigint  NOT NULL,
    since      timestamptz,       -- since when it waits; NULL: it does not
    held_until timestamptz,       -- when the last of its holds runs out by itself; NULL: never, or none is active
    held       boolean NOT NULL,  -- a hold is not released
    unfinished boolean NOT NULL,  -- pending or cancelling
    order_id  text COLLATE "C" NOT NULL,
    channel   text COLLATE "C" NOT NULL,
    lifecycle text COLLATE "C" NOT NULL,
    state     bytea NOT NULL,     -- msgpack of what the reasons follow from
    PRIMARY KEY (order_id)
) WITH (fillfactor = 80);
CREATE INDEX stuck_orders_since ON stuck_orders (since, seq) WHERE since IS NOT NULL;
`
}

func table() projections.Table {
	return projections.Table{
		Name: "stuck_orders",
		Key:  []string{"order_id"},
		Columns: []projections.Column{
			{Name: "seq", Type: "bigint"},
			{Name: "version", Type: "bigint"},
			{Name: "position", Type: "bigint"},
			{Name: "since", Type: "timestamptz"},
			{Name: "held_until", Type: "timestamptz"},
			{Name: "held", Type: "boolean"},
			{Name: "unfinished", Type: "boolean"},
			{Name: "order_id", Type: "text"},
			{Name: "channel", Type: "text"},
			{Name: "lifecycle", Type: "text"},
			{Name: "state", Type: "bytea"},
		},
	}
}

// row is the state of an order with its place in the log.
type row struct {
	state

	id                     string
	seq, version, position int64
}

// Apply implements [projections.Projection]: one read of the rows that the batch goes on from, and one write.
func (p Projection) Apply(ctx context.Context, tx pgx.Tx, events []projections.Event) error {
	t := table()
	list, byID, err := load(ctx, tx, &t, events)
	if err != nil {
		return err
	}
	for i := range events {
		if r := byID[owner(&events[i])]; r != nil {
			if err := r.fold(&events[i]); err != nil {
				return fmt.Errorf("event %d: %w", events[i].Position, err)
			}
		}
	}
	rows := make([][]any, len(list))
	for i, r := range list {
		if rows[i], err = r.values(); err != nil {
			return err
		}
	}
	return t.Upsert(ctx, tx, rows)
}

// load returns the orders of a batch, in the order in which it names them first, with the state that is stored. Also one
// that is placed in this batch may have some: stock can be reserved for an order before it is placed.
func load(ctx context.Context, tx pgx.Tx, t *projections.Table, events []projections.Event) (list []*row, byID map[string]*row, err error) {
	byID = make(map[string]*row, len(events))
	var keys [][]any
	for i := range events {
		id := owner(&events[i])
		if _, ok := byID[id]; ok || id == "" {
			continue
		}
		r := &row{id: id, seq: events[i].Position}
		byID[id], list = r, append(list, r)
		keys = append(keys, []any{id})
	}
	return list, byID, t.Load(ctx, tx, keys, func(s pgx.CollectableRow) error {
		var id string
		var b []byte
		var seq, version, position int64
		var skip any // what follows from the state
		if err := s.Scan(&seq, &version, &position, &skip, &skip, &skip, &skip, &id, &skip, &skip, &b); err != nil {
			return err
		}
		state, err := decodeState(b)
		if err != nil {
			return fmt.Errorf("order %s: %w", id, err)
		}
		r := byID[id]
		r.state, r.seq, r.version, r.position = state, seq, version, position
		return nil
	})
}

// owner returns the order that an event belongs to, "" if it belongs to none.
func owner(e *projections.Event) string {
	if id, ok := order.ParseStream(e.Stream); ok {
		return string(id)
	}
	if e.Meta.Key != e.Stream {
		return e.Meta.Key
	}
	return ""
}

func (r *row) fold(e *projections.Event) error {
	if _, ok := order.ParseStream(e.Stream); ok {
		ev, err := order.Decode(e.Type, e.Schema, e.Data)
		if err != nil {
			return err
		}
		if _, placed := ev.(order.Placed); !placed && r.Lifecycle == order.LifecycleNone {
			return fmt.Errorf("%s of order %s, which was never placed", e.Type, r.id)
		}
		r.foldOrder(ev, domain.TimeOf(e.RecordedAt), e.Meta.Actor)
		r.version = e.Version
	} else if sku, location, ok := stock.ParseStream(e.Stream); ok {
		ev, err := stock.Decode(e.Type, e.Schema, e.Data)
		if err != nil {
			return err
		}
		r.foldStock(ev, sku, location)
	}
	r.position = e.Position
	return nil
}

// values returns the row in the order of the table's columns.
func (r *row) values() ([]any, error) {
	b, err := domain.Marshal(&r.state)
	if err != nil {
		return nil, fmt.Errorf("order %s: %w", r.id, err)
	}
	since, until := r.since(), r.heldUntil()
	return []any{
		r.seq, r.version, r.position, instant(since), instant(until), len(r.Holds) > 0, r.unfinished(),
		r.id, r.Channel, r.Lifecycle.String(), b,
	}, nil
}

// instant returns t for a column that may be NULL.
func instant(t domain.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.Time()
}
