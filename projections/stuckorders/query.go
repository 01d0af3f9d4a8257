package stuckorders

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/domain"
	"waybill/projections/keyset"
)

const columns = "order_id, seq, since, state, version, position"

// List returns one page of the orders that wait at now, those that wait longest first.
func List(ctx context.Context, db keyset.Querier, f Filter, now time.Time) (Page, error) {
	sql, args, scope, limit, err := f.query(now)
	if err != nil {
		return Page{}, fmt.Errorf("list stuck orders: %w", err)
	}
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return Page{}, fmt.Errorf("list stuck orders: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Order, error) { return scanOrder(row, now) })
	if err != nil {
		return Page{}, fmt.Errorf("list stuck orders: %w", err)
	}
	return keyset.Cut(list, limit, func(o *Order) string {
		return scope.Encode(keyset.Int(o.Since.UnixMicro()), keyset.Int(o.seq))
	}), nil
}

func (f Filter) query(now time.Time) (sql string, args []any, scope keyset.Scope, limit int, err error) {
	if f.OlderThan < 0 {
		return "", nil, scope, 0, &keyset.FilterError{Field: "older_than", Reason: "must not be negative"}
	}
	if err = errors.Join(keyset.CheckText("lifecycle", f.Lifecycle...), keyset.CheckText("channel", f.Channels...)); err != nil {
		return "", nil, scope, 0, err
	}
	f.Lifecycle = slices.Compact(slices.Sorted(slices.Values(f.Lifecycle)))
	f.Channels = slices.Compact(slices.Sorted(slices.Values(f.Channels)))
	if limit, err = keyset.Limit(f.Limit); err != nil {
		return "", nil, scope, 0, err
	}
	if scope, err = keyset.NewScope("stuck-orders", &f); err != nil {
		return "", nil, scope, 0, err
	}
	now = now.UTC()
	var w keyset.Where
	w.Add("since <= ?", now.Add(-f.OlderThan))
	w.Add("(unfinished OR held_until IS NULL OR held_until > ?)", now)
	if len(f.Lifecycle) > 0 {
		w.Add("lifecycle = ANY (?)", f.Lifecycle)
	}
	if len(f.Channels) > 0 {
		w.Add("channel = ANY (?)", f.Channels)
	}
	if f.OnHold != nil {
		w.Add("(held AND (held_until IS NULL OR held_until > ?)) = ?", now, *f.OnHold)
	}
	if f.Cursor != "" {
		keys, err := scope.Decode(f.Cursor, keyset.Int(0), keyset.Int(0))
		if err != nil {
			return "", nil, scope, 0, err
		}
		w.Add("(since, seq) > (?, ?)", time.UnixMicro(keys[0].Int()).UTC(), keys[1].Int())
	}
	place := w.Arg(limit + 1)
	return "SELECT " + columns + " FROM readmodel.stuck_orders" + w.String() + " ORDER BY since, seq LIMIT " + place, w.Args(), scope, limit, nil
}

func scanOrder(row pgx.CollectableRow, now time.Time) (Order, error) {
	var o Order
	var b []byte
	if err := row.Scan(&o.OrderID, &o.seq, &o.Since, &b, &o.Version, &o.Position); err != nil {
		return o, err
	}
	s, err := decodeState(b)
	if err != nil {
		return o, fmt.Errorf("order %s: %w", o.OrderID, err)
	}
	s.describe(&o, domain.TimeOf(now))
	return o, nil
}
