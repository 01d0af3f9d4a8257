package stock

import (
	"cmp"

	"waybill/domain"
)

// Taken is one time that units were taken away from a fulfilment, kept so that a repeated one is recognised.
type Taken struct {
	ID       string `msgpack:"deallocation_id,omitempty"`
	Released bool   `msgpack:"released"` // given back by their order, and not only confirmed again
	Quantity int64  `msgpack:"quantity"`
	Open     int64  `msgpack:"open"`   // units that the fulfilment had before
	Issued   int64  `msgpack:"issued"` // units that had left with it before
}

// taking is a request to take units away from a fulfilment.
type taking struct {
	orderID, fulfilmentID, id string

	released bool // they are given back, and not only confirmed again
}

func (t taking) check() error {
	return cmp.Or(domain.CheckID("fulfilment_id", t.fulfilmentID), domain.CheckID("deallocation_id", t.id))
}

// of returns how many units p takes away from a fulfilment that has open units, and with which issued ones have left.
func (p Part) of(open, issued int64) int64 {
	return cmp.Or(p.Quantity, max(0, min(open, open+issued-p.Keep)))
}

// takeBack returns how many units of which reservation p takes away from a fulfilment: none if it has done so.
func (i *Item) takeBack(t taking, p Part) (*Reservation, int64, error) {
	r, ok := i.open[p.ReservationID]
	if !ok {
		return nil, 0, i.tookBack(t, p)
	}
	if r.OrderID != t.orderID {
		return nil, 0, UnknownReservation{ReservationID: p.ReservationID, OrderID: t.orderID}
	}
	a := r.allocation(t.fulfilmentID)
	if a == nil {
		return nil, 0, UnknownAllocation{ReservationID: p.ReservationID, FulfilmentID: t.fulfilmentID}
	}
	if done, err := t.done(a, p); done || err != nil {
		return nil, 0, err
	}
	quantity := p.of(a.Open, a.Issued)
	if quantity > a.Open {
		return nil, 0, QuantityExceedsAllocated{
			ReservationID: r.ID, FulfilmentID: t.fulfilmentID, Requested: quantity, Allocated: a.Open,
		}
	}
	if quantity > 0 && len(a.Taken) >= MaxDeallocations {
		return nil, 0, domain.LimitExceeded{
			Field: "deallocations", Limit: MaxDeallocations, Actual: int64(len(a.Taken)) + 1, Unit: "deallocations",
		}
	}
	return r, quantity, nil
}

// tookBack refuses to take units of a reservation that is not open, unless that was done before it ended.
func (i *Item) tookBack(t taking, p Part) error {
	closed, ok := i.closed.find(p.ReservationID)
	if ok && closed.OrderID == t.orderID {
		if a := allocationOf(closed.Allocations, t.fulfilmentID); a != nil {
			if done, err := t.done(a, p); done || err != nil {
				return err
			}
		}
		if t.released && closed.State == StateReleased && p.Quantity == 0 {
			return nil
		}
	}
	return cmp.Or(i.ended(p.ReservationID), error(UnknownReservation{ReservationID: p.ReservationID, OrderID: t.orderID}))
}

// done reports whether p was taken of an allocation already. What would have taken other units then is refused.
func (t taking) done(a *Allocation, p Part) (bool, error) {
	for _, k := range a.Taken {
		if k.ID != t.id {
			continue
		}
		if k.Released != t.released || p.of(k.Open, k.Issued) != k.Quantity {
			return false, DeallocationConflict{
				ReservationID: p.ReservationID, FulfilmentID: t.fulfilmentID, DeallocationID: t.id, Taken: k.Quantity, Released: k.Released,
			}
		}
		return true, nil
	}
	return false, nil
}

// releaseAllocated is [Item.release] for units that are allocated to a fulfilment.
func (i *Item) releaseAllocated(t taking, p Part) (ReleasedPart, error) {
	r, quantity, err := i.takeBack(t, p)
	if err != nil || quantity == 0 {
		return ReleasedPart{}, err
	}
	return ReleasedPart{ReservationID: r.ID, FromStock: quantity, Closed: quantity == r.Quantity()}, nil
}

// take takes units of r away from a fulfilment, and remembers it.
func (r *Reservation) take(fulfilmentID string, t Taken) {
	r.Allocated -= t.Quantity
	if a := r.allocation(fulfilmentID); a != nil {
		t.Open, t.Issued = a.Open, a.Issued
		a.Open -= t.Quantity
		a.Taken = append(a.Taken, t)
	}
}

// remembered returns the allocations that something is to be remembered of when r has ended.
func (r *Reservation) remembered() []Allocation {
	var kept []Allocation
	for _, a := range r.Allocations {
		if len(a.Taken) > 0 {
			kept = append(kept, a)
		}
	}
	return kept
}
