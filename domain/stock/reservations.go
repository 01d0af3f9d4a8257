package stock

import (
	"cmp"
	"slices"

	"waybill/domain"
)

// Extend holds reservations of one order for longer. It never shortens.
type Extend struct {
	Key
	OrderID        string
	ReservationIDs []string
	ExpiresAt      domain.Time // after Now
	Now            domain.Time
}

// Confirm makes held reservations of one order firm: they no longer expire.
type Confirm struct {
	Key
	OrderID        string
	ReservationIDs []string
	Now            domain.Time
}

// Part names a reservation and how many of its units are meant.
type Part struct {
	ReservationID string
	Quantity      int64 // 0 for all that are open, but for those to keep
	Keep          int64 // units that stay, if there are as many, issued ones among them; Quantity is 0 then
}

// Release gives units of reservations of one order back. Units that wait for a receipt go first. Units that are allocated
// belong to their fulfilment, and stay, unless it is named: then its units are given back, and no others.
type Release struct {
	Key
	OrderID        string
	FulfilmentID   string // "" for units that belong to no fulfilment
	DeallocationID string // see [Deallocate]; "" without a fulfilment
	Parts          []Part
	Reason         string
	Now            domain.Time
}

// Expire ends held reservations whose time is over: the named ones, or the earliest [ExpiryBatch] if none is named. A named
// one that is confirmed, closed or unknown is no matter, so a timer may fire late or twice.
type Expire struct {
	Key
	ReservationIDs []string
	Now            domain.Time
}

// ReservationExtended records that reservations are held for longer.
type ReservationExtended struct {
	OrderID        string      `msgpack:"order_id,omitempty"`
	ReservationIDs []string    `msgpack:"reservation_ids,omitempty"`
	ExpiresAt      domain.Time `msgpack:"expires_at"`
	At             domain.Time `msgpack:"at"`
}

// ReservationConfirmed records that reservations are firm.
type ReservationConfirmed struct {
	OrderID        string      `msgpack:"order_id,omitempty"`
	ReservationIDs []string    `msgpack:"reservation_ids,omitempty"`
	At             domain.Time `msgpack:"at"`
}

// ReleasedPart is what one reservation gave back.
type ReleasedPart struct {
	ReservationID string `msgpack:"reservation_id,omitempty"`
	FromStock     int64  `msgpack:"from_stock"`
	Backordered   int64  `msgpack:"backordered"`
	Closed        bool   `msgpack:"closed"` // nothing of the reservation is left
}

// ReservationReleased records units that were given back.
type ReservationReleased struct {
	OrderID string         `msgpack:"order_id,omitempty"`
	Parts   []ReleasedPart `msgpack:"parts,omitempty"`
	Reason  string         `msgpack:"reason,omitempty"`
	At      domain.Time    `msgpack:"at"`
}

// ReservationExpired records that a held reservation ran out of time.
type ReservationExpired struct {
	OrderID       string      `msgpack:"order_id,omitempty"`
	ReservationID string      `msgpack:"reservation_id,omitempty"`
	FromStock     int64       `msgpack:"from_stock"`
	Backordered   int64       `msgpack:"backordered"`
	ExpiresAt     domain.Time `msgpack:"expires_at"` // when its time was over
	At            domain.Time `msgpack:"at"`         // when it was noticed
}

// CommandType implements [Command].
func (Extend) CommandType() string { return CommandExtend }

// CommandType implements [Command].
func (Confirm) CommandType() string { return CommandConfirm }

// CommandType implements [Command].
func (Release) CommandType() string { return CommandRelease }

// CommandType implements [Command].
func (Expire) CommandType() string { return CommandExpire }

// EventType implements [Event].
func (ReservationExtended) EventType() string { return TypeReservationExtended }

// SchemaVersion implements [Event].
func (ReservationExtended) SchemaVersion() int16 { return schemaFirst }

// Order implements [Event].
func (e ReservationExtended) Order() string { return e.OrderID }

// EventType implements [Event].
func (ReservationConfirmed) EventType() string { return TypeReservationConfirmed }

// SchemaVersion implements [Event].
func (ReservationConfirmed) SchemaVersion() int16 { return schemaFirst }

// Order implements [Event].
func (e ReservationConfirmed) Order() string { return e.OrderID }

// EventType implements [Event].
func (ReservationReleased) EventType() string { return TypeReservationReleased }

// SchemaVersion implements [Event].
func (ReservationReleased) SchemaVersion() int16 { return schemaFirst }

// Order implements [Event].
func (e ReservationReleased) Order() string { return e.OrderID }

// EventType implements [Event].
func (ReservationExpired) EventType() string { return TypeReservationExpired }

// SchemaVersion implements [Event].
func (ReservationExpired) SchemaVersion() int16 { return schemaFirst }

// Order implements [Event].
func (e ReservationExpired) Order() string { return e.OrderID }

func (c Extend) decide(i *Item) ([]Event, error) {
	if c.ExpiresAt <= c.Now {
		return nil, domain.InvalidField{Field: "expires_at", Reason: "is not after now"}
	}
	var longer []string
	rs, err := i.find(c.OrderID, c.ReservationIDs, c.Now)
	if err != nil {
		return nil, err
	}
	for _, r := range rs {
		if r.State == StateHeld && r.ExpiresAt < c.ExpiresAt {
			longer = append(longer, r.ID)
		}
	}
	if len(longer) == 0 {
		return nil, nil
	}
	return []Event{ReservationExtended{
		OrderID: c.OrderID, ReservationIDs: longer, ExpiresAt: c.ExpiresAt, At: c.Now,
	}}, nil
}

func (ReservationExtended) count(*Sums) {}

func (e ReservationExtended) apply(i *Item) {
	for _, id := range e.ReservationIDs {
		if r, ok := i.open[id]; ok && r.State == StateHeld {
			r.ExpiresAt = e.ExpiresAt
			i.held.fix(r.place)
		}
	}
	i.UpdatedAt = e.At
}

func (c Confirm) decide(i *Item) ([]Event, error) {
	rs, err := i.find(c.OrderID, c.ReservationIDs, c.Now)
	if err != nil {
		return nil, err
	}
	var firm []string
	for _, r := range rs {
		if r.State == StateHeld {
			firm = append(firm, r.ID)
		}
	}
	if len(firm) == 0 {
		return nil, nil
	}
	return i.settle(c.Now, SpareFill, []Event{ReservationConfirmed{OrderID: c.OrderID, ReservationIDs: firm, At: c.Now}}), nil
}

func (ReservationConfirmed) count(*Sums) {}

func (e ReservationConfirmed) apply(i *Item) {
	for _, id := range e.ReservationIDs {
		if r, ok := i.open[id]; ok && r.State == StateHeld {
			i.change(r, e.At, StateReleased, func() { r.State, r.ExpiresAt, r.ConfirmedAt = StateConfirmed, 0, e.At })
		}
	}
	i.UpdatedAt = e.At
}

func (c Release) decide(i *Item) ([]Event, error) {
	if err := domain.CheckText("reason", c.Reason, maxText); err != nil {
		return nil, err
	}
	if err := checkParts(c.Parts); err != nil {
		return nil, err
	}
	release := func(p Part) (ReleasedPart, error) { return i.release(c.OrderID, p) }
	switch t := (taking{orderID: c.OrderID, fulfilmentID: c.FulfilmentID, id: c.DeallocationID, released: true}); {
	case c.FulfilmentID != "":
		if err := t.check(); err != nil {
			return nil, err
		}
		release = func(p Part) (ReleasedPart, error) { return i.releaseAllocated(t, p) }
	case c.DeallocationID != "":
		return nil, domain.InvalidField{Field: "deallocation_id", Reason: "stands without a fulfilment"}
	}
	var parts []ReleasedPart
	for _, p := range c.Parts {
		part, err := release(p)
		if err != nil {
			return nil, err
		}
		if part.FromStock+part.Backordered > 0 {
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return nil, nil
	}
	var e Event = ReservationReleased{OrderID: c.OrderID, Parts: parts, Reason: c.Reason, At: c.Now}
	if c.FulfilmentID != "" {
		e = AllocationReleased{
			OrderID: c.OrderID, FulfilmentID: c.FulfilmentID, DeallocationID: c.DeallocationID, Parts: parts, Reason: c.Reason, At: c.Now,
		}
	}
	return i.settle(c.Now, FactFill, []Event{e}), nil
}

// checkParts refuses parts that no state would accept.
func checkParts(parts []Part) error {
	if err := checkCount("reservations", len(parts)); err != nil {
		return err
	}
	for n, p := range parts {
		if err := checkRange("quantity", p.Quantity, 0); err != nil {
			return err
		}
		if err := checkRange("keep", p.Keep, 0); err != nil {
			return err
		}
		if p.Keep > 0 && p.Quantity > 0 {
			return domain.InvalidField{Field: "keep", Reason: "stands beside a quantity, and only one of the two can be meant"}
		}
		if slices.ContainsFunc(parts[:n], func(b Part) bool { return b.ReservationID == p.ReservationID }) {
			return repeats(p.ReservationID)
		}
	}
	return nil
}

// release returns what giving p back means: nothing if it was given back as a whole before.
func (i *Item) release(orderID string, p Part) (ReleasedPart, error) {
	r, ok := i.open[p.ReservationID]
	if !ok {
		if closed, ok := i.closed.find(p.ReservationID); ok && closed.OrderID == orderID && p.Quantity == 0 {
			return ReleasedPart{}, nil
		}
		return ReleasedPart{}, cmp.Or(i.ended(p.ReservationID), error(UnknownReservation{
			ReservationID: p.ReservationID, OrderID: orderID,
		}))
	}
	if r.OrderID != orderID {
		return ReleasedPart{}, UnknownReservation{ReservationID: p.ReservationID, OrderID: orderID}
	}
	possible := r.Quantity() - r.Allocated
	quantity := cmp.Or(p.Quantity, min(possible, max(r.Quantity()+r.Issued-p.Keep, 0)))
	if quantity > possible {
		return ReleasedPart{}, QuantityExceedsReserved{ReservationID: r.ID, Requested: quantity, Open: possible}
	}
	waiting := min(quantity, r.Backordered)
	return ReleasedPart{
		ReservationID: r.ID, FromStock: quantity - waiting, Backordered: waiting, Closed: quantity == r.Quantity(),
	}, nil
}

func (e ReservationReleased) count(s *Sums) {
	for _, p := range e.Parts {
		s.Reserved -= p.FromStock
		s.Backordered -= p.Backordered
	}
}

func (e ReservationReleased) apply(i *Item) {
	for _, p := range e.Parts {
		if r, ok := i.open[p.ReservationID]; ok {
			i.change(r, e.At, StateReleased, func() {
				r.FromStock -= p.FromStock
				r.Backordered -= p.Backordered
			})
		}
	}
	i.UpdatedAt = e.At
}

func (c Expire) decide(i *Item) ([]Event, error) {
	if len(c.ReservationIDs) == 0 {
		events, _ := i.expire(c.Now, 0, ExpiryBatch, ExpiryBatch)
		return i.settle(c.Now, FactFill, events), nil
	}
	if err := checkCount("reservation_ids", len(c.ReservationIDs)); err != nil {
		return nil, err
	}
	var events []Event
	for n, id := range c.ReservationIDs {
		r, ok := i.open[id]
		if !ok || r.State != StateHeld || slices.Contains(c.ReservationIDs[:n], id) {
			continue
		}
		if !r.lapsed(c.Now) {
			return nil, ReservationNotDue{ReservationID: id, ExpiresAt: r.ExpiresAt, Now: c.Now}
		}
		events = append(events, r.expired(c.Now))
	}
	return i.settle(c.Now, SpareFill, events), nil
}

func (e ReservationExpired) count(s *Sums) {
	s.Reserved -= e.FromStock
	s.Backordered -= e.Backordered
}

func (e ReservationExpired) apply(i *Item) {
	if r, ok := i.open[e.ReservationID]; ok {
		i.change(r, e.At, StateExpired, func() { r.FromStock, r.Backordered = 0, 0 })
	}
	i.UpdatedAt = e.At
}

// find returns the open reservations of an order by their ids. It refuses one that has lapsed, has ended, or is unknown.
func (i *Item) find(orderID string, ids []string, now domain.Time) ([]*Reservation, error) {
	if err := checkCount("reservation_ids", len(ids)); err != nil {
		return nil, err
	}
	found := make([]*Reservation, 0, len(ids))
	for n, id := range ids {
		if slices.Contains(ids[:n], id) {
			return nil, repeats(id)
		}
		r, ok := i.open[id]
		if !ok {
			return nil, cmp.Or(i.ended(id), error(UnknownReservation{ReservationID: id, OrderID: orderID}))
		}
		if r.OrderID != orderID {
			return nil, UnknownReservation{ReservationID: id, OrderID: orderID}
		}
		if r.lapsed(now) {
			return nil, ReservationLapsed{ReservationID: id, ExpiredAt: r.ExpiresAt}
		}
		found = append(found, r)
	}
	return found, nil
}

// ended refuses a reservation that is known to have ended; nil if it is not.
func (i *Item) ended(id string) error {
	c, ok := i.closed.find(id)
	switch {
	case !ok:
		return nil
	case c.State == StateExpired:
		return ReservationLapsed{ReservationID: id, ExpiredAt: c.At}
	}
	return ReservationClosed{ReservationID: id, State: c.State, ClosedAt: c.At}
}
