package stocklevels

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/projections/keyset"
)

const levelColumns = `sku, location, on_hand, unavailable, damaged, quality_control, other, safety, reserved, held, confirmed, allocated,
	backordered, available, backorder_limit, threshold, short, updated_at, version, position`

const reservationColumns = `reservation_id, sku, location, order_id, state, asked, quantity, allocated, backordered, issued,
	expires_at, reserved_at, updated_at, position, seq`

// List returns one page of stock levels.
func List(ctx context.Context, db keyset.Querier, f Filter) (Page, error) {
	sql, args, scope, limit, err := f.query()
	if err != nil {
		return Page{}, fmt.Errorf("list stock: %w", err)
	}
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return Page{}, fmt.Errorf("list stock: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanLevel)
	if err != nil {
		return Page{}, fmt.Errorf("list stock: %w", err)
	}
	return keyset.Cut(list, limit, func(l *Level) string {
		return scope.Encode(keyset.Text(l.SKU), keyset.Text(l.Location))
	}), nil
}

// Get returns the level of a SKU at a location; without one, the error matches [keyset.ErrNotFound].
func Get(ctx context.Context, db keyset.Querier, sku, location string) (Level, error) {
	rows, err := db.Query(ctx, "SELECT "+levelColumns+" FROM readmodel.stock_levels WHERE sku = $1 AND location = $2", sku, location)
	if err != nil {
		return Level{}, fmt.Errorf("read stock of %s at %s: %w", sku, location, err)
	}
	l, err := pgx.CollectExactlyOneRow(rows, scanLevel)
	if errors.Is(err, pgx.ErrNoRows) {
		err = keyset.ErrNotFound
	}
	if err != nil {
		return Level{}, fmt.Errorf("read stock of %s at %s: %w", sku, location, err)
	}
	return l, nil
}

// Reservations returns one page of the reservations of an order or of a SKU.
func Reservations(ctx context.Context, db keyset.Querier, f ReservationFilter) (ReservationPage, error) {
	sql, args, scope, limit, err := f.query()
	if err != nil {
		return ReservationPage{}, fmt.Errorf("list reservations: %w", err)
	}
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return ReservationPage{}, fmt.Errorf("list reservations: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanReservation)
	if err != nil {
		return ReservationPage{}, fmt.Errorf("list reservations: %w", err)
	}
	return keyset.Cut(list, limit, func(r *Reservation) string { return scope.Encode(keyset.Int(r.seq), keyset.Text(r.ReservationID)) }), nil
}

func (f Filter) query() (sql string, args []any, scope keyset.Scope, limit int, err error) {
	if err = errors.Join(keyset.CheckText("sku_prefix", f.SKUPrefix), keyset.CheckText("location", f.Locations...)); err != nil {
		return "", nil, scope, 0, err
	}
	f.Locations = slices.Compact(slices.Sorted(slices.Values(f.Locations)))
	if limit, err = keyset.Limit(f.Limit); err != nil {
		return "", nil, scope, 0, err
	}
	if scope, err = keyset.NewScope("stock", &f); err != nil {
		return "", nil, scope, 0, err
	}
	var w keyset.Where
	if f.SKUPrefix != "" {
		w.Add("sku >= ? AND sku < ?", f.SKUPrefix, keyset.PrefixEnd(f.SKUPrefix))
	}
	if len(f.Locations) > 0 {
		w.Add("location = ANY (?)", f.Locations)
	}
	if f.AvailableBelow != nil {
		w.Add("available < ?", *f.AvailableBelow)
	}
	yesNo(&w, f.Oversold, "short > 0", "short = 0")
	yesNo(&w, f.Backordered, "backordered > 0", "backordered = 0")
	if f.Cursor != "" {
		keys, err := scope.Decode(f.Cursor, keyset.Text(""), keyset.Text(""))
		if err != nil {
			return "", nil, scope, 0, err
		}
		w.Add("(sku, location) > (?, ?)", keys[0].Text(), keys[1].Text())
	}
	place := w.Arg(limit + 1)
	return "SELECT " + levelColumns + " FROM readmodel.stock_levels" + w.String() + " ORDER BY sku, location LIMIT " + place, w.Args(), scope, limit, nil
}

// yesNo adds one of two conditions, if one was asked for. They are constant, so that a partial index is seen to fit.
func yesNo(w *keyset.Where, asked *bool, yes, no string) {
	switch {
	case asked == nil:
	case *asked:
		w.Add(yes)
	default:
		w.Add(no)
	}
}

func (f ReservationFilter) query() (sql string, args []any, scope keyset.Scope, limit int, err error) {
	if f.OrderID == "" && f.SKU == "" {
		return "", nil, scope, 0, &keyset.FilterError{Field: "order_id", Reason: "or sku is needed"}
	}
	err = errors.Join(keyset.CheckText("order_id", f.OrderID), keyset.CheckText("sku", f.SKU), keyset.CheckText("location", f.Location))
	if err != nil {
		return "", nil, scope, 0, err
	}
	if limit, err = keyset.Limit(f.Limit); err != nil {
		return "", nil, scope, 0, err
	}
	if scope, err = keyset.NewScope("reservations", &f); err != nil {
		return "", nil, scope, 0, err
	}
	var w keyset.Where
	if f.OrderID != "" {
		w.Add("order_id = ?", f.OrderID)
	}
	if f.SKU != "" {
		w.Add("sku = ?", f.SKU)
	}
	if f.Location != "" {
		w.Add("location = ?", f.Location)
	}
	if !f.Ended {
		w.Add("open")
	}
	if f.Cursor != "" {
		keys, err := scope.Decode(f.Cursor, keyset.Int(0), keyset.Text(""))
		if err != nil {
			return "", nil, scope, 0, err
		}
		w.Add("(seq, reservation_id) > (?, ?)", keys[0].Int(), keys[1].Text())
	}
	place := w.Arg(limit + 1)
	return "SELECT " + reservationColumns + " FROM readmodel.stock_reservations" + w.String() + " ORDER BY seq, reservation_id LIMIT " + place, w.Args(), scope, limit, nil
}

func scanLevel(row pgx.CollectableRow) (Level, error) {
	var l Level
	err := row.Scan(&l.SKU, &l.Location, &l.OnHand, &l.Unavailable, &l.Damaged, &l.QualityControl, &l.Other, &l.Safety, &l.Reserved,
		&l.Held, &l.Confirmed, &l.Allocated, &l.Backordered, &l.Available, &l.BackorderLimit, &l.Threshold, &l.Short, &l.UpdatedAt, &l.Version, &l.Position)
	l.Oversold = l.Short > 0
	l.UpdatedAt = l.UpdatedAt.UTC()
	return l, err
}

func scanReservation(row pgx.CollectableRow) (Reservation, error) {
	var r Reservation
	var expires *time.Time
	err := row.Scan(&r.ReservationID, &r.SKU, &r.Location, &r.OrderID, &r.State, &r.Asked, &r.Quantity, &r.Allocated, &r.Backordered, &r.Issued,
		&expires, &r.ReservedAt, &r.UpdatedAt, &r.Position, &r.seq)
	if expires != nil {
		r.ExpiresAt = expires.UTC()
	}
	r.ReservedAt, r.UpdatedAt = r.ReservedAt.UTC(), r.UpdatedAt.UTC()
	return r, err
}
