package stuckorders

import (
	"cmp"
	"fmt"
	"slices"

	"waybill/domain"
	"waybill/domain/money"
	"waybill/domain/order"
	"waybill/domain/stock"
)

// state is what is known of an order that may come to wait; it is stored with the row.
type state struct {
	Number      string              `msgpack:"number"`
	Channel     string              `msgpack:"channel"`
	CustomerID  string              `msgpack:"customer_id"`
	Lifecycle   order.Lifecycle     `msgpack:"lifecycle"`
	EnteredAt   domain.Time         `msgpack:"entered_at"` // when it came into this lifecycle, by the log
	PlacedAt    domain.Time         `msgpack:"placed_at"`
	Currency    money.Currency      `msgpack:"currency"`
	Grand       int64               `msgpack:"grand"`
	Credited    int64               `msgpack:"credited"`
	Units       int64               `msgpack:"units"` // ordered less cancelled
	Reserve     order.ReservePolicy `msgpack:"reserve"`
	PaymentKind order.PaymentKind   `msgpack:"payment_kind"`
	PayBy       domain.Time         `msgpack:"pay_by"`
	Holds       []holdState         `msgpack:"holds,omitempty"`        // those that are not released
	Claims      []claim             `msgpack:"reservations,omitempty"` // those that are open
	Expired     bool                `msgpack:"expired"`                // a reservation of it has expired
	Payments    []paymentState      `msgpack:"payments,omitempty"`
	Cancelled   int64               `msgpack:"cancelled"`        // units
	Asked       string              `msgpack:"asked,omitempty"`  // the cancellation of the whole order that waits
	Before      order.Lifecycle     `msgpack:"before,omitempty"` // where the order stood when that was asked for
}

// paymentState is what one payment could bring, or has brought.
type paymentState struct {
	ID       string `msgpack:"id"`
	Good     int64  `msgpack:"good"`     // authorised or captured
	Captured int64  `msgpack:"captured"` // and not paid back
}

// holdState is a hold that is not released.
type holdState struct {
	ID     string         `msgpack:"id"`
	Kind   order.HoldKind `msgpack:"kind"`
	Blocks []order.Verb   `msgpack:"blocks,omitempty"`
	By     string         `msgpack:"by"`
	Since  domain.Time    `msgpack:"since"` // by the log
	Until  domain.Time    `msgpack:"until"`
}

// claim is an open reservation.
type claim struct {
	ID          string      `msgpack:"id"`
	SKU         string      `msgpack:"sku"`
	Location    string      `msgpack:"location"`
	State       stock.State `msgpack:"state"`
	FromStock   int64       `msgpack:"from_stock"`
	Backordered int64       `msgpack:"backordered"`
	ExpiresAt   domain.Time `msgpack:"expires_at"`
}

// end takes covered units off c, which ends in a state when nothing is left.
func (c *claim) end(quantity int64, closed bool, how stock.State) {
	c.FromStock -= quantity
	if closed {
		c.State = how
	}
}

func decodeState(b []byte) (state, error) {
	var s state
	if err := domain.Unmarshal(b, &s); err != nil {
		return state{}, fmt.Errorf("stored state: %w", err)
	}
	return s, nil
}

// unfinished reports whether the order is on its way to another lifecycle.
func (s *state) unfinished() bool {
	switch s.Lifecycle {
	case order.LifecyclePending, order.LifecycleCancelling:
		return true
	case order.LifecycleNone, order.LifecycleConfirmed, order.LifecycleCompleted, order.LifecycleRejected,
		order.LifecycleExpired, order.LifecycleCancelled:
	}
	return false
}

// closed reports whether nothing more comes: a hold on such an order keeps nothing waiting.
func (s *state) closed() bool {
	switch s.Lifecycle {
	case order.LifecycleRejected, order.LifecycleExpired, order.LifecycleCancelled, order.LifecycleCompleted:
		return true
	case order.LifecycleNone, order.LifecyclePending, order.LifecycleConfirmed, order.LifecycleCancelling:
	}
	return false
}

// since returns since when the order waits, zero if it does not.
func (s *state) since() domain.Time {
	if s.closed() || s.Lifecycle == order.LifecycleNone {
		return 0
	}
	first := domain.Time(0)
	if s.unfinished() {
		first = s.EnteredAt
	}
	for i := range s.Holds {
		if t := s.Holds[i].Since; first == 0 || t < first {
			first = t
		}
	}
	return first
}

// heldUntil returns when the last of the holds runs out by itself, zero if one never does, or if there is none.
func (s *state) heldUntil() domain.Time {
	last := domain.Time(0)
	for i := range s.Holds {
		if s.Holds[i].Until == 0 {
			return 0
		}
		last = max(last, s.Holds[i].Until)
	}
	return last
}

// foldOrder brings in an event of the order, recorded at a time for an actor.
func (s *state) foldOrder(ev order.Event, at domain.Time, actor string) {
	enter := func(l order.Lifecycle) { s.Lifecycle, s.EnteredAt = l, at }
	switch ev := ev.(type) {
	case order.Placed:
		enter(order.LifecyclePending)
		s.place(&ev)
	case order.Confirmed:
		enter(order.LifecycleConfirmed)
	case order.Rejected:
		enter(order.LifecycleRejected)
	case order.Expired:
		enter(order.LifecycleExpired)
	case order.HoldPlaced:
		s.Holds = append(s.Holds, holdState{ID: ev.HoldID, Kind: ev.Kind, Blocks: ev.Blocks, By: actor, Since: at, Until: ev.Until})
	case order.HoldReleased:
		s.Holds = slices.DeleteFunc(s.Holds, func(h holdState) bool { return h.ID == ev.HoldID })
	case order.LinesCancelled:
		for _, l := range ev.Lines {
			s.Units -= l.Quantity
			s.Cancelled += l.Quantity
		}
		s.Credited += ev.Credit.Minor
		s.answered(ev.CancellationID, at)
	case order.CancellationRequested:
		if ev.Whole {
			s.Asked, s.Before = ev.CancellationID, s.Lifecycle
			enter(order.LifecycleCancelling)
		}
	case order.CancellationDeclined:
		if ev.Final {
			s.answered(ev.CancellationID, at)
		}
	case order.Cancelled:
		enter(order.LifecycleCancelled)
		s.Credited += ev.Credit.Minor
	case order.PaymentPositionChanged:
		s.pay(&ev)
	case order.RefundGranted:
		if ev.Basis.Entitles() {
			s.Credited += ev.Amount.Minor
		}
	case order.Amended:
		s.Grand, s.Units = ev.After.Grand.Minor, -s.Cancelled
		for i := range ev.Lines {
			s.Units += ev.Lines[i].Quantity
		}
	case order.CustomerLinked:
		s.CustomerID = ev.CustomerID
	case order.Completed:
		enter(order.LifecycleCompleted)
	case order.NoteAdded, order.Tagged, order.Untagged, order.AnomalyDetected, order.FulfilmentAssigned, order.FulfilmentUnassigned,
		order.LinesShipped, order.LinesDelivered, order.Archived, order.RefundSettled, order.RefundSettlementFailed,
		order.ReturnAuthorised, order.ReturnReleased, order.LinesReturned, order.ShippingAddressChanged,
		order.AmendmentProposed, order.AmendmentWithdrawn:
	}
}

// answered ends the cancellation of the whole order, if it is that: the order stands where it stood.
func (s *state) answered(cancellation string, at domain.Time) {
	if s.Asked != "" && s.Asked == cancellation {
		s.Lifecycle, s.EnteredAt, s.Asked, s.Before = s.Before, at, "", order.LifecycleNone
	}
}

func (s *state) pay(e *order.PaymentPositionChanged) {
	captured := e.Captured.Minor - e.Refunded.Minor - e.Disputed.Minor
	p := paymentState{ID: e.PaymentID, Good: max(e.Authorised.Minor-e.Refunded.Minor, captured), Captured: captured}
	if i := slices.IndexFunc(s.Payments, func(p paymentState) bool { return p.ID == e.PaymentID }); i >= 0 {
		s.Payments[i] = p
	} else {
		s.Payments = append(s.Payments, p)
	}
}

func (s *state) place(p *order.Placed) {
	d := &p.Details
	s.Number, s.Channel, s.CustomerID = d.Number, d.Channel, d.CustomerID
	s.PlacedAt = cmp.Or(d.PlacedAt, p.At)
	s.Currency, s.Grand = d.Currency, d.Totals.Grand.Minor
	s.Reserve, s.PaymentKind, s.PayBy = d.ReservePolicy, d.PaymentTerms.Kind, d.PaymentTerms.PayBy
	for i := range d.Lines {
		s.Units += d.Lines[i].Quantity
	}
}

// foldStock brings in an event of an item of which the order holds, or held, reservations.
func (s *state) foldStock(ev stock.Event, sku, location string) {
	switch ev := ev.(type) {
	case stock.Reserved:
		s.Expired = false
		for _, g := range ev.Reservations {
			s.Claims = append(s.Claims, claim{
				ID: g.ReservationID, SKU: sku, Location: location, State: stock.StateHeld,
				FromStock: g.FromStock, Backordered: g.Backordered, ExpiresAt: ev.ExpiresAt,
			})
		}
	case stock.ReservationExtended:
		s.each(sku, location, ev.ReservationIDs, func(c *claim) { c.ExpiresAt = ev.ExpiresAt })
	case stock.ReservationConfirmed:
		s.each(sku, location, ev.ReservationIDs, func(c *claim) { c.State, c.ExpiresAt = stock.StateConfirmed, 0 })
	case stock.ReservationReleased:
		for _, p := range ev.Parts {
			s.each(sku, location, []string{p.ReservationID}, func(c *claim) {
				c.FromStock -= p.FromStock
				c.Backordered -= p.Backordered
				if p.Closed {
					c.State = stock.StateReleased
				}
			})
		}
	case stock.ReservationExpired:
		s.Expired = true
		s.each(sku, location, []string{ev.ReservationID}, func(c *claim) { c.State = stock.StateExpired })
	case stock.BackorderFilled:
		s.each(sku, location, []string{ev.ReservationID}, func(c *claim) {
			c.FromStock += ev.Quantity
			c.Backordered -= ev.Quantity
		})
	case stock.AllocationReleased:
		for _, p := range ev.Parts {
			s.each(sku, location, []string{p.ReservationID}, func(c *claim) { c.end(p.FromStock, p.Closed, stock.StateReleased) })
		}
	case stock.Issued:
		for _, p := range ev.Parts {
			s.each(sku, location, []string{p.ReservationID}, func(c *claim) { c.end(p.Quantity, p.Closed, stock.StateIssued) })
		}
	case stock.ReservationAllocated, stock.ReservationDeallocated: // still confirmed, as far as waiting goes
	case stock.Received, stock.Adjusted, stock.Counted, stock.MadeUnavailable, stock.MadeAvailable, stock.TransferredOut,
		stock.TransferredIn, stock.Restocked, stock.OversoldDetected, stock.AnomalyDetected, stock.BelowThreshold, stock.Depleted,
		stock.BackorderPolicySet, stock.SafetyStockSet, stock.ThresholdSet:
	}
	s.Claims = slices.DeleteFunc(s.Claims, func(c claim) bool {
		return c.State == stock.StateReleased || c.State == stock.StateExpired || c.State == stock.StateIssued
	})
}

// each changes the open reservations of an item with these ids.
func (s *state) each(sku, location string, ids []string, change func(*claim)) {
	for i := range s.Claims {
		if c := &s.Claims[i]; c.SKU == sku && c.Location == location && slices.Contains(ids, c.ID) {
			change(c)
		}
	}
}
