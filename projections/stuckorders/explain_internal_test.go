package stuckorders

import (
	"testing"
	"time"

	"waybill/projections/historytest"
)

// Among 50,000 orders the few that wait are found without looking at the others, on every page.
func TestListUsesItsIndex(t *testing.T) {
	pool := historytest.Install(t, Projection{})
	log := historytest.New(3)
	log.Place()
	historytest.Apply(t, pool, Projection{}, log.Events, 1)
	for _, sql := range []string{
		`INSERT INTO stuck_orders (seq, version, position, since, held_until, held, unfinished, order_id, channel, lifecycle, state)
		SELECT 10 + i, 1, 10 + i, CASE WHEN i % 50 = 0 THEN o.since + i * interval '1 s' END, NULL, i % 100 = 0, i % 50 = 0, 'order-' || i, 'web', o.lifecycle, o.state
		FROM stuck_orders AS o, generate_series(1, 50000) AS i`,
		"VACUUM ANALYZE stuck_orders",
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	now := log.Now.Add(30 * 24 * time.Hour)
	for name, f := range map[string]Filter{
		"all": {}, "older": {OlderThan: 24 * time.Hour}, "on hold": {OnHold: new(true)}, "pending": {Lifecycle: []string{"pending"}, Channels: []string{"web"}},
	} {
		t.Run(name, func(t *testing.T) {
			pages := 0
			for {
				sql, args, _, _, err := f.query(now)
				if err != nil {
					t.Fatal(err)
				}
				historytest.Explain(t, pool, sql, args...).Want(t, 0, 150)
				page, err := List(t.Context(), pool, f, now)
				if err != nil {
					t.Fatal(err)
				}
				if f.Cursor, pages = page.NextCursor, pages+1; !page.HasMore {
					break
				}
			}
			if pages < 5 {
				t.Errorf("%d pages test too little", pages)
			}
		})
	}
}
