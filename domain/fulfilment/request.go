package fulfilment

import (
	"slices"

	"waybill/domain"
)

// Details is what a fulfilment was requested with. Once requested it never changes.
type Details struct {
	OrderID    string      `msgpack:"order_id,omitempty"`
	Location   string      `msgpack:"location,omitempty"`    // that is asked first
	AddressRef string      `msgpack:"address_ref,omitempty"` // where it goes: names an address of the order, is none itself
	Service    string      `msgpack:"service,omitempty"`     // what was promised: "standard", "express"
	ShipBy     domain.Time `msgpack:"ship_by,omitempty"`     // promised, zero for no promise
	FulfilAt   domain.Time `msgpack:"fulfil_at,omitempty"`   // not before, zero for at once
	Lines      []Line      `msgpack:"lines,omitempty"`       // 1 to MaxLines, each line once
}

// Request asks a location for units that the order has assigned to it.
type Request struct {
	Target
	Details Details
}

// Requested records that a location was asked.
type Requested struct {
	Head
	FulfilmentID ID      `msgpack:"fulfilment_id,omitempty"`
	Details      Details `msgpack:"details"`
	Due          bool    `msgpack:"due"` // false if it is scheduled for later
}

// MakeDue says that the time of a scheduled fulfilment has come.
type MakeDue struct{ Target }

// BecameDue records that a scheduled fulfilment is to be worked on.
type BecameDue struct{ Head }

// LineReservation names the reservation of a line.
type LineReservation struct {
	LineID        string `json:"line_id"        msgpack:"line_id,omitempty"`
	ReservationID string `json:"reservation_id" msgpack:"reservation_id,omitempty"`
}

// Move asks another location instead, before this one has accepted. A line that is not among Reservations has none at the
// new location.
type Move struct {
	Target
	Location     string
	Reservations []LineReservation // at the new location
}

// Moved records that another location is asked.
type Moved struct {
	Head
	From         string            `msgpack:"from,omitempty"`
	Reservations []LineReservation `msgpack:"reservations,omitempty"`
}

// Accept says that the location takes the work.
type Accept struct {
	Target
	ExternalRef string // the location's own name for it, may be empty
}

// Accepted records that the location takes the work.
type Accepted struct {
	Head
	ExternalRef string `msgpack:"external_ref,omitempty"`
}

// CommandType implements [Command].
func (Request) CommandType() string { return CommandRequest }

// CommandType implements [Command].
func (MakeDue) CommandType() string { return CommandMakeDue }

// CommandType implements [Command].
func (Move) CommandType() string { return CommandMove }

// CommandType implements [Command].
func (Accept) CommandType() string { return CommandAccept }

// EventType implements [Event].
func (Requested) EventType() string { return TypeRequested }

// EventType implements [Event].
func (BecameDue) EventType() string { return TypeBecameDue }

// EventType implements [Event].
func (Moved) EventType() string { return TypeMoved }

// EventType implements [Event].
func (Accepted) EventType() string { return TypeAccepted }

func (c Request) decide(f *Fulfilment) ([]Event, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if f.ID != "" {
		if !f.Details.equal(&c.Details) {
			return nil, AlreadyRequested{FulfilmentID: f.ID, OrderID: f.Details.OrderID}
		}
		return nil, nil
	}
	return []Event{Requested{
		Head:         Head{OrderID: c.Details.OrderID, Location: c.Details.Location, At: c.Now},
		FulfilmentID: c.ID, Details: c.Details, Due: c.Details.FulfilAt <= c.Now,
	}}, nil
}

func (c Request) check() error {
	f := &fields{}
	f.id("fulfilment_id", string(c.ID))
	d := &c.Details
	f.id("order_id", d.OrderID)
	f.check(domain.CheckLocation("location", d.Location))
	f.text("address_ref", d.AddressRef, MaxName)
	f.text("service", d.Service, MaxName)
	if len(d.Lines) == 0 {
		f.check(domain.InvalidField{Field: "lines", Reason: "are missing"})
	}
	f.count("lines", len(d.Lines), MaxLines, "lines")
	for i := range d.Lines {
		l, field := &d.Lines[i], at("lines", i)
		f.id(field+".line_id", l.LineID)
		f.check(domain.CheckSKU(field+".sku", l.SKU))
		f.units(field+".quantity", l.Quantity)
		if l.ReservationID != "" {
			f.id(field+".reservation_id", l.ReservationID)
		}
	}
	unique(f, "lines", d.Lines, func(l *Line) string { return l.LineID })
	return f.err
}

func (d *Details) equal(e *Details) bool {
	return d.OrderID == e.OrderID && d.Location == e.Location && d.AddressRef == e.AddressRef && d.Service == e.Service &&
		d.ShipBy == e.ShipBy && d.FulfilAt == e.FulfilAt && slices.Equal(d.Lines, e.Lines)
}

func (e Requested) apply(f *Fulfilment) {
	lines := make([]LineState, len(e.Details.Lines))
	for i := range lines {
		lines[i] = LineState{Line: e.Details.Lines[i]}
	}
	*f = Fulfilment{
		ID: e.FulfilmentID, Details: e.Details, Location: e.Location, Due: e.Due, Lines: lines, RequestedAt: e.At, UpdatedAt: e.At,
	}
}

func (c MakeDue) decide(f *Fulfilment) ([]Event, error) {
	switch f.Status() {
	case StatusScheduled:
		return f.becomeDue(c.Now)
	case StatusNone, StatusRejected, StatusCancelled:
		return nil, transition(f, c)
	case StatusRequested, StatusAccepted, StatusPicked, StatusPacked, StatusShipped, StatusDelivered, StatusReturned:
	}
	return nil, nil
}

// becomeDue returns the event that ends the wait of a scheduled fulfilment.
func (f *Fulfilment) becomeDue(now domain.Time) ([]Event, error) {
	if now < f.Details.FulfilAt {
		return nil, NotYetDue{FulfilAt: f.Details.FulfilAt, Now: now}
	}
	return []Event{BecameDue{Head: f.head(now)}}, nil
}

func (e BecameDue) apply(f *Fulfilment) { f.Due, f.UpdatedAt = true, e.At }

func (c Move) decide(f *Fulfilment) ([]Event, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	for _, r := range c.Reservations {
		if f.lineIndex(r.LineID) < 0 {
			return nil, NotAssigned{LineID: r.LineID}
		}
	}
	if !f.waits() {
		return nil, transition(f, c)
	}
	if c.Location == f.Location {
		for i := range f.Lines {
			if l := &f.Lines[i].Line; l.ReservationID != reservation(c.Reservations, l.LineID) {
				return nil, MoveConflict{Location: f.Location, LineID: l.LineID, ReservationID: l.ReservationID}
			}
		}
		return nil, nil
	}
	head := f.head(c.Now)
	head.Location = c.Location
	return []Event{Moved{Head: head, From: f.Location, Reservations: c.Reservations}}, nil
}

func (c Move) check() error {
	f := &fields{}
	f.check(domain.CheckLocation("location", c.Location))
	f.count("reservations", len(c.Reservations), MaxLines, "reservations")
	for i, r := range c.Reservations {
		f.id(at("reservations", i)+".line_id", r.LineID)
		f.id(at("reservations", i)+".reservation_id", r.ReservationID)
	}
	unique(f, "reservations", c.Reservations, func(r *LineReservation) string { return r.LineID })
	return f.err
}

func reservation(all []LineReservation, line string) string {
	for _, r := range all {
		if r.LineID == line {
			return r.ReservationID
		}
	}
	return ""
}

func (e Moved) apply(f *Fulfilment) {
	for i := range f.Lines {
		f.Lines[i].Line.ReservationID = reservation(e.Reservations, f.Lines[i].Line.LineID)
	}
	f.Location, f.UpdatedAt = e.Location, e.At
}

// waits reports whether the location has not answered yet, or was not asked yet.
func (f *Fulfilment) waits() bool { return f.Acceptance == nil && f.unshipped() > 0 }

func (c Accept) decide(f *Fulfilment) ([]Event, error) {
	if err := domain.CheckText("external_ref", c.ExternalRef, MaxName); err != nil {
		return nil, err
	}
	if f.Acceptance != nil && f.Acceptance.ExternalRef != c.ExternalRef {
		return nil, AcceptanceConflict{ExternalRef: f.Acceptance.ExternalRef}
	}
	switch f.Status() {
	case StatusScheduled: // its time may have come without anybody saying so
		events, err := f.becomeDue(c.Now)
		if err != nil {
			return nil, err
		}
		return append(events, Accepted{Head: f.head(c.Now), ExternalRef: c.ExternalRef}), nil
	case StatusRequested:
		return []Event{Accepted{Head: f.head(c.Now), ExternalRef: c.ExternalRef}}, nil
	case StatusAccepted, StatusPicked, StatusPacked, StatusShipped, StatusDelivered, StatusReturned:
		return nil, nil // it was accepted, and still stands
	case StatusNone, StatusRejected, StatusCancelled:
	}
	return nil, transition(f, c)
}

func (e Accepted) apply(f *Fulfilment) {
	f.Acceptance, f.UpdatedAt = &Acceptance{ExternalRef: e.ExternalRef, At: e.At}, e.At
}
