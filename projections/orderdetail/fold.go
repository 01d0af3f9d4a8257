package orderdetail

import (
	"fmt"
	"slices"

	"waybill/domain"
	"waybill/domain/order"
	"waybill/domain/stock"
	"waybill/projections"
	"waybill/projections/keyset"
)

// State is what is folded and stored for an order; [State.Detail] makes the document of it. Its zero value is an order
// without events.
type State struct {
	Order        order.Order        `msgpack:"order"`
	HoldsBy      []Author           `msgpack:"holds_by,omitempty"` // who placed the holds
	NotesBy      []Author           `msgpack:"notes_by,omitempty"` // who wrote the notes
	Reservations []ReservationState `msgpack:"reservations,omitempty"`
	Version      int64              `msgpack:"version"`  // of the order's stream
	Position     int64              `msgpack:"position"` // of the last event of any stream
	RecordedAt   domain.Time        `msgpack:"recorded_at"`
}

// Author says who did a thing that has an id.
type Author struct {
	ID    string `msgpack:"id"`
	Actor string `msgpack:"actor"`
}

// ReservationState is stock that is, or was, set aside for the order.
type ReservationState struct {
	ID          string      `msgpack:"id"`
	SKU         string      `msgpack:"sku"`
	Location    string      `msgpack:"location"`
	State       stock.State `msgpack:"state"`
	FromStock   int64       `msgpack:"from_stock"`
	Backordered int64       `msgpack:"backordered"`
	Allocated   int64       `msgpack:"allocated,omitempty"` // of FromStock, what belongs to a fulfilment
	Issued      int64       `msgpack:"issued,omitempty"`
	ExpiresAt   domain.Time `msgpack:"expires_at"`
	UpdatedAt   domain.Time `msgpack:"updated_at"`
}

// Fold returns the document of the order whose events these are, in log order: those of its own stream, and those of
// other streams that belong to it. Types that the projection does not want are passed over, so that the document is the
// stored one whatever else was recorded about the order. Without a placed order the error matches [keyset.ErrNotFound].
func Fold(events []projections.Event) (Detail, error) {
	var s State
	types := Projection{}.Types()
	for i := range events {
		if !slices.Contains(types, events[i].Type) {
			continue
		}
		if err := s.Evolve(&events[i]); err != nil {
			return Detail{}, err
		}
	}
	if s.Version == 0 {
		return Detail{}, fmt.Errorf("fold order: %w", keyset.ErrNotFound)
	}
	return s.Detail(), nil
}

// Evolve folds one event into s: one of the order's own stream, or one of another stream that belongs to the order.
func (s *State) Evolve(e *projections.Event) error {
	if _, ok := order.ParseStream(e.Stream); ok {
		if err := s.evolveOrder(e); err != nil {
			return err
		}
		s.Version = e.Version
	} else if key, ok := itemOf(e.Stream); ok {
		if err := s.evolveStock(e, key); err != nil {
			return err
		}
	}
	s.Position, s.RecordedAt = e.Position, domain.TimeOf(e.RecordedAt)
	return nil
}

func itemOf(stream string) (stock.Key, bool) {
	sku, location, ok := stock.ParseStream(stream)
	return stock.Key{SKU: sku, Location: location}, ok
}

func (s *State) evolveOrder(e *projections.Event) error {
	ev, err := order.Decode(e.Type, e.Schema, e.Data)
	if err != nil {
		return fmt.Errorf("event %d: %w", e.Position, err)
	}
	order.Evolve(&s.Order, ev)
	switch ev := ev.(type) {
	case order.HoldPlaced:
		s.HoldsBy = append(s.HoldsBy, Author{ID: ev.HoldID, Actor: e.Meta.Actor})
	case order.NoteAdded:
		s.NotesBy = append(s.NotesBy, Author{ID: ev.NoteID, Actor: e.Meta.Actor})
	case order.Placed, order.Confirmed, order.Rejected, order.Expired, order.HoldReleased, order.LinesCancelled,
		order.Cancelled, order.Tagged, order.Untagged, order.PaymentPositionChanged, order.AnomalyDetected,
		order.FulfilmentAssigned, order.FulfilmentUnassigned, order.LinesShipped, order.LinesDelivered, order.Completed, order.Archived, order.CancellationRequested, order.CancellationDeclined,
		order.ShippingAddressChanged, order.CustomerLinked, order.AmendmentProposed, order.Amended, order.AmendmentWithdrawn,
		order.RefundGranted, order.RefundSettled, order.RefundSettlementFailed, order.ReturnAuthorised, order.ReturnReleased, order.LinesReturned:
	}
	return nil
}

func (s *State) evolveStock(e *projections.Event, item stock.Key) error {
	ev, err := stock.Decode(e.Type, e.Schema, e.Data)
	if err != nil {
		return fmt.Errorf("event %d: %w", e.Position, err)
	}
	switch ev := ev.(type) {
	case stock.Reserved:
		for _, g := range ev.Reservations {
			s.Reservations = append(s.Reservations, ReservationState{
				ID: g.ReservationID, SKU: item.SKU, Location: item.Location, State: stock.StateHeld,
				FromStock: g.FromStock, Backordered: g.Backordered, ExpiresAt: ev.ExpiresAt, UpdatedAt: ev.At,
			})
		}
	case stock.ReservationExtended:
		s.each(item, ev.ReservationIDs, func(r *ReservationState) { r.ExpiresAt, r.UpdatedAt = ev.ExpiresAt, ev.At })
	case stock.ReservationConfirmed:
		s.each(item, ev.ReservationIDs, func(r *ReservationState) {
			r.State, r.ExpiresAt, r.UpdatedAt = stock.StateConfirmed, 0, ev.At
		})
	case stock.ReservationReleased:
		for _, p := range ev.Parts {
			s.each(item, []string{p.ReservationID}, func(r *ReservationState) {
				r.FromStock -= p.FromStock
				r.Backordered -= p.Backordered
				r.UpdatedAt = ev.At
				if p.Closed {
					r.State, r.ExpiresAt = stock.StateReleased, 0
				} else {
					r.allocate(0, ev.At)
				}
			})
		}
	case stock.ReservationExpired:
		s.each(item, []string{ev.ReservationID}, func(r *ReservationState) {
			r.State, r.FromStock, r.Backordered, r.UpdatedAt = stock.StateExpired, 0, 0, ev.At
		})
	case stock.BackorderFilled:
		s.each(item, []string{ev.ReservationID}, func(r *ReservationState) {
			r.FromStock += ev.Quantity
			r.Backordered -= ev.Quantity
			r.allocate(0, ev.At)
		})
	case stock.ReservationAllocated:
		for _, p := range ev.Parts {
			s.each(item, []string{p.ReservationID}, func(r *ReservationState) { r.allocate(p.Quantity, ev.At) })
		}
	case stock.ReservationDeallocated:
		for _, p := range ev.Parts {
			s.each(item, []string{p.ReservationID}, func(r *ReservationState) { r.allocate(-p.Quantity, ev.At) })
		}
	case stock.AllocationReleased:
		for _, p := range ev.Parts {
			s.each(item, []string{p.ReservationID}, func(r *ReservationState) {
				r.FromStock -= p.FromStock
				r.allocate(-p.FromStock, ev.At)
				if p.Closed {
					r.State = stock.StateReleased
				}
			})
		}
	case stock.Issued:
		for _, p := range ev.Parts {
			s.each(item, []string{p.ReservationID}, func(r *ReservationState) {
				r.FromStock -= p.Quantity
				r.Issued += p.Quantity
				r.allocate(-p.Quantity, ev.At)
				if p.Closed {
					r.State = stock.StateIssued
				}
			})
		}
	case stock.Received, stock.Adjusted, stock.Counted, stock.MadeUnavailable, stock.MadeAvailable, stock.TransferredOut,
		stock.TransferredIn, stock.Restocked, stock.OversoldDetected, stock.AnomalyDetected, stock.BelowThreshold, stock.Depleted,
		stock.BackorderPolicySet, stock.SafetyStockSet, stock.ThresholdSet:
	}
	return nil
}

// allocate adds units to those of r that belong to a fulfilment, or takes them off: r is allocated when all of its units are.
func (r *ReservationState) allocate(quantity int64, at domain.Time) {
	r.Allocated += quantity
	r.UpdatedAt = at
	if r.State == stock.StateHeld {
		return
	}
	r.State = stock.StateConfirmed
	if r.Allocated > 0 && r.Allocated == r.FromStock+r.Backordered {
		r.State = stock.StateAllocated
	}
}

// each calls do for the reservations of an item with these ids.
func (s *State) each(item stock.Key, ids []string, do func(*ReservationState)) {
	for i := range s.Reservations {
		r := &s.Reservations[i]
		if r.SKU == item.SKU && r.Location == item.Location && slices.Contains(ids, r.ID) {
			do(r)
		}
	}
}

// encode returns the stored form of s. Equal states give equal bytes.
func (s *State) encode() ([]byte, error) { return domain.Marshal(s) }

func decodeState(b []byte) (State, error) {
	var s State
	if err := domain.Unmarshal(b, &s); err != nil {
		return State{}, fmt.Errorf("document: %w", err)
	}
	return s, nil
}
