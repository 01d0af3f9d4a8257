package stocklevels

import (
	"testing"

	"waybill/projections/historytest"
)

// Among 50,000 items and 200,000 reservations every question is answered through an index.
func TestEveryQueryUsesAnIndex(t *testing.T) {
	pool := historytest.Install(t, Projection{})
	for _, sql := range []string{
		`INSERT INTO stock_levels (on_hand, damaged, quality_control, other, safety, held, confirmed, allocated, backordered, backorder_limit, threshold, version, position, updated_at, sku, location)
		SELECT CASE WHEN i % 1000 = 0 THEN 0 ELSE 100 END, 0, 0, 0, 0, i % 7, 1, 0, CASE WHEN i % 500 = 0 THEN 3 ELSE 0 END, 0, 0, 1, i, now(), 'SKU-' || lpad((i / 2)::text, 6, '0'), CASE i % 2 WHEN 0 THEN 'BER1' ELSE 'LON1' END
		FROM generate_series(1, 50000) AS i`,
		`INSERT INTO stock_reservations (seq, asked, quantity, allocated, issued, backordered, position, reserved_at, updated_at, open, sku, location, reservation_id, order_id, state)
		SELECT i, 1, 1, 0, 0, 0, i, now(), now(), i % 40 = 0, 'SKU-' || lpad((i % 300)::text, 6, '0'), 'BER1', 'r' || i, 'order-' || (i / 3), 'held'
		FROM generate_series(1, 200000) AS i`,
		"VACUUM ANALYZE stock_levels", "VACUUM ANALYZE stock_reservations",
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		filter Filter
		pages  int64
	}{
		"all":         {Filter{}, 60},
		"prefix":      {Filter{SKUPrefix: "SKU-01234"}, 60},
		"location":    {Filter{Locations: []string{"LON1"}}, 60},
		"oversold":    {Filter{Oversold: new(true)}, 60},
		"backordered": {Filter{Backordered: new(true)}, 60},
		"plenty":      {Filter{AvailableBelow: new(int64(96))}, 120},
	} {
		t.Run(name, func(t *testing.T) {
			for range 3 {
				sql, args, _, _, err := tt.filter.query()
				if err != nil {
					t.Fatal(err)
				}
				historytest.Explain(t, pool, sql, args...).Want(t, 0, tt.pages)
				page, err := List(t.Context(), pool, tt.filter)
				if err != nil {
					t.Fatal(err)
				}
				if tt.filter.Cursor = page.NextCursor; !page.HasMore {
					return
				}
			}
		})
	}
	for name, f := range map[string]ReservationFilter{
		"of an order": {OrderID: "order-777"}, "all of an order": {OrderID: "order-777", Ended: true},
		"of a SKU": {SKU: "SKU-000040"}, "of an item": {SKU: "SKU-000040", Location: "BER1"}, "all of an item": {SKU: "SKU-000007", Location: "BER1", Ended: true},
	} {
		t.Run("reservations "+name, func(t *testing.T) {
			sql, args, _, _, err := f.query()
			if err != nil {
				t.Fatal(err)
			}
			historytest.Explain(t, pool, sql, args...).Want(t, 2_000, 1_000)
		})
	}
}
