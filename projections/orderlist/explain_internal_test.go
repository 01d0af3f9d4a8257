package orderlist

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"waybill/projections/historytest"
)

// fill makes n rows that are like those of orders, with statuses, customers, tags and SKUs as unevenly spread as in life.
const fill = `
INSERT INTO order_list (seq, placed_at, updated_at, version, position, total_minor, units, lines, order_id, number, channel,
    source_ref, customer_id, lifecycle, payment_status, fulfilment_status, return_status, currency, country, holds, tags, skus, open_holds, progress)
SELECT i, at, at + (i % 5000) * interval '1 s', 3, i + 2, (i::bigint * 7919) % 500000, 1 + i % 9, 1 + i % 4, 'order-id-' || i,
    'W-' || lpad(i::text, 8, '0'), (ARRAY['web','web','web','amazon-de','phone'])[1 + i % 5], 'ref-' || i, 'cust-' || (i % 9001),
    CASE WHEN i % 500 = 0 THEN 'pending' WHEN i % 20 = 0 THEN 'cancelled' WHEN i % 50 = 1 THEN 'rejected' ELSE 'confirmed' END,
    CASE WHEN i % 400 = 0 THEN 'disputed' WHEN i % 3 = 0 THEN 'paid' ELSE 'not_paid' END,
    CASE WHEN i % 20 = 0 OR i % 50 = 1 THEN 'cancelled' WHEN i % 333 = 0 THEN 'on_hold' ELSE 'unfulfilled' END,
    'none', (ARRAY['EUR','GBP'])[1 + i % 2], (ARRAY['GB','DE','FR'])[1 + i % 3],
    CASE WHEN i % 333 = 0 THEN ARRAY['fraud'] ELSE '{}' END,
    CASE WHEN i % 1000 = 0 THEN ARRAY['rush'] WHEN i % 4 = 0 THEN ARRAY['gift'] ELSE '{}' END,
    ARRAY['SKU-' || (i % 3000), 'SKU-HOT-' || (i % 2)], '{}', ''
FROM generate_series(1, $1::int) AS i, LATERAL (SELECT timestamptz '2026-01-01' + i * interval '37 s' AS at) AS t`

func explain(t *testing.T, pool *pgxpool.Pool, f Filter) *historytest.Plan {
	t.Helper()
	sql, args, _, _, err := pageOf(f)
	if err != nil {
		t.Fatal(err)
	}
	return historytest.Explain(t, pool, sql, args...)
}

// Every way to ask is answered through an index, and looks at few pages of the table, on the first page and deep in the
// list alike.
func TestEveryQueryUsesAnIndex(t *testing.T) {
	const rows = 100_000
	pool := historytest.Install(t, Projection{})
	for _, sql := range []string{strings.ReplaceAll(fill, "$1::int", strconv.Itoa(rows)), "VACUUM ANALYZE order_list"} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	day := func(n int) time.Time { return time.Date(2026, 1, 1+n, 0, 0, 0, 0, time.UTC) }
	for name, tt := range map[string]struct {
		filter  Filter
		buffers int64 // pages that it may look at
	}{
		"all":                    {Filter{}, 80},
		"oldest first":           {Filter{Sort: PlacedAsc}, 80},
		"last changed":           {Filter{Sort: UpdatedDesc}, 120},
		"first changed":          {Filter{Sort: UpdatedAsc}, 120},
		"by number":              {Filter{Sort: NumberAsc}, 80},
		"by number, last":        {Filter{Sort: NumberDesc}, 80},
		"dearest":                {Filter{Sort: TotalDesc, Currency: "EUR"}, 120},
		"cheapest in a range":    {Filter{Sort: TotalAsc, Currency: "EUR", TotalMin: new(int64(1000)), TotalMax: new(int64(9000))}, 120},
		"total, newest":          {Filter{Currency: "EUR", TotalMin: new(int64(1000)), TotalMax: new(int64(1200))}, 400},
		"one number":             {Filter{Number: "W-00050000"}, 8},
		"one source":             {Filter{SourceRef: "ref-50000"}, 8},
		"one customer":           {Filter{CustomerID: "cust-77"}, 40},
		"one customer, changed":  {Filter{CustomerID: "cust-77", Sort: UpdatedDesc}, 40},
		"pending":                {Filter{Lifecycle: []string{"pending"}}, 120},
		"pending or cancelling":  {Filter{Lifecycle: []string{"pending", "cancelling"}}, 600},
		"confirmed":              {Filter{Lifecycle: []string{"confirmed"}}, 120},
		"confirmed or cancelled": {Filter{Lifecycle: []string{"confirmed", "cancelled"}}, 120},
		"on hold":                {Filter{FulfilmentStatus: []string{"on_hold"}}, 600},
		"paid":                   {Filter{PaymentStatus: []string{"paid"}}, 120},
		"disputed":               {Filter{PaymentStatus: []string{"disputed"}}, 600},
		"held for fraud":         {Filter{Holds: []string{"fraud"}}, 600},
		"any hold":               {Filter{OnHold: new(true)}, 600},
		"statuses mixed":         {Filter{Lifecycle: []string{"confirmed"}, FulfilmentStatus: []string{"on_hold"}, PaymentStatus: []string{"not_paid"}}, 600},
		"channel":                {Filter{Channels: []string{"phone"}}, 400},
		"country":                {Filter{Countries: []string{"FR"}}, 400},
		"rare tag":               {Filter{Tags: []string{"rush"}}, 300},
		"common tag":             {Filter{Tags: []string{"gift"}}, 400},
		"rare SKU":               {Filter{SKUs: []string{"SKU-1234"}}, 120},
		"common SKU":             {Filter{SKUs: []string{"SKU-HOT-1"}}, 400},
		"SKU and tag":            {Filter{SKUs: []string{"SKU-400"}, Tags: []string{"gift"}}, 300},
		"placed in a week":       {Filter{PlacedFrom: day(20), PlacedBefore: day(27)}, 80},
		"changed on a day":       {Filter{UpdatedFrom: day(20), UpdatedBefore: day(21), Sort: UpdatedAsc}, 120},
		"changed, newest":        {Filter{UpdatedFrom: day(20), UpdatedBefore: day(21)}, 4000},
	} {
		t.Run(name, func(t *testing.T) {
			f := tt.filter
			explain(t, pool, f).Want(t, rows/10, tt.buffers)
			f.Limit = 50
			for range 3 { // the second to fourth page
				page, err := List(t.Context(), pool, f)
				if err != nil {
					t.Fatal(err)
				}
				if f.Cursor = page.NextCursor; !page.HasMore {
					return
				}
				explain(t, pool, f).Want(t, rows/10, tt.buffers)
			}
		})
	}
}

// A page deep in the list costs what the first one does, give or take that rows may stand on pages of their own.
func TestDeepPagesCostTheSame(t *testing.T) {
	pool := historytest.Install(t, Projection{})
	for _, sql := range []string{strings.ReplaceAll(fill, "$1::int", "100000"), "VACUUM ANALYZE order_list"} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []Filter{{}, {Sort: NumberAsc}, {Sort: UpdatedDesc}, {Sort: TotalAsc, Currency: "GBP"}, {Lifecycle: []string{"confirmed"}}} {
		f.Limit = 200
		first := explain(t, pool, f)
		for range 200 { // 40,000 rows down
			page, err := List(t.Context(), pool, f)
			if err != nil {
				t.Fatal(err)
			}
			f.Cursor = page.NextCursor
		}
		deep := explain(t, pool, f)
		if got, most := deep.Pages(), first.Pages()+int64(f.Limit); got > most {
			t.Errorf("sort %q: page 201 looks at %d pages, at most %d were expected: %s", f.Sort, got, most, deep)
		}
	}
}
