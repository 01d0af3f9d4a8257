package stock

import (
	"cmp"
	"slices"
	"strings"

	"waybill/domain"
)

// Units are units of one reservation.
type Units struct {
	ReservationID string `msgpack:"reservation_id,omitempty"`
	Quantity      int64  `msgpack:"quantity"` // at least 1
}

// Allocate gives covered units of confirmed reservations of one order to a fulfilment: all parts or none. Units that it does
// not name stay as they are. A fulfilment is given units of a reservation once.
type Allocate struct {
	Key
	OrderID      string
	FulfilmentID string
	Parts        []Units
	Now          domain.Time
}

// Deallocate takes units away from a fulfilment: they are confirmed again, and stay with their reservations.
type Deallocate struct {
	Key
	OrderID        string
	FulfilmentID   string
	DeallocationID string // of the report or the cancellation that caused it, unique in the fulfilment; makes a repeated one harmless
	Parts          []Part // of what is allocated to the fulfilment
	Reason         string
	Now            domain.Time
}

// ReservationAllocated records units that belong to a fulfilment now.
type ReservationAllocated struct {
	OrderID      string      `msgpack:"order_id,omitempty"`
	FulfilmentID string      `msgpack:"fulfilment_id,omitempty"`
	Parts        []Units     `msgpack:"parts,omitempty"`
	At           domain.Time `msgpack:"at"`
}

// ReservationDeallocated records units that belong to no fulfilment any more.
type ReservationDeallocated struct {
	OrderID        string      `msgpack:"order_id,omitempty"`
	FulfilmentID   string      `msgpack:"fulfilment_id,omitempty"`
	DeallocationID string      `msgpack:"deallocation_id,omitempty"`
	Parts          []Units     `msgpack:"parts,omitempty"`
	Reason         string      `msgpack:"reason,omitempty"`
	At             domain.Time `msgpack:"at"`
}

// AllocationReleased records units of a fulfilment that were given back by their order.
type AllocationReleased struct {
	OrderID        string         `msgpack:"order_id,omitempty"`
	FulfilmentID   string         `msgpack:"fulfilment_id,omitempty"`
	DeallocationID string         `msgpack:"deallocation_id,omitempty"`
	Parts          []ReleasedPart `msgpack:"parts,omitempty"` // from stock, all of them
	Reason         string         `msgpack:"reason,omitempty"`
	At             domain.Time    `msgpack:"at"`
}

// CommandType implements [Command].
func (Allocate) CommandType() string { return CommandAllocate }

// CommandType implements [Command].
func (Deallocate) CommandType() string { return CommandDeallocate }

// EventType implements [Event].
func (ReservationAllocated) EventType() string { return TypeReservationAllocated }

// SchemaVersion implements [Event].
func (ReservationAllocated) SchemaVersion() int16 { return schemaFirst }

// Order implements [Event].
func (e ReservationAllocated) Order() string { return e.OrderID }

// EventType implements [Event].
func (ReservationDeallocated) EventType() string { return TypeReservationDeallocated }

// SchemaVersion implements [Event].
func (ReservationDeallocated) SchemaVersion() int16 { return schemaFirst }

// Order implements [Event].
func (e ReservationDeallocated) Order() string { return e.OrderID }

// EventType implements [Event].
func (AllocationReleased) EventType() string { return TypeAllocationReleased }

// SchemaVersion implements [Event].
func (AllocationReleased) SchemaVersion() int16 { return schemaFirst }

// Order implements [Event].
func (e AllocationReleased) Order() string { return e.OrderID }

func (c Allocate) decide(i *Item) ([]Event, error) {
	if err := checkUnits(c.OrderID, c.FulfilmentID, c.Parts); err != nil {
		return nil, err
	}
	ids := make([]string, len(c.Parts))
	for n, p := range c.Parts {
		ids[n] = p.ReservationID
	}
	rs, err := i.find(c.OrderID, ids, c.Now)
	if err != nil {
		return nil, err
	}
	var parts []Units
	var total int64
	for n, r := range rs {
		known, err := r.allocates(c.FulfilmentID, c.Parts[n].Quantity)
		if err != nil {
			return nil, err
		}
		if !known {
			parts = append(parts, c.Parts[n])
			total += c.Parts[n].Quantity
		}
	}
	if len(parts) == 0 {
		return nil, nil
	}
	if possible := i.Allocatable(); total > possible { // a fact took what was promised: who comes first gets what is left
		return nil, InsufficientStock{SKU: c.SKU, Location: c.Location, Requested: total, Available: possible}
	}
	return []Event{ReservationAllocated{OrderID: c.OrderID, FulfilmentID: c.FulfilmentID, Parts: parts, At: c.Now}}, nil
}

// allocates refuses units that cannot be allocated to a fulfilment. known says that they are allocated to it already.
func (r *Reservation) allocates(fulfilmentID string, quantity int64) (known bool, err error) {
	if a := r.allocation(fulfilmentID); a != nil {
		if a.Asked != quantity || a.Open == 0 {
			return false, AllocationConflict{
				ReservationID: r.ID, FulfilmentID: fulfilmentID, Requested: quantity, Allocated: a.Asked, Open: a.Open,
			}
		}
		return true, nil
	}
	if r.State == StateHeld {
		return false, ReservationNotConfirmed{ReservationID: r.ID, ExpiresAt: r.ExpiresAt}
	}
	if possible := r.Unallocated(); quantity > possible {
		return false, QuantityExceedsUnallocated{
			ReservationID: r.ID, Requested: quantity, Possible: possible, Allocated: r.Allocated, Backordered: r.Backordered,
		}
	}
	if len(r.Allocations) >= MaxAllocations {
		return false, domain.LimitExceeded{
			Field: "allocations", Limit: MaxAllocations, Actual: int64(len(r.Allocations)) + 1, Unit: "allocations",
		}
	}
	return false, nil
}

func (e ReservationAllocated) count(s *Sums) {
	for _, p := range e.Parts {
		s.Allocated += p.Quantity
	}
}

func (e ReservationAllocated) apply(i *Item) {
	fulfilmentID := strings.Clone(e.FulfilmentID)
	for _, p := range e.Parts {
		if r, ok := i.open[p.ReservationID]; ok {
			i.change(r, e.At, StateIssued, func() {
				r.Allocations = append(r.Allocations, Allocation{FulfilmentID: fulfilmentID, Asked: p.Quantity, Open: p.Quantity})
				r.Allocated += p.Quantity
			})
		}
	}
	i.UpdatedAt = e.At
}

func (c Deallocate) decide(i *Item) ([]Event, error) {
	t := taking{orderID: c.OrderID, fulfilmentID: c.FulfilmentID, id: c.DeallocationID}
	if err := cmp.Or(domain.CheckText("reason", c.Reason, maxText), t.check(), checkParts(c.Parts)); err != nil {
		return nil, err
	}
	var parts []Units
	for _, p := range c.Parts {
		r, quantity, err := i.takeBack(t, p)
		if err != nil {
			return nil, err
		}
		if quantity > 0 {
			parts = append(parts, Units{ReservationID: r.ID, Quantity: quantity})
		}
	}
	if len(parts) == 0 {
		return nil, nil
	}
	return []Event{ReservationDeallocated{
		OrderID: c.OrderID, FulfilmentID: c.FulfilmentID, DeallocationID: c.DeallocationID, Parts: parts, Reason: c.Reason, At: c.Now,
	}}, nil
}

func (e ReservationDeallocated) count(s *Sums) {
	for _, p := range e.Parts {
		s.Allocated -= p.Quantity
	}
}

func (e ReservationDeallocated) apply(i *Item) {
	id := strings.Clone(e.DeallocationID)
	for _, p := range e.Parts {
		if r, ok := i.open[p.ReservationID]; ok {
			i.change(r, e.At, StateReleased, func() { r.take(e.FulfilmentID, Taken{ID: id, Quantity: p.Quantity}) })
		}
	}
	i.UpdatedAt = e.At
}

func (e AllocationReleased) count(s *Sums) {
	for _, p := range e.Parts {
		s.Reserved -= p.FromStock
		s.Allocated -= p.FromStock
	}
}

func (e AllocationReleased) apply(i *Item) {
	id := strings.Clone(e.DeallocationID)
	for _, p := range e.Parts {
		if r, ok := i.open[p.ReservationID]; ok {
			i.change(r, e.At, StateReleased, func() {
				r.FromStock -= p.FromStock
				r.take(e.FulfilmentID, Taken{ID: id, Released: true, Quantity: p.FromStock})
			})
		}
	}
	i.UpdatedAt = e.At
}

// checkUnits refuses units for a fulfilment that no state would accept.
func checkUnits(orderID, fulfilmentID string, parts []Units) error {
	err := cmp.Or(
		domain.CheckID("order_id", orderID), domain.CheckID("fulfilment_id", fulfilmentID), checkCount("reservations", len(parts)),
	)
	if err != nil {
		return err
	}
	for n, p := range parts {
		if err := cmp.Or(domain.CheckID("reservation_id", p.ReservationID), checkRange("quantity", p.Quantity, 1)); err != nil {
			return err
		}
		if slices.ContainsFunc(parts[:n], func(b Units) bool { return b.ReservationID == p.ReservationID }) {
			return repeats(p.ReservationID)
		}
	}
	return nil
}
