package timeline

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"waybill/domain/order"
	"waybill/domain/stock"
	"waybill/projections"
)

// Projection keeps the table order_timeline: the events that belong to orders, by order. It copies them as they are and
// never looks inside: how they read is decided when they are read. So a sentence can be bettered without a rebuild, and
// what is encrypted in the log is encrypted here.
type Projection struct{}

var _ projections.Projection = Projection{}

// Name implements [projections.Projection].
func (Projection) Name() string { return "order_timeline" }

// Version implements [projections.Projection].
func (Projection) Version() int { return 1 }

// Types implements [projections.Projection].
func (Projection) Types() []string {
	return append(order.EventTypes(), stock.EventTypes()...)
}

// Tables implements [projections.Projection].
func (Projection) Tables() []string { return []string{"order_timeline"} }

// Key implements [projections.Projection].
func (Projection) Key(e *projections.Event) string { return e.Meta.Key }

// Schema implements [projections.Projection].
func (Projection) Schema() string {
	return `
CREATE TABLE order_timeline (
    position    bigint      NOT NULL,
    version     bigint      NOT NULL,
    recorded_at timestamptz NOT NULL,
    event_id    uuid        NOT NULL,
    command_id  uuid,
    schema      smallint    NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    stream   text COLLATE "C" NOT NULL,
    type     text COLLATE "C" NOT NULL,
    data     bytea NOT NULL,
    meta     bytea NOT NULL,
    PRIMARY KEY (order_id, position)
);
ALTER TABLE order_timeline ALTER COLUMN data SET COMPRESSION lz4;
`
}

// many is how many rows are faster written by COPY, which takes round trips of its own.
const many = 500

func table() projections.Table {
	return projections.Table{
		Name: "order_timeline",
		Key:  []string{"order_id", "position"},
		Columns: []projections.Column{
			{Name: "position", Type: "bigint"},
			{Name: "version", Type: "bigint"},
			{Name: "recorded_at", Type: "timestamptz"},
			{Name: "event_id", Type: "uuid"},
			{Name: "command_id", Type: "uuid"},
			{Name: "schema", Type: "smallint"},
			{Name: "order_id", Type: "text"},
			{Name: "stream", Type: "text"},
			{Name: "type", Type: "text"},
			{Name: "data", Type: "bytea"},
			{Name: "meta", Type: "bytea"},
		},
	}
}

// Apply implements [projections.Projection]. Rows are only ever added, so it needs no read.
func (p Projection) Apply(ctx context.Context, tx pgx.Tx, events []projections.Event) error {
	t := table()
	rows := make([][]any, 0, len(events))
	for i := range events {
		e := &events[i]
		id := owner(e)
		if id == "" {
			continue
		}
		var command any
		if e.CommandID != uuid.Nil {
			command = e.CommandID
		}
		rows = append(rows, []any{
			e.Position, e.Version, e.RecordedAt, e.ID, command, e.Schema, id, e.Stream, e.Type, e.Data, e.Event.Meta,
		})
	}
	if len(rows) < many {
		return t.Insert(ctx, tx, rows)
	}
	columns := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		columns[i] = c.Name
	}
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"order_timeline"}, columns, pgx.CopyFromRows(rows))
	return err
}

// owner returns the order that an event belongs to, "" if it belongs to none. An event of an order's own stream belongs
// to that order; one of another stream to the order that its key names. A key that is its own stream names no order.
func owner(e *projections.Event) string {
	if id, ok := order.ParseStream(e.Stream); ok {
		return string(id)
	}
	if e.Meta.Key != e.Stream {
		return e.Meta.Key
	}
	return ""
}
