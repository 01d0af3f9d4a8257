package stock

import (
	"cmp"
	"slices"

	"waybill/domain"
)

// Issue says that units of reservations of one order have left with a fulfilment. It is a fact, so it is recorded even if
// they were not allocated to it: then an [AnomalyDetected] follows, and nothing is taken from the reservation, because the
// units may be those of somebody else.
type Issue struct {
	Key
	MovementID   string // with the fulfilment it makes a repeated issue harmless; such as the id of the fulfilment's parcel
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

// movement returns what is remembered of e. The id of a parcel is unique in its fulfilment only, so it takes both to name an
// issue. Ids hold no space.
func (e Issued) movement() Movement {
	m := Movement{ID: e.FulfilmentID + " " + e.MovementID, Kind: MovementIssue}
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
	if old, ok := i.issued(m.ID, c.Parts); ok {
		if old != m {
			return nil, MovementConflict{MovementID: c.MovementID, Kind: MovementIssue, Quantity: old.Quantity}
		}
		return nil, nil
	}
	if err := i.inRange(-m.Quantity); err != nil {
		return nil, err
	}
	return i.settleFact(c.Now, facts...), nil
}

// issued returns what is remembered of an issue: by the reservations that it names as long as they are open, else by the item.
func (i *Item) issued(id string, parts []Units) (Movement, bool) {
	for _, p := range parts {
		if r, ok := i.open[p.ReservationID]; ok {
			for _, m := range r.Issues {
				if m.ID == id {
					return m, true
				}
			}
		}
	}
	return i.issues.find(id)
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
	m := e.movement()
	for _, p := range e.Parts {
		if r, ok := i.open[p.ReservationID]; ok && p.Quantity > 0 {
			i.change(r, e.At, StateIssued, func() {
				r.FromStock -= p.Quantity
				r.Allocated -= p.Quantity
				r.Issued += p.Quantity
				if a := r.allocation(e.FulfilmentID); a != nil {
					a.Open -= p.Quantity
					a.Issued += p.Quantity
				}
			})
			if r.Quantity() > 0 {
				i.rememberWith(r, m)
			}
		}
	}
	i.rememberIssue(m)
	i.UpdatedAt = e.At
}

// rememberWith has an open reservation remember an issue, for as long as it is open: others cannot drive it out.
func (i *Item) rememberWith(r *Reservation, m Movement) {
	if len(r.Issues) >= IssuesOfOne {
		i.rememberIssue(r.Issues[0])
		r.Issues = slices.Delete(r.Issues, 0, 1)
	}
	r.Issues = append(r.Issues, m)
}

func (i *Item) rememberIssue(m Movement) { i.issues.add(m.ID, m, IssueMemory, movementID) }
