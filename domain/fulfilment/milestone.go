package fulfilment

import (
	"slices"

	"waybill/domain"
)

// Packed records that every unit that was not given back is in a parcel. It is told again when a parcel was unpacked and
// all is packed once more.
type Packed struct {
	Head
	Lines []Line `msgpack:"lines,omitempty"` // what will be shipped, or has been
}

// Shipped records that everything has left that was not given back.
type Shipped struct{ Head }

// Delivered records that every parcel has come to an end, and at least one has arrived.
type Delivered struct{ Head }

// Rejected records that the location had nothing: every unit has gone back to the order.
type Rejected struct {
	Head
	Reason ShortReason `msgpack:"reason"`
}

// Cancelled records that every unit has gone back to the order, and the last of them on request or some before.
type Cancelled struct{ Head }

// EventType implements [Event].
func (Packed) EventType() string { return TypePacked }

// EventType implements [Event].
func (Shipped) EventType() string { return TypeShipped }

// EventType implements [Event].
func (Delivered) EventType() string { return TypeDelivered }

// EventType implements [Event].
func (Rejected) EventType() string { return TypeRejected }

// EventType implements [Event].
func (Cancelled) EventType() string { return TypeCancelled }

func (e Packed) apply(f *Fulfilment)    { f.PackedAt, f.UpdatedAt = e.At, e.At }
func (e Shipped) apply(f *Fulfilment)   { f.ShippedAt, f.UpdatedAt = e.At, e.At }
func (e Delivered) apply(f *Fulfilment) { f.DeliveredAt, f.UpdatedAt = e.At, e.At }
func (e Rejected) apply(f *Fulfilment)  { f.ClosedAt, f.UpdatedAt = e.At, e.At }
func (e Cancelled) apply(f *Fulfilment) { f.ClosedAt, f.UpdatedAt = e.At, e.At }

// GivenBack returns the units that e gives back to the order, none for most events. Every unit is given back by one event
// at most, and never after it was shipped.
func GivenBack(e Event) []Line {
	switch e := e.(type) {
	case LinesShorted:
		return e.Lines
	case LinesCancelled:
		return e.Lines
	case Requested, BecameDue, Moved, Accepted, Rejected, Picked, ParcelPacked, ParcelUnpacked, Packed, LabelRequested,
		LabelPurchased, LabelFailed, LabelOutcomeUnknown, LabelVoidRequested, LabelVoided, LabelVoidFailed, ParcelShipped,
		Shipped, TrackingUpdated, ParcelDelivered, Delivered, DeliveryFailed, ReturnedToSender, CancellationRequested,
		Cancelled, CancellationDeclined, HoldPlaced, HoldReleased, AnomalyDetected:
	}
	return nil
}

// withMilestones returns events and what they make of the fulfilment as a whole: a status that is reached, and the end of a
// cancellation for which nothing is left.
func (f *Fulfilment) withMilestones(events []Event, now domain.Time) []Event {
	after := f.clone()
	for _, e := range events {
		e.apply(after)
	}
	head := after.head(now)
	if c := after.pending(); c != nil && !after.any(func(l *LineState) bool { return c.asks(l) && l.Unshipped() > 0 }) {
		reason := DeclineNothingLeft
		if after.any(func(l *LineState) bool { return c.asks(l) && l.Shipped > 0 }) {
			reason = DeclineAlreadyShipped
		}
		events = append(events, CancellationDeclined{
			Head: head, CancellationID: c.ID, Lines: after.lines(c.Lines), Reason: reason,
		})
	}
	before, status := f.Status(), after.Status()
	if before == status {
		return events
	}
	switch status {
	case StatusPacked, StatusShipped, StatusDelivered, StatusReturned:
		if before < StatusPacked {
			events = append(events, Packed{Head: head, Lines: after.toLeave()})
		}
		if before < StatusShipped && status >= StatusShipped {
			events = append(events, Shipped{Head: head})
		}
		if status == StatusDelivered {
			events = append(events, Delivered{Head: head})
		}
	case StatusRejected:
		events = append(events, Rejected{Head: head, Reason: shortReason(events)})
	case StatusCancelled:
		events = append(events, Cancelled{Head: head})
	case StatusNone, StatusScheduled, StatusRequested, StatusAccepted, StatusPicked:
	}
	return events
}

// toLeave returns the units that were not given back.
func (f *Fulfilment) toLeave() []Line {
	return f.lines(f.left(func(l *LineState) int64 { return l.Line.Quantity - l.Shorted - l.Cancelled }))
}

// shortReason returns the reason of the shortage among events.
func shortReason(events []Event) ShortReason {
	for _, e := range events {
		if short, ok := e.(LinesShorted); ok {
			return short.Reason
		}
	}
	return ShortOther
}

// clone returns a copy of f on which events can be tried.
func (f *Fulfilment) clone() *Fulfilment {
	c := *f
	c.Lines, c.Parcels, c.Operations = slices.Clone(f.Lines), slices.Clone(f.Parcels), slices.Clone(f.Operations)
	c.Cancellations, c.Holds = slices.Clone(f.Cancellations), slices.Clone(f.Holds)
	c.Reports, c.Facts, c.Anomalies = slices.Clone(f.Reports), slices.Clone(f.Facts), slices.Clone(f.Anomalies)
	return &c
}
