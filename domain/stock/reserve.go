package stock

import (
	"slices"
	"strings"

	"waybill/domain"
)

// Ask is one reservation that is asked for.
type Ask struct {
	ReservationID  string // see [ReservationID]
	Quantity       int64  // 1 to MaxQuantity
	AllowBackorder bool   // units that are not there may wait for a receipt, if the item's policy has room
}

// Reserve asks for units for one order: all reservations or none. The caller puts all that an order needs of this
// item into one command, so that two lines of one SKU are never counted against the same unit.
type Reserve struct {
	Key
	OrderID      string
	Reservations []Ask
	ExpiresAt    domain.Time // after Now
	Now          domain.Time
}

// Granted is one reservation that was made: from_stock + backordered is what was asked for.
type Granted struct {
	ReservationID string `msgpack:"reservation_id,omitempty"`
	FromStock     int64  `msgpack:"from_stock"`
	Backordered   int64  `msgpack:"backordered"`
}

// Reserved records reservations of one order, held until ExpiresAt.
type Reserved struct {
	OrderID      string      `msgpack:"order_id,omitempty"`
	Reservations []Granted   `msgpack:"reservations,omitempty"`
	ExpiresAt    domain.Time `msgpack:"expires_at"`
	At           domain.Time `msgpack:"at"`
}

// CommandType implements [Command].
func (Reserve) CommandType() string { return CommandReserve }

// EventType implements [Event].
func (Reserved) EventType() string { return TypeReserved }

// SchemaVersion implements [Event].
func (Reserved) SchemaVersion() int16 { return schemaFirst }

// Order implements [Event].
func (e Reserved) Order() string { return e.OrderID }

func (c Reserve) decide(i *Item) ([]Event, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	fresh, err := c.fresh(i)
	if err != nil || len(fresh) == 0 {
		return nil, err
	}
	var firm, asked int64 // units that must come from stock, and all units
	for _, a := range fresh {
		asked += a.Quantity
		if !a.AllowBackorder {
			firm += a.Quantity
		}
	}
	spare := i.Free() - i.Backordered // unclamped: what is missing for the waiting comes before the new
	if spare > MaxQuantity || asked > MaxQuantity-i.Reserved-i.Backordered {
		return nil, domain.LimitExceeded{Field: "quantity", Limit: MaxQuantity, Actual: asked, Unit: "units"}
	}
	events, claims := i.expireClaims(c.Now, asked-spare)
	spare += claims.FromStock + claims.Backordered
	available := max(0, spare)
	if firm > available {
		return nil, InsufficientStock{SKU: c.SKU, Location: c.Location, Requested: asked, Available: available}
	}
	if wait := asked - available; wait > 0 && wait > i.BackorderLimit-(i.Backordered-claims.Backordered) {
		if i.BackorderLimit == 0 {
			return nil, InsufficientStock{SKU: c.SKU, Location: c.Location, Requested: asked, Available: available}
		}
		return nil, BackorderLimitReached{
			SKU: c.SKU, Location: c.Location, Requested: asked, Available: available,
			Backordered: i.Backordered - claims.Backordered, Limit: i.BackorderLimit,
		}
	}
	return i.settle(c.Now, SpareFill, append(events, Reserved{
		OrderID: c.OrderID, Reservations: grant(fresh, available, firm), ExpiresAt: c.ExpiresAt, At: c.Now,
	})), nil
}

// grant shares available units out: to those who cannot wait first, then to the others in the order in which they ask.
func grant(asks []Ask, available, firm int64) []Granted {
	granted := make([]Granted, len(asks))
	spare := available - firm
	for n, a := range asks {
		take := a.Quantity
		if a.AllowBackorder {
			take = min(take, spare)
			spare -= take
		}
		granted[n] = Granted{ReservationID: a.ReservationID, FromStock: take, Backordered: a.Quantity - take}
	}
	return granted
}

// check refuses a command that no state would accept.
func (c Reserve) check() error {
	if err := domain.CheckID("order_id", c.OrderID); err != nil {
		return err
	}
	if c.ExpiresAt <= c.Now {
		return domain.InvalidField{Field: "expires_at", Reason: "is not after now"}
	}
	if err := checkCount("reservations", len(c.Reservations)); err != nil {
		return err
	}
	for n, a := range c.Reservations {
		if err := domain.CheckID("reservation_id", a.ReservationID); err != nil {
			return err
		}
		if err := checkRange("quantity", a.Quantity, 1); err != nil {
			return err
		}
		if n > 0 && slices.ContainsFunc(c.Reservations[:min(n, smallSet)], func(b Ask) bool {
			return b.ReservationID == a.ReservationID
		}) {
			return repeats(a.ReservationID)
		}
	}
	if len(c.Reservations) <= smallSet {
		return nil
	}
	seen := make(map[string]struct{}, len(c.Reservations))
	for _, a := range c.Reservations {
		if _, twice := seen[a.ReservationID]; twice {
			return repeats(a.ReservationID)
		}
		seen[a.ReservationID] = struct{}{}
	}
	return nil
}

// smallSet is how many ids are compared one with the other; more are looked up in a map.
const smallSet = 8

func repeats(id string) error {
	return domain.InvalidField{Field: "reservation_id", Reason: "repeats " + id}
}

func checkCount(field string, n int) error {
	if n == 0 {
		return domain.InvalidField{Field: field, Reason: "are missing"}
	}
	if n > MaxReservations {
		return domain.LimitExceeded{Field: field, Limit: MaxReservations, Actual: int64(n), Unit: "reservations"}
	}
	return nil
}

// fresh returns what is asked for and not there yet. It refuses an id that stands for something else or has ended.
func (c Reserve) fresh(i *Item) ([]Ask, error) {
	known := 0
	for _, a := range c.Reservations {
		r, ok := i.open[a.ReservationID]
		switch {
		case !ok:
			if err := i.ended(a.ReservationID); err != nil {
				return nil, err
			}
			continue
		case r.OrderID != c.OrderID || r.Asked != a.Quantity:
			return nil, ReservationConflict{
				ReservationID: r.ID, OrderID: r.OrderID, Requested: a.Quantity, Reserved: r.Asked,
			}
		case r.lapsed(c.Now):
			return nil, ReservationLapsed{ReservationID: r.ID, ExpiredAt: r.ExpiresAt}
		}
		known++
	}
	if known == 0 {
		return c.Reservations, nil
	}
	return slices.DeleteFunc(slices.Clone(c.Reservations), func(a Ask) bool {
		_, ok := i.open[a.ReservationID]
		return ok
	}), nil
}

func (e Reserved) count(s *Sums) {
	for _, g := range e.Reservations {
		s.Reserved += g.FromStock
		s.Backordered += g.Backordered
	}
}

func (e Reserved) apply(i *Item) {
	// Of an event the item keeps the ids alone, for as long as a reservation is open: as texts of its own, or each would
	// keep whatever it was cut from, such as the whole placed order.
	orderID := strings.Clone(e.OrderID)
	for _, g := range e.Reservations {
		i.Seq++
		i.enlist(&Reservation{
			ID: strings.Clone(g.ReservationID), OrderID: orderID, State: StateHeld, Asked: g.FromStock + g.Backordered,
			FromStock: g.FromStock, Backordered: g.Backordered, ExpiresAt: e.ExpiresAt, Seq: i.Seq,
		})
	}
	i.UpdatedAt = e.At
}
