package stock

import "waybill/domain"

// FillBackorders gives free units to reservations that wait. What brings units does that by itself; this goes on where it
// stopped at [FactFill] or [SpareFill] reservations.
type FillBackorders struct {
	Key
	Now domain.Time
}

// BackorderFilled records that units of a reservation wait no longer: they are covered by what lies there.
type BackorderFilled struct {
	OrderID       string      `msgpack:"order_id,omitempty"`
	ReservationID string      `msgpack:"reservation_id,omitempty"`
	Quantity      int64       `msgpack:"quantity"`
	Waiting       int64       `msgpack:"waiting"` // units that still wait
	At            domain.Time `msgpack:"at"`
}

// CommandType implements [Command].
func (FillBackorders) CommandType() string { return CommandFillBackorders }

// EventType implements [Event].
func (BackorderFilled) EventType() string { return TypeBackorderFilled }

// SchemaVersion implements [Event].
func (BackorderFilled) SchemaVersion() int16 { return schemaFirst }

// Order implements [Event].
func (e BackorderFilled) Order() string { return e.OrderID }

func (c FillBackorders) decide(i *Item) ([]Event, error) { //nolint:unparam // the form of all commands; nothing can be wrong with this one
	return i.fill(c.Now, i.Free(), FactFill, nil), nil
}

func (e BackorderFilled) count(s *Sums) {
	s.Reserved += e.Quantity
	s.Backordered -= e.Quantity
}

func (e BackorderFilled) apply(i *Item) {
	if r, ok := i.open[e.ReservationID]; ok {
		i.change(r, e.At, StateReleased, func() {
			r.FromStock += e.Quantity
			r.Backordered -= e.Quantity
		})
	}
	i.UpdatedAt = e.At
}
