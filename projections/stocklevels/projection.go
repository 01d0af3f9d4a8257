package stocklevels

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"waybill/domain/stock"
	"waybill/projections"
)

// Projection keeps the tables stock_levels and stock_reservations.
type Projection struct{}

var _ projections.Projection = Projection{}

// Name implements [projections.Projection].
func (Projection) Name() string { return "stock_levels" }

// Version implements [projections.Projection].
func (Projection) Version() int { return 2 }

// Types implements [projections.Projection].
func (Projection) Types() []string {
	return stock.EventTypes()
}

// Tables implements [projections.Projection].
func (Projection) Tables() []string { return []string{"stock_levels", "stock_reservations"} }

// Key implements [projections.Projection]. It is the stream, and not the order: the levels of an item follow from all
// events of the item.
func (Projection) Key(e *projections.Event) string { return e.Stream }

// Schema implements [projections.Projection].
func (Projection) Schema() string {
	return `
CREATE TABLE stock_levels (
    on_hand         bigint      NOT NULL,
    damaged         bigint      NOT NULL,
    quality_control bigint      NOT NULL,
    other           bigint      NOT NULL,
    safety          bigint      NOT NULL,
    held            bigint      NOT NULL,
    confirmed       bigint      NOT NULL,
    allocated       bigint      NOT NULL,
    backordered     bigint      NOT NULL,
    backorder_limit bigint      NOT NULL,
    threshold       bigint      NOT NULL,
    unavailable     bigint      NOT NULL GENERATED ALWAYS AS (damaged + quality_control + other + safety) STORED,
    reserved        bigint      NOT NULL GENERATED ALWAYS AS (held + confirmed + allocated) STORED,
    available       bigint      NOT NULL GENERATED ALWAYS AS (greatest(0, on_hand - damaged - quality_control - other - safety - held - confirmed - allocated - backordered)) STORED,
    short           bigint      NOT NULL GENERATED ALWAYS AS (greatest(0, held + confirmed + allocated - greatest(0, on_hand - damaged - quality_control - other - safety))) STORED,
    version         bigint      NOT NULL,
    position        bigint      NOT NULL,
    updated_at      timestamptz NOT NULL,
    sku      text COLLATE "C" NOT NULL,
    location text COLLATE "C" NOT NULL,
    PRIMARY KEY (sku, location)
) WITH (fillfactor = 50);  -- an item changes with every order: its row moves within the page, and no index hears of it while it is not short
CREATE INDEX stock_levels_short       ON stock_levels (sku, location) WHERE short > 0;
CREATE INDEX stock_levels_backordered ON stock_levels (sku, location) WHERE backordered > 0;
CREATE TABLE stock_reservations (
    seq         bigint      NOT NULL,  -- position of the event that made it
    asked       bigint      NOT NULL,
    quantity    bigint      NOT NULL,
    allocated   bigint      NOT NULL,
    issued      bigint      NOT NULL,
    backordered bigint      NOT NULL,
    position    bigint      NOT NULL,
    reserved_at timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    expires_at  timestamptz,
    open        boolean     NOT NULL,
    sku            text COLLATE "C" NOT NULL,
    location       text COLLATE "C" NOT NULL,
    reservation_id text COLLATE "C" NOT NULL,
    order_id       text COLLATE "C" NOT NULL,
    state          text COLLATE "C" NOT NULL,
    PRIMARY KEY (sku, location, reservation_id)
) WITH (fillfactor = 50);  -- each is made, and soon confirmed with its neighbours: all find room on their page, and no index hears of it
CREATE INDEX stock_reservations_order ON stock_reservations (order_id, seq, reservation_id);
CREATE INDEX stock_reservations_open  ON stock_reservations (sku, seq, reservation_id) WHERE open;
`
}

func levelTable() projections.Table {
	return projections.Table{
		Name: "stock_levels",
		Key:  []string{"sku", "location"},
		Columns: []projections.Column{
			{Name: "sku", Type: "text"},
			{Name: "location", Type: "text"},
			{Name: "on_hand", Type: "bigint"},
			{Name: "damaged", Type: "bigint"},
			{Name: "quality_control", Type: "bigint"},
			{Name: "other", Type: "bigint"},
			{Name: "safety", Type: "bigint"},
			{Name: "held", Type: "bigint"},
			{Name: "confirmed", Type: "bigint"},
			{Name: "allocated", Type: "bigint"},
			{Name: "backordered", Type: "bigint"},
			{Name: "backorder_limit", Type: "bigint"},
			{Name: "threshold", Type: "bigint"},
			{Name: "version", Type: "bigint"},
			{Name: "position", Type: "bigint"},
			{Name: "updated_at", Type: "timestamptz"},
		},
	}
}

func reservationTable() projections.Table {
	return projections.Table{
		Name: "stock_reservations",
		Key:  []string{"sku", "location", "reservation_id"},
		Columns: []projections.Column{
			{Name: "sku", Type: "text"},
			{Name: "location", Type: "text"},
			{Name: "reservation_id", Type: "text"},
			{Name: "order_id", Type: "text"},
			{Name: "state", Type: "text"},
			{Name: "asked", Type: "bigint"},
			{Name: "quantity", Type: "bigint"},
			{Name: "allocated", Type: "bigint"},
			{Name: "backordered", Type: "bigint"},
			{Name: "issued", Type: "bigint"},
			{Name: "expires_at", Type: "timestamptz"},
			{Name: "reserved_at", Type: "timestamptz"},
			{Name: "updated_at", Type: "timestamptz"},
			{Name: "open", Type: "boolean"},
			{Name: "position", Type: "bigint"},
			{Name: "seq", Type: "bigint"},
		},
	}
}

// Apply implements [projections.Projection]: one read and one write for each of the two tables.
func (p Projection) Apply(ctx context.Context, tx pgx.Tx, events []projections.Event) error {
	b, err := newBatch(events)
	if err != nil {
		return err
	}
	levels, reservations := levelTable(), reservationTable()
	var reads pgx.Batch
	if err := levels.QueueLoad(&reads, b.levelKeys(), b.loadLevel); err != nil {
		return err
	}
	if err := reservations.QueueLoad(&reads, b.reservationKeys(), b.loadReservation); err != nil {
		return err
	}
	if err := tx.SendBatch(ctx, &reads).Close(); err != nil {
		return fmt.Errorf("load levels and reservations: %w", err)
	}
	for i := range events {
		if err := b.fold(&events[i], b.decoded[i]); err != nil {
			return fmt.Errorf("event %d: %w", events[i].Position, err)
		}
	}
	if err := levels.Upsert(ctx, tx, b.levelRows()); err != nil {
		return err
	}
	return reservations.Upsert(ctx, tx, b.reservationRows())
}
