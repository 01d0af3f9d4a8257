package orderlist

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"waybill/projections/keyset"
)

// List returns one page of the orders that f lets through. Its errors match [keyset.ErrBadFilter] or
// [keyset.ErrBadCursor] where the caller is at fault.
func List(ctx context.Context, db keyset.Querier, f Filter) (Page, error) {
	sql, args, scope, f, err := pageOf(f)
	if err != nil {
		return Page{}, fmt.Errorf("list orders: %w", err)
	}
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return Page{}, fmt.Errorf("list orders: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanRow)
	if err != nil {
		return Page{}, fmt.Errorf("list orders: %w", err)
	}
	o, _ := f.Sort.order()
	return keyset.Cut(list, f.Limit, func(r *Row) string { return scope.Encode(o.keys(r)...) }), nil
}

// CountUpTo counts the orders that f lets through, up to [keyset.MaxCount]. Order, limit and cursor play no part.
func CountUpTo(ctx context.Context, db keyset.Querier, f Filter) (keyset.Count, error) {
	f, err := normalised(f)
	if err != nil {
		return keyset.Count{}, fmt.Errorf("count orders: %w", err)
	}
	var w keyset.Where
	f.conditions(&w)
	var n int64
	sql := "SELECT count(*) FROM (SELECT FROM readmodel.order_list" + w.String() + fmt.Sprintf(" LIMIT %d) found", keyset.MaxCount+1)
	if err := db.QueryRow(ctx, sql, w.Args()...).Scan(&n); err != nil {
		return keyset.Count{}, fmt.Errorf("count orders: %w", err)
	}
	return keyset.CountOf(n), nil
}

// pageOf returns the SQL of one page, with the scope of its cursors and the filter in its normal form.
func pageOf(f Filter) (sql string, args []any, scope keyset.Scope, normal Filter, err error) {
	if f, err = normalised(f); err != nil {
		return "", nil, scope, f, err
	}
	if scope, err = keyset.NewScope("orders", &f); err != nil {
		return "", nil, scope, f, err
	}
	o, _ := f.Sort.order()
	after, by := o.sql()
	var w keyset.Where
	f.conditions(&w)
	if f.Cursor != "" {
		keys, err := scope.Decode(f.Cursor, o.keys(&Row{})...)
		if err != nil {
			return "", nil, scope, f, err
		}
		w.Add(after, o.arg(keys[0]), keys[1].Int())
	}
	limit := w.Arg(f.Limit + 1)
	return "SELECT " + columns + " FROM readmodel.order_list" + w.String() + " ORDER BY " + by + " LIMIT " + limit, w.Args(), scope, f, nil
}

// conditions adds what f asks for, but for the cursor.
func (f *Filter) conditions(w *keyset.Where) {
	for _, l := range f.anyOf() {
		switch len(*l.values) {
		case 0:
		case 1: // an equality lets an index deliver the rows in order
			w.Add(l.column+" = ?", (*l.values)[0])
		default:
			w.Add(l.column+" = ANY (?)", *l.values)
		}
	}
	for _, e := range f.equal() {
		if e.value != "" {
			w.Add(e.field+" = ?", e.value)
		}
	}
	if len(f.Holds) > 0 {
		w.Add("holds && ?", f.Holds)
	}
	switch { // constant conditions, so that the partial index is seen to fit
	case len(f.Holds) > 0, f.OnHold != nil && *f.OnHold:
		w.Add("holds <> '{}'")
	}
	if f.OnHold != nil && !*f.OnHold {
		w.Add("holds = '{}'")
	}
	if len(f.Tags) > 0 {
		w.Add("tags @> ?", f.Tags)
	}
	if len(f.SKUs) > 0 {
		w.Add("skus @> ?", f.SKUs)
	}
	f.ranges(w)
}

func (f *Filter) ranges(w *keyset.Where) {
	if f.TotalMin != nil {
		w.Add("total_minor >= ?", *f.TotalMin)
	}
	if f.TotalMax != nil {
		w.Add("total_minor <= ?", *f.TotalMax)
	}
	if !f.PlacedFrom.IsZero() {
		w.Add("placed_at >= ?", f.PlacedFrom)
	}
	if !f.PlacedBefore.IsZero() {
		w.Add("placed_at < ?", f.PlacedBefore)
	}
	if !f.UpdatedFrom.IsZero() {
		w.Add("updated_at >= ?", f.UpdatedFrom)
	}
	if !f.UpdatedBefore.IsZero() {
		w.Add("updated_at < ?", f.UpdatedBefore)
	}
}

// columns are those of a [Row], in the order in which scanRow reads them.
const columns = `order_id, number, channel, source_ref, customer_id,
	lifecycle, payment_status, fulfilment_status, return_status, holds, tags, skus,
	total_minor, currency, country, lines, units, placed_at, updated_at, version, position, seq`

func scanRow(row pgx.CollectableRow) (Row, error) {
	var r Row
	err := row.Scan(&r.OrderID, &r.Number, &r.Channel, &r.SourceRef, &r.CustomerID,
		&r.Lifecycle, &r.PaymentStatus, &r.FulfilmentStatus, &r.ReturnStatus, &r.Holds, &r.Tags, &r.SKUs,
		&r.Total.Minor, &r.Total.Currency, &r.Country, &r.Lines, &r.Units, &r.PlacedAt, &r.UpdatedAt, &r.Version, &r.Position, &r.seq)
	r.PlacedAt, r.UpdatedAt = r.PlacedAt.UTC(), r.UpdatedAt.UTC()
	return r, err
}
