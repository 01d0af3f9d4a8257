package bench

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"waybill/domain/stock"
	"waybill/projections/keyset"
	"waybill/projections/orderlist"
	"waybill/projections/stuckorders"
)

// operations are the names of all that growth measures, in the order in which they are shown.
func operations(s Size) []string {
	names := []string{"append", "poll that finds nothing", "read an order", "outcome of a command", "outcome of no command"}
	for _, n := range streamLengths(s) {
		names = append(names, loadOf(n))
	}
	names = append(names, "orders, first page", "orders, deep page", "orders, counted up to 10,000", "stuck orders", "stuck orders, second page")
	return append(names, slices.Sorted(maps.Keys(filters(nil)))...)
}

// filters are the ways to ask for orders. f says what values there are; without it, only the names count.
func filters(f *filler) map[string]orderlist.Filter {
	var sku, other string
	var from, to time.Time
	n := int64(0)
	if f != nil {
		sku, other = f.shop.catalogue[3].sku, f.shop.catalogue[len(f.shop.catalogue)/2].sku
		to = f.at.Add(-time.Duration(f.head) * fillStep / 2)
		from, n = to.Add(-time.Minute), f.orders/2
	}
	low, high := int64(5000), int64(6000)
	held := true
	return map[string]orderlist.Filter{
		"orders by lifecycle, rare":     {Lifecycle: []string{"pending"}},
		"orders by lifecycle, common":   {Lifecycle: []string{"confirmed"}},
		"orders by lifecycle, several":  {Lifecycle: []string{"pending", "cancelled"}},
		"orders by fulfilment status":   {FulfilmentStatus: []string{"on_hold"}},
		"orders by payment status":      {PaymentStatus: []string{"not_paid"}},
		"orders by return status":       {ReturnStatus: []string{"none"}},
		"orders by channel":             {Channels: []string{"web"}},
		"orders by country":             {Countries: []string{"SE"}},
		"orders by customer":            {CustomerID: "customer-00077"},
		"orders by number":              {Number: fmt.Sprintf("W-%09d", n)},
		"orders by source_ref":          {SourceRef: fmt.Sprintf("fill-%d", n)},
		"orders by hold":                {Holds: []string{"fraud"}},
		"orders on hold":                {OnHold: &held},
		"orders by tag, common":         {Tags: []string{"gift"}},
		"orders by tag, rare":           {Tags: []string{"rush"}},
		"orders by SKU, common":         {SKUs: []string{sku}},
		"orders by SKU, rare":           {SKUs: []string{other}},
		"orders by SKU and tag":         {SKUs: []string{sku}, Tags: []string{"gift"}},
		"orders by total":               {Currency: "EUR", TotalMin: &low, TotalMax: &high},
		"orders by date placed":         {PlacedFrom: from, PlacedBefore: to},
		"orders by date changed":        {UpdatedFrom: from, UpdatedBefore: to, Sort: orderlist.UpdatedDesc},
		"orders sorted, last changed":   {Sort: orderlist.UpdatedDesc},
		"orders sorted, oldest":         {Sort: orderlist.PlacedAsc},
		"orders sorted, number":         {Sort: orderlist.NumberDesc},
		"orders sorted, total":          {Sort: orderlist.TotalDesc, Currency: "EUR"},
		"orders by statuses, all three": {Lifecycle: []string{"confirmed"}, FulfilmentStatus: []string{"on_hold"}, PaymentStatus: []string{"not_paid"}},
	}
}

// deepest is how many pages of 200 go before the deep page, at most.
const deepest = 200

// listOperations are the queries of the read models.
func listOperations(ctx context.Context, pool *pgxpool.Pool, f *filler) (map[string]operation, error) {
	ops := map[string]operation{
		"orders, first page": listOrders(pool, orderlist.Filter{}),
		"orders, counted up to 10,000": func(ctx context.Context) error {
			_, err := orderlist.CountUpTo(ctx, pool, orderlist.Filter{Lifecycle: []string{"confirmed"}})
			return err
		},
		"stuck orders": listStuckOrders(pool, stuckorders.Filter{}),
	}
	for name, filter := range filters(f) {
		ops[name] = listOrders(pool, filter)
	}
	deep := orderlist.Filter{Limit: keyset.MaxLimit}
	for range min(deepest, int(f.orders)/2/keyset.MaxLimit) {
		page, err := orderlist.List(ctx, pool, deep)
		if err != nil {
			return nil, err
		}
		deep.Cursor = page.NextCursor
	}
	// The scope of a cursor is the filter, and not the size of the page.
	deep.Limit = 0
	ops["orders, deep page"] = listOrders(pool, deep)
	first, err := stuckorders.List(ctx, pool, stuckorders.Filter{Limit: 1}, time.Now())
	if err != nil {
		return nil, err
	}
	ops["stuck orders, second page"] = listStuckOrders(pool, stuckorders.Filter{Cursor: first.NextCursor})
	return ops, nil
}

func listOrders(pool *pgxpool.Pool, f orderlist.Filter) operation {
	return func(ctx context.Context) error {
		_, err := orderlist.List(ctx, pool, f)
		return err
	}
}

func listStuckOrders(pool *pgxpool.Pool, f stuckorders.Filter) operation {
	return func(ctx context.Context) error {
		_, err := stuckorders.List(ctx, pool, f, time.Now())
		return err
	}
}

// bigTable is from how many rows on a table is big: below, to read it all may be the best plan.
const bigTable = 50_000

// selectScans are the tables that are big, and how often they were read from end to end.
const selectScans = `
SELECT s.schemaname || '.' || s.relname, s.seq_scan
FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
WHERE c.reltuples >= $1`

// seesBigScans carries out every operation and looks whether one of them read a big table from end to end. That is an
// error: it costs the more the longer the log is, however fast it may be today.
func (g *grown) seesBigScans(ctx context.Context, long map[int]stock.Key) error {
	scans, err := g.scanned(ctx, long, operations(g.env.Size)...)
	if err != nil || len(scans) == 0 {
		return err
	}
	for _, name := range operations(g.env.Size) { // which of them was it?
		if scans, err = g.scanned(ctx, long, name); err != nil {
			return err
		}
		if len(scans) > 0 {
			return fmt.Errorf("%q reads all of %v, which is big by now", name, scans)
		}
	}
	return errors.New("to prepare the operations reads a big table as a whole")
}

// scanned carries out operations and returns which big tables were read from end to end meanwhile. Sessions tell what they did
// when they end, so the operations have some of their own.
func (g *grown) scanned(ctx context.Context, long map[int]stock.Key, names ...string) ([]string, error) {
	before, err := g.scans(ctx)
	if err != nil {
		return nil, err
	}
	own := g.env.child()
	ops, err := g.open(ctx, own, long)
	for _, name := range names {
		if err != nil {
			break
		}
		if err = ops[name](ctx); err != nil {
			err = fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := errors.Join(err, own.close(ctx)); err != nil {
		return nil, err
	}
	after, err := g.scans(ctx)
	if err != nil {
		return nil, err
	}
	var tables []string
	for table, n := range after {
		if n > before[table] {
			tables = append(tables, table)
		}
	}
	return tables, nil
}

const selectSessions = `
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'waybill %'`

// scans waits until all sessions of the engine have ended, and returns how often each big table was read from end to end.
func (g *grown) scans(ctx context.Context) (map[string]int64, error) {
	conn := g.filler.conn
	var n int
	var err error
	if waitErr := until(ctx, func() bool {
		err = conn.QueryRow(ctx, selectSessions).Scan(&n)
		return err != nil || n == 0
	}); waitErr != nil {
		return nil, fmt.Errorf("wait for %d sessions to end: %w", n, waitErr)
	}
	if err != nil {
		return nil, fmt.Errorf("wait for sessions to end: %w", err)
	}
	rows, err := conn.Query(ctx, selectScans, bigTable)
	if err != nil {
		return nil, fmt.Errorf("ask which tables were read as a whole: %w", err)
	}
	scans := map[string]int64{}
	var table string
	var times int64
	_, err = pgx.ForEachRow(rows, []any{&table, &times}, func() error {
		scans[table] = times
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ask which tables were read as a whole: %w", err)
	}
	return scans, nil
}
