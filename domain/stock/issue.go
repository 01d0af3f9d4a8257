package stock

import (
	"cmp"

	"waybill/domain"
)

// Issue says that units of reservations of one order have left with a fulfilment. It is a fact, so it is recorded even if
// they were not allocated to it: then an [AnomalyDetected] follows, and nothing is taken from the reservation, because the
// units may be those of somebody else.
type Issue struct {
	Key
	MovementID   string // makes a repeated issue harmless; such as the id of the parcel
	OrderID      string
	FulfilmentID string
	Parts        []Units
	Now          domain.Time
}

// IssuedPart is what left for one reservation.
type IssuedPart struct {
	ReservationID string `msgpack:"reservation_id,omitempty"`
	Quantity      int64  `msgpack:"quantity"`              // units that were allocated to the fulfilment
	Unallocated   int64  `msgpack:"unallocated,omitempty"` // units that were not
	Closed        bool   `msgpack:"closed"`                // nothing of the reservation is left
}

// Issued records units that have left.
type Issued struct {
	MovementID   string       `msgpack:"movement_id,omitempty"`
	OrderID      string       `msgpack:"order_id,omitempty"`
	FulfilmentID string       `msgpack:"fulfilment_id,omitempty"`
	Parts        []IssuedPart `msgpack:"parts,omitempty"`
	At           domain.Time  `msgpack:"at"`
}

// CommandType implements [Command].
func (Issue) CommandType() string { return CommandIssue }

// EventType implements [Event].
func (Issued) EventType() string { return TypeIssued }

// SchemaVersion implements [Event].
func (Issued) SchemaVersion() int16 { return schemaFirst }

// Order implements [Event].
func (e Issued) Order() string { return e.OrderID }

// movement returns what is remembered of e.
func (e Issued) movement() Movement {
	m := Movement{ID: e.MovementID, Kind: MovementIssue, Detail: e.FulfilmentID}
	for _, p := range e.Parts {
		m.Quantity += p.Quantity + p.Unallocated
	}
	return m
}

func (c Issue) decide(i *Item) ([]Event, error) {
	if err := cmp.Or(domain.CheckID("movement_id", c.MovementID), checkUnits(c.OrderID, c.FulfilmentID, c.Parts)); err != nil {
		return nil, err
	}
	e := Issued{MovementID: c.MovementID, OrderID: c.OrderID, FulfilmentID: c.FulfilmentID, At: c.Now}
	facts := []Event{e}
	for _, p := range c.Parts {
		part := i.issue(c.OrderID, c.FulfilmentID, p)
		e.Parts = append(e.Parts, part)
		if part.Unallocated > 0 {
			facts = append(facts, AnomalyDetected{
				Kind: AnomalyIssuedUnallocated, OrderID: c.OrderID, FulfilmentID: c.FulfilmentID,
				ReservationID: p.ReservationID, Quantity: part.Unallocated, At: c.Now,
			})
		}
	}
	facts[0] = e
	m := e.movement()
	done, err := i.moved(m, -m.Quantity)
	if done || err != nil {
		return nil, err
	}
	return i.settleFact(c.Now, facts...), nil
}

// issue returns what it means that units of a reservation have left: no more of them were allocated than are.
func (i *Item) issue(orderID, fulfilmentID string, p Units) IssuedPart {
	part := IssuedPart{ReservationID: p.ReservationID, Unallocated: p.Quantity}
	r, ok := i.open[p.ReservationID]
	if !ok || r.OrderID != orderID {
		return part
	}
	if a := r.allocation(fulfilmentID); a != nil {
		part.Quantity = min(p.Quantity, a.Open)
		part.Unallocated -= part.Quantity
		part.Closed = part.Quantity == r.Quantity()
	}
	return part
}

func (e Issued) count(s *Sums) {
	for _, p := range e.Parts {
		s.OnHand -= p.Quantity + p.Unallocated
		s.Issued += p.Quantity + p.Unallocated
		s.Reserved -= p.Quantity
		s.Allocated -= p.Quantity
	}
}

func (e Issued) apply(i *Item) {
	for _, p := range e.Parts {
		if r, ok := i.open[p.ReservationID]; ok && p.Quantity > 0 {
			i.change(r, e.At, StateIssued, func() {
				r.FromStock -= p.Quantity
				r.Issued += p.Quantity
				r.unallocate(e.FulfilmentID, p.Quantity)
			})
		}
	}
	i.remember(e.movement(), e.At)
}
