package fulfilment

import (
	"slices"
	"strings"

	"waybill/domain"
)

// GateReason says why goods may not leave.
type GateReason string

// The reasons for which the gate is closed.
const (
	GateHold    GateReason = "hold"    // a hold of the order blocks shipping
	GatePayment GateReason = "payment" // the money is not secured, or no longer
	GateOrder   GateReason = "order"   // the order is not in a state to ship
	GateUnasked GateReason = "unasked" // nobody asked: the goods were gone already
)

// Gate is the verdict of the caller on whether goods may leave: what the order's holds and its payment say. The zero Gate
// is closed.
type Gate struct {
	Open       bool        `msgpack:"open"`
	Reason     GateReason  `msgpack:"reason,omitempty"`      // why it is closed
	Holds      []string    `msgpack:"holds,omitempty"`       // the order's holds that close it
	Detail     string      `msgpack:"detail,omitempty"`      // one sentence for people, not personal
	ValidUntil domain.Time `msgpack:"valid_until,omitempty"` // when an open gate closes, such as when an authorisation lapses; zero for never
}

// closed reports whether nothing may leave at now.
func (g *Gate) closed(now domain.Time) bool {
	return !g.Open || !g.ValidUntil.IsZero() && now >= g.ValidUntil
}

// ShipParcel hands a packed parcel to the carrier. It is refused while the gate is closed, a hold or an open cancellation
// stands against it, or the outcome of an operation on its label is not known.
type ShipParcel struct {
	Target
	ParcelID  string
	Carrier   string      // that of the label if empty
	Tracking  []string    // those of the label if empty
	ShippedAt domain.Time // Now if zero
	Gate      Gate
}

// RecordShipped says that a parcel has left. It is a fact: whatever should have stopped it is told as an anomaly.
type RecordShipped struct {
	Target
	ParcelID  string
	Carrier   string      // that of the label if empty
	Tracking  []string    // those of the label if empty
	ShippedAt domain.Time // Now if zero
	Gate      Gate        // what the order said, if it was asked
}

// ParcelShipped records that a parcel has left, and what was known of the gate.
type ParcelShipped struct {
	Head
	ParcelID  string      `msgpack:"parcel_id,omitempty"`
	Lines     []Line      `msgpack:"lines,omitempty"`
	Carrier   string      `msgpack:"carrier,omitempty"`
	Tracking  []string    `msgpack:"tracking,omitempty"`
	ShippedAt domain.Time `msgpack:"shipped_at"`
	Gate      Gate        `msgpack:"gate"`
	Reported  bool        `msgpack:"reported"` // nobody asked here before: it was gone already
}

// CommandType implements [Command].
func (ShipParcel) CommandType() string { return CommandShipParcel }

// CommandType implements [Command].
func (RecordShipped) CommandType() string { return CommandRecordShipped }

// EventType implements [Event].
func (ParcelShipped) EventType() string { return TypeParcelShipped }

func (c ShipParcel) decide(f *Fulfilment) ([]Event, error) {
	if err := RecordShipped(c).check(); err != nil {
		return nil, err
	}
	if p := f.parcel(c.ParcelID); p != nil && p.left() {
		if RecordShipped(c).differs(p) {
			return nil, ParcelConflict{ParcelID: p.ID, State: p.State, Lines: quantities(p.Lines)}
		}
		return nil, nil
	}
	p, err := f.packed(c.ParcelID)
	if err != nil {
		return nil, err
	}
	if err := f.stopped(c.Now); err != nil {
		return nil, err
	}
	if err := f.resolved(c.ParcelID); err != nil {
		return nil, err
	}
	if c.Gate.closed(c.Now) {
		if c.Gate.Reason == GateHold {
			return nil, HoldActive{Of: HoldOfOrder, Holds: c.Gate.Holds}
		}
		return nil, GateClosed{ParcelID: p.ID, Reason: c.Gate.Reason, Detail: c.Gate.Detail, ValidUntil: c.Gate.ValidUntil}
	}
	return []Event{RecordShipped(c).event(f, p, false)}, nil
}

func (c RecordShipped) decide(f *Fulfilment) ([]Event, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	anomaly := AnomalyDetected{Head: f.head(c.Now), ParcelID: c.ParcelID, Detail: c.says()}
	p := f.parcel(c.ParcelID)
	switch {
	case p == nil:
		anomaly.Kind = AnomalyUnknownParcel
		return f.once(anomaly), nil
	case p.left():
		if anomaly.Kind = AnomalyShippedOtherwise; c.differs(p) {
			return f.once(anomaly), nil
		}
		return nil, nil
	case p.State != StatePacked:
		anomaly.Kind = AnomalyParcelClosed
		return f.once(anomaly), nil
	}
	events := []Event{c.event(f, p, true)}
	add := func(kind AnomalyKind) {
		anomaly.Kind = kind
		events = append(events, anomaly)
	}
	if len(f.Holding(c.Now)) > 0 {
		add(AnomalyShippedOnHold)
	}
	if f.pending() != nil {
		add(AnomalyShippedWhileCancelling)
	}
	if c.Gate.closed(c.Now) {
		add(AnomalyShippedPastGate)
	}
	return events, nil
}

func (c RecordShipped) check() error {
	f := &fields{}
	f.id("parcel_id", c.ParcelID)
	f.text("carrier", c.Carrier, MaxName)
	f.tracking(c.Tracking)
	f.text("gate.detail", c.Gate.Detail, MaxText)
	f.count("gate.holds", len(c.Gate.Holds), MaxHolds, "holds")
	for i, id := range c.Gate.Holds {
		f.id(at("gate.holds", i), id)
	}
	if !c.Gate.Open && c.Gate.Reason != "" {
		oneOf(f, "gate.reason", c.Gate.Reason, GateHold, GatePayment, GateOrder, GateUnasked)
	}
	return f.err
}

// says tells how the parcel left.
func (c RecordShipped) says() string {
	words := []string{"shipped"}
	if c.Carrier != "" {
		words = append(words, "with", c.Carrier)
	}
	words = append(words, c.Tracking...)
	if !c.ShippedAt.IsZero() {
		words = append(words, "at", c.ShippedAt.String())
	}
	return strings.Join(words, " ")
}

// differs reports whether c says something else about p, which has left, than is known. What c leaves empty says nothing.
func (c RecordShipped) differs(p *Parcel) bool {
	return c.Carrier != "" && c.Carrier != p.Carrier || len(c.Tracking) > 0 && !slices.Equal(c.Tracking, p.Tracking) ||
		!c.ShippedAt.IsZero() && c.ShippedAt != p.ShippedAt
}

func (c RecordShipped) event(f *Fulfilment, p *Parcel, reported bool) ParcelShipped {
	e := ParcelShipped{
		Head: f.head(c.Now), ParcelID: p.ID, Lines: p.Lines, Carrier: c.Carrier, Tracking: c.Tracking, ShippedAt: c.ShippedAt,
		Gate: c.Gate, Reported: reported,
	}
	if e.ShippedAt.IsZero() {
		e.ShippedAt = c.Now
	}
	if e.Gate.Reason == "" && !e.Gate.Open {
		e.Gate.Reason = GateUnasked
	}
	if label := f.label(p.ID); label != nil {
		if e.Carrier == "" {
			e.Carrier = label.Carrier
		}
		if len(e.Tracking) == 0 {
			e.Tracking = label.Tracking
		}
	}
	return e
}

func (e ParcelShipped) apply(f *Fulfilment) {
	for _, q := range e.Lines {
		if l, ok := f.Line(q.LineID); ok {
			l.Shipped += q.Quantity
		}
	}
	if p := f.parcel(e.ParcelID); p != nil {
		p.State, p.Carrier, p.Tracking, p.ShippedAt = StateShipped, e.Carrier, e.Tracking, e.ShippedAt
	}
	f.UpdatedAt = e.At
}
