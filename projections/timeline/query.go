package timeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"waybill/eventstore"
	"waybill/projections"
	"waybill/projections/keyset"
)

const eventColumns = "position, stream, version, event_id, command_id, type, schema, data, meta, recorded_at"

// Get returns one page of the timeline of an order. An order that the model does not know has an empty one.
func Get(ctx context.Context, db keyset.Querier, refused Outcomes, f Filter) (Page, error) {
	q, err := f.query()
	if err != nil {
		return Page{}, fmt.Errorf("timeline of order %s: %w", f.OrderID, err)
	}
	events, err := q.events(ctx, db)
	if err != nil {
		return Page{}, fmt.Errorf("timeline of order %s: %w", f.OrderID, err)
	}
	outcomes, err := q.outcomes(ctx, refused)
	if err != nil {
		return Page{}, fmt.Errorf("timeline of order %s: %w", f.OrderID, err)
	}
	items := append(events, outcomes...)
	slices.SortFunc(items, func(a, b item) int {
		if f.OldestFirst {
			return a.place.compare(b.place)
		}
		return b.place.compare(a.place)
	})
	page := keyset.Cut(items, q.limit, func(i *item) string { return q.scope.Encode(i.place.keys()...) })
	list := Page{HasMore: page.HasMore, NextCursor: page.NextCursor, Data: make([]Entry, 0, len(page.Data))}
	for i := range page.Data {
		list.Data = append(list.Data, page.Data[i].entry(f.Personal))
	}
	return list, nil
}

// Events returns the events that belong to an order, in log order, as far as u lets them through: what
// orderdetail.Fold needs to show the order as it was. It reads them all; an order has a few dozen.
func Events(ctx context.Context, db keyset.Querier, orderID string, u Until) ([]projections.Event, error) {
	var w keyset.Where
	w.Add("order_id = ?", orderID)
	if u.Position > 0 {
		w.Add("position <= ?", u.Position)
	}
	if !u.At.IsZero() {
		w.Add("recorded_at <= ?", u.At.UTC())
	}
	if u.Version > 0 { // up to the position of that version of the order's own stream
		w.Add(`position <= coalesce((
			SELECT max(position) FROM readmodel.order_timeline
			WHERE order_id = ? AND stream = ? AND version <= ?), 0)`, orderID, ownStream(orderID), u.Version)
	}
	rows, err := db.Query(ctx, "SELECT "+eventColumns+" FROM readmodel.order_timeline"+w.String()+" ORDER BY position", w.Args()...)
	if err != nil {
		return nil, fmt.Errorf("events of order %s: %w", orderID, err)
	}
	events, err := pgx.CollectRows(rows, scanEvent)
	if err != nil {
		return nil, fmt.Errorf("events of order %s: %w", orderID, err)
	}
	return events, nil
}

// item is an entry before it is rendered.
type item struct {
	place   place
	event   *projections.Event
	outcome *eventstore.Outcome
}

func (i *item) entry(personal bool) Entry {
	if i.event != nil {
		return eventEntry(i.event, personal)
	}
	return refusedEntry(i.outcome)
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.position, q.position), cmp.Compare(p.rank, q.rank), cmp.Compare(p.at, q.at),
		slices.Compare(p.id[:], q.id[:]))
}

func (p place) keys() []keyset.Key {
	return []keyset.Key{keyset.Int(p.position), keyset.Int(p.rank), keyset.Int(p.at), keyset.Text(string(p.id[:]))}
}

// query is a filter that was checked.
type query struct {
	Filter

	scope keyset.Scope
	limit int
	after *place // nil: from the start
}

func (f Filter) query() (query, error) {
	q := query{Filter: f}
	if err := errors.Join(keyset.CheckText("order_id", f.OrderID), keyset.CheckText("type", f.Types...)); err != nil {
		return q, err
	}
	q.Types = slices.Compact(slices.Sorted(slices.Values(f.Types)))
	var err error
	if q.limit, err = keyset.Limit(f.Limit); err != nil {
		return q, err
	}
	if q.scope, err = keyset.NewScope("timeline", &q.Filter); err != nil {
		return q, err
	}
	if f.Cursor == "" {
		return q, nil
	}
	keys, err := q.scope.Decode(f.Cursor, place{}.keys()...)
	if err != nil {
		return q, err
	}
	id, err := uuid.FromBytes([]byte(keys[3].Text()))
	if err != nil {
		return q, fmt.Errorf("%w: no id where one belongs", keyset.ErrBadCursor)
	}
	q.after = &place{position: keys[0].Int(), rank: keys[1].Int(), at: keys[2].Int(), id: id}
	return q, nil
}

// events reads one event more than the page has room for.
func (q *query) events(ctx context.Context, db keyset.Querier) ([]item, error) {
	var w keyset.Where
	w.Add("order_id = ?", q.OrderID)
	if len(q.Types) > 0 {
		w.Add("type = ANY (?)", q.Types)
	}
	by := "position DESC"
	if q.OldestFirst {
		by = "position"
	}
	switch {
	case q.after == nil:
	case q.OldestFirst:
		w.Add("position > ?", q.after.position)
	case q.after.rank > 0: // behind a refused command comes the event at its own position
		w.Add("position <= ?", q.after.position)
	default:
		w.Add("position < ?", q.after.position)
	}
	limit := w.Arg(q.limit + 1)
	rows, err := db.Query(ctx, "SELECT "+eventColumns+" FROM readmodel.order_timeline"+w.String()+" ORDER BY "+by+" LIMIT "+limit, w.Args()...)
	if err != nil {
		return nil, err
	}
	events, err := pgx.CollectRows(rows, scanEvent)
	if err != nil {
		return nil, err
	}
	items := make([]item, len(events))
	for i := range events {
		items[i] = item{place: place{position: events[i].Position}, event: &events[i]}
	}
	return items, nil
}

// outcomes returns the refused commands that come after the cursor.
func (q *query) outcomes(ctx context.Context, refused Outcomes) ([]item, error) {
	if refused == nil {
		return nil, nil
	}
	outcomes, err := refused.OutcomesByKey(ctx, q.OrderID, maxRefused)
	if err != nil {
		return nil, err
	}
	var items []item
	for i := range outcomes {
		o := &outcomes[i]
		if o.Verdict == nil || !o.Verdict.Refused || (len(q.Types) > 0 && !slices.Contains(q.Types, o.Verdict.Type)) {
			continue
		}
		p := place{position: o.Receipt.Last, rank: refusedRank, at: o.RecordedAt.UnixMicro(), id: o.CommandID}
		if q.after != nil {
			c := p.compare(*q.after)
			if c == 0 || (c > 0) != q.OldestFirst {
				continue
			}
		}
		items = append(items, item{place: p, outcome: o})
	}
	return items, nil
}

func scanEvent(row pgx.CollectableRow) (projections.Event, error) {
	var e projections.Event
	var command *uuid.UUID
	err := row.Scan(&e.Position, &e.Stream, &e.Version, &e.ID, &command, &e.Type, &e.Schema, &e.Data, &e.Event.Meta, &e.RecordedAt)
	if err != nil {
		return e, err
	}
	if command != nil {
		e.CommandID = *command
	}
	e.RecordedAt = e.RecordedAt.UTC()
	e.Meta, err = eventstore.DecodeMeta(e.Event.Meta)
	return e, err
}
