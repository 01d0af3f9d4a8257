package orderlist

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"waybill/domain/order"
	"waybill/projections"
)

// Projection keeps the table order_list. It is safe to use from one goroutine at a time.
type Projection struct{}

var _ projections.Projection = Projection{}

// Name implements [projections.Projection].
func (Projection) Name() string { return "order_list" }

// Version implements [projections.Projection].
func (Projection) Version() int { return 2 }

// Types implements [projections.Projection].
func (Projection) Types() []string {
	return order.EventTypes()
}

// Tables implements [projections.Projection].
func (Projection) Tables() []string { return []string{"order_list"} }

// Key implements [projections.Projection].
func (Projection) Key(e *projections.Event) string { return e.Meta.Key }

// Schema implements [projections.Projection]. Every index ends in seq, which breaks ties, so that it delivers rows in
// the order of a list; the tests of this package let Postgres explain every kind of query.
func (Projection) Schema() string {
	return `
CREATE TABLE order_list (
    seq         bigint      NOT NULL,  -- position of the order's first event
    placed_at   timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    version     bigint      NOT NULL,
    position    bigint      NOT NULL,
    total_minor bigint      NOT NULL,  -- grand total less what was credited and refunded
    units       bigint      NOT NULL,
    lines       integer     NOT NULL,
    order_id           text COLLATE "C" NOT NULL,
    number             text COLLATE "C" NOT NULL,
    channel            text COLLATE "C" NOT NULL,
    source_ref         text COLLATE "C" NOT NULL,
    customer_id        text COLLATE "C" NOT NULL,
    lifecycle          text COLLATE "C" NOT NULL,
    payment_status     text COLLATE "C" NOT NULL,
    fulfilment_status  text COLLATE "C" NOT NULL,
    return_status      text COLLATE "C" NOT NULL,
    currency           text COLLATE "C" NOT NULL,
    country            text COLLATE "C" NOT NULL,
    holds      text[] COLLATE "C" NOT NULL,  -- kinds of the active holds
    tags       text[] COLLATE "C" NOT NULL,
    skus       text[] COLLATE "C" NOT NULL,
    open_holds text[] COLLATE "C" NOT NULL,  -- for the fold alone: see holdTexts
    progress   bytea  NOT NULL,              -- for the fold alone: msgpack of progress, empty where nothing has happened
    PRIMARY KEY (order_id)
) WITH (fillfactor = 80);
CREATE INDEX order_list_placed   ON order_list (placed_at, seq);
CREATE INDEX order_list_updated  ON order_list (updated_at, seq);
CREATE INDEX order_list_total    ON order_list (currency, total_minor, seq);
CREATE INDEX order_list_number   ON order_list (number, seq);
CREATE INDEX order_list_source   ON order_list (source_ref) WHERE source_ref <> '';
CREATE INDEX order_list_customer ON order_list (customer_id, placed_at, seq) WHERE customer_id <> '';
CREATE INDEX order_list_lifecycle  ON order_list (lifecycle, placed_at, seq);
CREATE INDEX order_list_payment    ON order_list (payment_status, placed_at, seq);
CREATE INDEX order_list_fulfilment ON order_list (fulfilment_status, placed_at, seq);
CREATE INDEX order_list_held       ON order_list (placed_at, seq) WHERE holds <> '{}';
CREATE INDEX order_list_words    ON order_list USING gin (skus, tags);
`
}

func table() projections.Table {
	return projections.Table{
		Name: "order_list",
		Key:  []string{"order_id"},
		Columns: []projections.Column{
			{Name: "seq", Type: "bigint"},
			{Name: "placed_at", Type: "timestamptz"},
			{Name: "updated_at", Type: "timestamptz"},
			{Name: "version", Type: "bigint"},
			{Name: "position", Type: "bigint"},
			{Name: "total_minor", Type: "bigint"},
			{Name: "units", Type: "bigint"},
			{Name: "lines", Type: "integer"},
			{Name: "order_id", Type: "text"},
			{Name: "number", Type: "text"},
			{Name: "channel", Type: "text"},
			{Name: "source_ref", Type: "text"},
			{Name: "customer_id", Type: "text"},
			{Name: "lifecycle", Type: "text"},
			{Name: "payment_status", Type: "text"},
			{Name: "fulfilment_status", Type: "text"},
			{Name: "return_status", Type: "text"},
			{Name: "currency", Type: "text"},
			{Name: "country", Type: "text"},
			{Name: "holds", Type: "text[]"},
			{Name: "tags", Type: "text[]"},
			{Name: "skus", Type: "text[]"},
			{Name: "open_holds", Type: "text[]"},
			{Name: "progress", Type: "bytea"},
		},
	}
}

// Apply implements [projections.Projection]: one read of the rows that the batch goes on from, and one write.
func (p Projection) Apply(ctx context.Context, tx pgx.Tx, events []projections.Event) error {
	decoded := make([]order.Event, len(events))
	for i := range events {
		var err error
		if decoded[i], err = order.Decode(events[i].Type, events[i].Schema, events[i].Data); err != nil {
			return fmt.Errorf("event %d: %w", events[i].Position, err)
		}
	}
	t := table()
	list, err := load(ctx, tx, &t, events, decoded)
	if err != nil {
		return err
	}
	for i := range events {
		if err := list.fold(&events[i], decoded[i]); err != nil {
			return err
		}
	}
	values, err := list.values()
	if err != nil {
		return err
	}
	return t.Upsert(ctx, tx, values)
}

// load reads the rows of the orders that were placed before this batch.
func load(ctx context.Context, tx pgx.Tx, t *projections.Table, events []projections.Event, decoded []order.Event) (*rows, error) {
	list := &rows{byID: make(map[string]*row, len(events))}
	var keys [][]any
	seen := make(map[string]bool, len(events))
	for i := range events {
		id, ok := order.ParseStream(events[i].Stream)
		if !ok {
			return nil, fmt.Errorf("event %d: %s is not in the stream of an order", events[i].Position, events[i].Type)
		}
		if seen[string(id)] {
			continue
		}
		seen[string(id)] = true
		if _, first := decoded[i].(order.Placed); !first {
			keys = append(keys, []any{string(id)})
		}
	}
	err := t.Load(ctx, tx, keys, func(r pgx.CollectableRow) error {
		stored, err := scanStored(r)
		if err == nil {
			list.add(stored)
		}
		return err
	})
	return list, err
}
