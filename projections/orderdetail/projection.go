package orderdetail

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"waybill/domain/order"
	"waybill/domain/stock"
	"waybill/projections"
)

// Projection keeps the table order_detail: a row an order, with its folded [State] as canonical bytes, so that the row
// equals the fold of the events to the byte. JSON in the database would cost the sealed personal data and exact bytes.
type Projection struct{}

var _ projections.Projection = Projection{}

// Name implements [projections.Projection].
func (Projection) Name() string { return "order_detail" }

// Version implements [projections.Projection]. It is 1000 times the version of this package's own form and the schema of
// the order's state within it: a change of either is another form of the document.
func (Projection) Version() int { return 1000 + order.SnapshotSchema }

// Types implements [projections.Projection].
func (Projection) Types() []string {
	return append(order.EventTypes(), stock.ReservationEventTypes()...)
}

// Tables implements [projections.Projection].
func (Projection) Tables() []string { return []string{"order_detail"} }

// Key implements [projections.Projection].
func (Projection) Key(e *projections.Event) string { return e.Meta.Key }

// Schema implements [projections.Projection].
func (Projection) Schema() string {
	return `
CREATE TABLE order_detail (
    position bigint           NOT NULL,  -- of the last event that is folded in
    version  bigint           NOT NULL,  -- of the order's stream
    order_id text COLLATE "C" NOT NULL,
    document bytea            NOT NULL,  -- msgpack of State
    PRIMARY KEY (order_id)
) WITH (fillfactor = 50);  -- an order changes soon after it was placed, with its neighbours: all find room on their page
ALTER TABLE order_detail ALTER COLUMN document SET COMPRESSION lz4;
`
}

func table() projections.Table {
	return projections.Table{
		Name: "order_detail",
		Key:  []string{"order_id"},
		Columns: []projections.Column{
			{Name: "position", Type: "bigint"},
			{Name: "version", Type: "bigint"},
			{Name: "order_id", Type: "text"},
			{Name: "document", Type: "bytea"},
		},
	}
}

// Apply implements [projections.Projection]: one read of the documents that the batch goes on from, and one write.
func (p Projection) Apply(ctx context.Context, tx pgx.Tx, events []projections.Event) error {
	t := table()
	b, err := load(ctx, tx, &t, events)
	if err != nil {
		return err
	}
	for i := range events {
		if err := b.fold(&events[i]); err != nil {
			return err
		}
	}
	rows, err := b.rows()
	if err != nil {
		return err
	}
	return t.Upsert(ctx, tx, rows)
}

// batch is the orders of a batch, in the order in which it names them first.
type batch struct {
	ids    []string
	states map[string]*State
}

// load reads the documents that are there already. Those of orders that are placed in this batch may be among them: stock
// can be reserved for an order before it is placed.
func load(ctx context.Context, tx pgx.Tx, t *projections.Table, events []projections.Event) (*batch, error) {
	b := &batch{states: make(map[string]*State, len(events))}
	var keys [][]any
	for i := range events {
		id := owner(&events[i])
		if _, ok := b.states[id]; ok || id == "" {
			continue
		}
		b.states[id] = &State{}
		b.ids = append(b.ids, id)
		keys = append(keys, []any{id})
	}
	return b, t.Load(ctx, tx, keys, func(row pgx.CollectableRow) error {
		var position, version int64
		var id string
		var document []byte
		if err := row.Scan(&position, &version, &id, &document); err != nil {
			return err
		}
		s, err := decodeState(document)
		if err != nil {
			return fmt.Errorf("order %s: %w", id, err)
		}
		b.states[id] = &s
		return nil
	})
}

// fold brings one event into the state of its order.
func (b *batch) fold(e *projections.Event) error {
	id := owner(e)
	if id == "" {
		return nil
	}
	s := b.states[id]
	if s.Version == 0 && e.Type != order.TypePlaced && isOrder(e) {
		return fmt.Errorf("event %d: %s of order %s, which was never placed", e.Position, e.Type, id)
	}
	return s.Evolve(e)
}

// rows returns the rows in the order of the table's columns.
func (b *batch) rows() ([][]any, error) {
	rows := make([][]any, len(b.ids))
	for i, id := range b.ids {
		s := b.states[id]
		document, err := s.encode()
		if err != nil {
			return nil, fmt.Errorf("order %s: %w", id, err)
		}
		rows[i] = []any{s.Position, s.Version, id, document}
	}
	return rows, nil
}

func isOrder(e *projections.Event) bool {
	_, ok := order.ParseStream(e.Stream)
	return ok
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
