package order

import (
	"slices"

	"waybill/domain"
	"waybill/domain/money"
)

// Parcel is units that left together.
type Parcel struct {
	ParcelID    string         `msgpack:"parcel_id,omitempty"`
	Lines       []LineQuantity `msgpack:"lines,omitempty"`
	ShippedAt   domain.Time    `msgpack:"shipped_at"`
	DeliveredAt domain.Time    `msgpack:"delivered_at,omitempty"` // zero until it has arrived
	Assumed     bool           `msgpack:"assumed,omitempty"`      // nobody said that it arrived: its time was over
}

// RecordShipped tells the order that a parcel has left. It is a fact: no hold and no lifecycle refuses it. Units that the
// fulfilment was not given are recorded as an anomaly.
type RecordShipped struct {
	ID           ID
	FulfilmentID string
	ParcelID     string         // unique in the fulfilment
	Lines        []LineQuantity // each line once
	Now          domain.Time
}

// RecordDelivered tells the order that a parcel has arrived. It is a fact, as [RecordShipped] is. A parcel that nobody said
// had left has left too.
type RecordDelivered struct {
	ID           ID
	FulfilmentID string
	ParcelID     string
	Lines        []LineQuantity // may be empty for a parcel that is known
	Assumed      bool           // nobody said that it arrived: its time is over
	Now          domain.Time
}

// LinesShipped records units that have left.
type LinesShipped struct {
	FulfilmentID string         `msgpack:"fulfilment_id,omitempty"`
	ParcelID     string         `msgpack:"parcel_id,omitempty"`
	Lines        []LineQuantity `msgpack:"lines,omitempty"`
	At           domain.Time    `msgpack:"at"`
}

// LinesDelivered records units that have arrived.
type LinesDelivered struct {
	FulfilmentID string         `msgpack:"fulfilment_id,omitempty"`
	ParcelID     string         `msgpack:"parcel_id,omitempty"`
	Lines        []LineQuantity `msgpack:"lines,omitempty"`
	Assumed      bool           `msgpack:"assumed"`
	At           domain.Time    `msgpack:"at"`
}

// OrderID implements [Command].
func (c RecordShipped) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (RecordShipped) CommandType() string { return CommandRecordShipped }

// OrderID implements [Command].
func (c RecordDelivered) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (RecordDelivered) CommandType() string { return CommandRecordDelivered }

// EventType implements [Event].
func (LinesShipped) EventType() string { return TypeLinesShipped }

// SchemaVersion implements [Event].
func (LinesShipped) SchemaVersion() int16 { return schemaFirst }

// EventType implements [Event].
func (LinesDelivered) EventType() string { return TypeLinesDelivered }

// SchemaVersion implements [Event].
func (LinesDelivered) SchemaVersion() int16 { return schemaFirst }

func (c RecordShipped) decide(o *Order) ([]Event, error) {
	if o.Lifecycle == LifecycleNone {
		return nil, transition(o, c)
	}
	f := &fields{names: true}
	f.id("fulfilment_id", c.FulfilmentID)
	f.id("parcel_id", c.ParcelID)
	f.someQuantities(c.Lines)
	if f.err != nil {
		return nil, f.err
	}
	lines, err := o.sorted(c.Lines)
	if err != nil {
		return nil, err
	}
	if known := o.left(c.FulfilmentID, c.ParcelID); len(known) > 0 {
		if !slices.Equal(known, lines) {
			return nil, ParcelConflict{FulfilmentID: c.FulfilmentID, ParcelID: c.ParcelID, Lines: known}
		}
		return nil, nil
	}
	return c.events(o, lines), nil
}

// events divides the units that left into those that the fulfilment had, and those that it had not.
func (c RecordShipped) events(o *Order, lines []LineQuantity) []Event {
	var had, not []LineQuantity
	i := o.assignmentIndex(c.FulfilmentID)
	for _, q := range lines {
		n := int64(0)
		if i >= 0 {
			n = min(q.Quantity, o.Fulfilments[i].left(q.LineID))
		}
		if n > 0 {
			had = append(had, LineQuantity{LineID: q.LineID, Quantity: n})
		}
		if n < q.Quantity {
			not = append(not, LineQuantity{LineID: q.LineID, Quantity: q.Quantity - n})
		}
	}
	anomaly := AnomalyDetected{
		FulfilmentID: c.FulfilmentID, ParcelID: c.ParcelID, Amount: money.New(0, o.Details.Currency), At: c.Now,
	}
	var events []Event
	if len(had) > 0 {
		events = append(events, LinesShipped{FulfilmentID: c.FulfilmentID, ParcelID: c.ParcelID, Lines: had, At: c.Now})
	}
	if len(had) > 0 && len(o.Blocking(VerbShip, c.Now)) > 0 {
		anomaly.Anomaly, anomaly.Lines = AnomalyShippedOnHold, had
		events = append(events, anomaly)
	}
	if len(not) > 0 {
		anomaly.Anomaly, anomaly.Lines = AnomalyShippedUnassigned, not
		events = append(events, anomaly)
	}
	return events
}

// left returns the units of a parcel that is known to have left, those that the fulfilment did not have among them.
func (o *Order) left(fulfilmentID, parcelID string) []LineQuantity {
	var units []LineQuantity
	add := func(lines []LineQuantity) {
		for _, q := range lines {
			if i := slices.IndexFunc(units, func(u LineQuantity) bool { return u.LineID == q.LineID }); i >= 0 {
				units[i].Quantity += q.Quantity
			} else {
				units = append(units, q)
			}
		}
	}
	if p := o.parcel(fulfilmentID, parcelID); p != nil {
		add(p.Lines)
	}
	for i := range o.Anomalies {
		a := &o.Anomalies[i]
		if a.Anomaly == AnomalyShippedUnassigned && a.FulfilmentID == fulfilmentID && a.ParcelID == parcelID {
			add(a.Lines)
		}
	}
	slices.SortFunc(units, func(a, b LineQuantity) int { return o.lineIndex(a.LineID) - o.lineIndex(b.LineID) })
	return units
}

// parcel returns a parcel of a fulfilment, nil if there is none.
func (o *Order) parcel(fulfilmentID, parcelID string) *Parcel {
	i := o.assignmentIndex(fulfilmentID)
	if i < 0 {
		return nil
	}
	for j := range o.Fulfilments[i].Parcels {
		if p := &o.Fulfilments[i].Parcels[j]; p.ParcelID == parcelID {
			return p
		}
	}
	return nil
}

func (e LinesShipped) apply(o *Order) {
	if i := o.assignmentIndex(e.FulfilmentID); i >= 0 {
		o.Fulfilments[i].Parcels = append(o.Fulfilments[i].Parcels, Parcel{ParcelID: e.ParcelID, Lines: e.Lines, ShippedAt: e.At})
	}
	o.each(e.Lines, func(l *LineState, n int64) { l.Assigned, l.Shipped = l.Assigned-n, l.Shipped+n })
	o.Changed, o.UpdatedAt = o.Version+1, e.At
}

func (c RecordDelivered) decide(o *Order) ([]Event, error) {
	if o.Lifecycle == LifecycleNone {
		return nil, transition(o, c)
	}
	f := &fields{names: true}
	f.id("fulfilment_id", c.FulfilmentID)
	f.id("parcel_id", c.ParcelID)
	f.quantities(c.Lines)
	if f.err != nil {
		return nil, f.err
	}
	lines, err := o.sorted(c.Lines)
	if err != nil {
		return nil, err
	}
	known := o.left(c.FulfilmentID, c.ParcelID)
	switch {
	case len(known) == 0 && len(lines) == 0:
		return nil, UnknownParcel{FulfilmentID: c.FulfilmentID, ParcelID: c.ParcelID}
	case len(known) > 0 && len(lines) > 0 && !slices.Equal(known, lines):
		return nil, ParcelConflict{FulfilmentID: c.FulfilmentID, ParcelID: c.ParcelID, Lines: known}
	}
	e := LinesDelivered{FulfilmentID: c.FulfilmentID, ParcelID: c.ParcelID, Assumed: c.Assumed, At: c.Now}
	if len(known) > 0 {
		p := o.parcel(c.FulfilmentID, c.ParcelID)
		if p == nil || !p.DeliveredAt.IsZero() {
			return nil, nil
		}
		e.Lines = p.Lines
		return []Event{e}, nil
	}
	shipped := RecordShipped{ID: c.ID, FulfilmentID: c.FulfilmentID, ParcelID: c.ParcelID, Now: c.Now}
	events := shipped.events(o, lines)
	if s, ok := events[0].(LinesShipped); ok {
		e.Lines = s.Lines
		events = append(events, e)
	}
	return events, nil
}

func (e LinesDelivered) apply(o *Order) {
	if p := o.parcel(e.FulfilmentID, e.ParcelID); p != nil {
		p.DeliveredAt, p.Assumed = e.At, e.Assumed
	}
	o.each(e.Lines, func(l *LineState, n int64) { l.Delivered += n })
	o.UpdatedAt = e.At
}
