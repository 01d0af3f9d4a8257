package order

import (
	"slices"

	"waybill/domain"
)

// CancellationRequest is a cancellation that waits for others to let go of goods or money. It ends once: what is not declined
// is cancelled together.
type CancellationRequest struct {
	ID       string         `msgpack:"cancellation_id,omitempty"`
	Whole    bool           `msgpack:"whole"`              // it asks for the whole order
	Lines    []LineQuantity `msgpack:"lines,omitempty"`    // what it asks for, in the order of the order's lines
	Declined []LineQuantity `msgpack:"declined,omitempty"` // what it does not get, in the order in which that was said
	Reason   CancelReason   `msgpack:"reason"`
	At       domain.Time    `msgpack:"at"`
	ClosedAt domain.Time    `msgpack:"closed_at,omitempty"` // zero while it waits
}

// Rest returns the units that are neither declined nor cancelled.
func (r *CancellationRequest) Rest() []LineQuantity {
	if !r.ClosedAt.IsZero() {
		return nil
	}
	var rest []LineQuantity
	for _, l := range r.Lines {
		if l.Quantity -= quantityOf(r.Declined, l.LineID); l.Quantity > 0 {
			rest = append(rest, l)
		}
	}
	return rest
}

// DeclineReason says why units cannot be cancelled any more.
type DeclineReason string

// The reasons to decline a cancellation.
const (
	DeclinePacked  DeclineReason = "already_packed"
	DeclineShipped DeclineReason = "already_shipped"
	DeclineOther   DeclineReason = "other"
)

// CompleteCancellation carries out what a cancellation asked for and was not declined: others have let go of it.
type CompleteCancellation struct {
	ID             ID
	CancellationID string
	Now            domain.Time
}

// DeclineCancellation says that units cannot be cancelled any more.
type DeclineCancellation struct {
	ID             ID
	CancellationID string
	Lines          []LineQuantity // empty for all that it still asks for; a line is declined once
	Reason         DeclineReason  // other if empty
	Now            domain.Time
}

// CancellationRequested records a cancellation that has to wait for others.
type CancellationRequested struct {
	CancellationID string          `msgpack:"cancellation_id,omitempty"`
	Whole          bool            `msgpack:"whole"`
	Lines          []LineQuantity  `msgpack:"lines,omitempty"`
	Reason         CancelReason    `msgpack:"reason"`
	Note           domain.Personal `msgpack:"note,omitempty"`
	At             domain.Time     `msgpack:"at"`
}

// CancellationDeclined records units that are not cancelled although that was asked for.
type CancellationDeclined struct {
	CancellationID string         `msgpack:"cancellation_id,omitempty"`
	Lines          []LineQuantity `msgpack:"lines,omitempty"`
	Reason         DeclineReason  `msgpack:"reason"`
	Final          bool           `msgpack:"final"` // nothing is left of what was asked for
	At             domain.Time    `msgpack:"at"`
}

// OrderID implements [Command].
func (c CompleteCancellation) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (CompleteCancellation) CommandType() string { return CommandCompleteCancellation }

// OrderID implements [Command].
func (c DeclineCancellation) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (DeclineCancellation) CommandType() string { return CommandDeclineCancellation }

// EventType implements [Event].
func (CancellationRequested) EventType() string { return TypeCancellationRequested }

// SchemaVersion implements [Event].
func (CancellationRequested) SchemaVersion() int16 { return schemaFirst }

// EventType implements [Event].
func (CancellationDeclined) EventType() string { return TypeCancellationDeclined }

// SchemaVersion implements [Event].
func (CancellationDeclined) SchemaVersion() int16 { return schemaFirst }

// mustWait reports whether others have to let go before anything of o can be cancelled.
func (o *Order) mustWait() bool {
	return o.moneyKnown() || slices.ContainsFunc(o.Lines, func(l LineState) bool { return l.Assigned > 0 || l.CancelRequested > 0 })
}

// request returns the units that c asks others to let go of.
func (c Cancel) request(o *Order) ([]Event, error) {
	if len(o.Requests) >= MaxCancellations {
		return nil, domain.LimitExceeded{
			Field: "cancellations", Limit: MaxCancellations, Actual: MaxCancellations + 1, Unit: "cancellations",
		}
	}
	e := CancellationRequested{CancellationID: c.CancellationID, Whole: len(c.Lines) == 0, Reason: c.Reason, Note: c.Note, At: c.Now}
	if e.Whole {
		for i := range o.Lines {
			l := &o.Lines[i]
			if l.Shipped > 0 {
				return nil, l.exceeds(l.Ordered() - l.Cancelled)
			}
			if n := l.Ordered() - l.Cancelled - l.CancelRequested; n > 0 {
				e.Lines = append(e.Lines, LineQuantity{LineID: l.Line.ID, Quantity: n})
			}
		}
		return []Event{e}, nil
	}
	lines, err := o.sorted(c.Lines)
	if err != nil {
		return nil, err
	}
	for _, q := range lines {
		if l, _ := o.Line(q.LineID); q.Quantity > l.Open()+l.Assigned-l.CancelRequested {
			return nil, l.exceeds(q.Quantity)
		}
	}
	e.Lines = lines
	return []Event{e}, nil
}

func (e CancellationRequested) apply(o *Order) {
	o.Requests = append(o.Requests, CancellationRequest{
		ID: e.CancellationID, Whole: e.Whole, Lines: e.Lines, Reason: e.Reason, At: e.At,
	})
	o.each(e.Lines, func(l *LineState, n int64) { l.CancelRequested += n })
	if e.Whole {
		o.Lifecycle = LifecycleCancelling
	}
	o.UpdatedAt = e.At
}

func (c CompleteCancellation) decide(o *Order) ([]Event, error) {
	if o.Lifecycle == LifecycleNone {
		return nil, transition(o, c)
	}
	if err := domain.CheckID("cancellation_id", c.CancellationID); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(o.Cancellations, func(s CancellationSummary) bool { return s.ID == c.CancellationID }) {
		return nil, nil
	}
	i := o.requestIndex(c.CancellationID)
	switch {
	case i < 0:
		return nil, UnknownCancellation{CancellationID: c.CancellationID}
	case !o.Requests[i].ClosedAt.IsZero():
		return nil, CancellationClosed{CancellationID: c.CancellationID, ClosedAt: o.Requests[i].ClosedAt}
	case !o.mayCancel() && o.Lifecycle != LifecycleCancelling:
		return nil, transition(o, c)
	}
	take := make([]int64, len(o.Lines))
	for _, q := range o.Requests[i].Rest() {
		l := o.lineIndex(q.LineID)
		if take[l] = q.Quantity; q.Quantity > o.Lines[l].Open() {
			return nil, o.Lines[l].exceeds(q.Quantity)
		}
	}
	return Cancel{CancellationID: c.CancellationID, Reason: o.Requests[i].Reason, Now: c.Now}.events(o, take)
}

func (c DeclineCancellation) decide(o *Order) ([]Event, error) {
	if o.Lifecycle == LifecycleNone {
		return nil, transition(o, c)
	}
	f := &fields{names: true}
	f.id("cancellation_id", c.CancellationID)
	if c.Reason == "" {
		c.Reason = DeclineOther
	}
	oneOf(f, "reason", c.Reason, DeclinePacked, DeclineShipped, DeclineOther)
	f.quantities(c.Lines)
	if f.err != nil {
		return nil, f.err
	}
	lines, err := o.sorted(c.Lines)
	if err != nil {
		return nil, err
	}
	i := o.requestIndex(c.CancellationID)
	if i < 0 {
		if slices.ContainsFunc(o.Cancellations, func(s CancellationSummary) bool { return s.ID == c.CancellationID }) {
			return nil, CancellationClosed{CancellationID: c.CancellationID, ClosedAt: o.ClosedAt}
		}
		return nil, UnknownCancellation{CancellationID: c.CancellationID}
	}
	r := &o.Requests[i]
	if r.saidAlready(lines) {
		return nil, nil
	}
	if !r.ClosedAt.IsZero() {
		return nil, CancellationClosed{CancellationID: r.ID, ClosedAt: r.ClosedAt}
	}
	rest := r.Rest()
	if len(lines) == 0 {
		lines = rest
	}
	left := int64(0)
	for _, q := range rest {
		left += q.Quantity
	}
	for _, q := range lines {
		if left -= q.Quantity; q.Quantity > quantityOf(rest, q.LineID) || quantityOf(r.Declined, q.LineID) > 0 {
			return nil, CancellationConflict{CancellationID: r.ID, Lines: rest}
		}
	}
	return []Event{CancellationDeclined{CancellationID: r.ID, Lines: lines, Reason: c.Reason, Final: left == 0, At: c.Now}}, nil
}

// saidAlready reports whether exactly these lines are declined already; no lines stand for all that was left.
func (r *CancellationRequest) saidAlready(lines []LineQuantity) bool {
	if len(lines) == 0 {
		return !slices.ContainsFunc(r.Lines, func(q LineQuantity) bool { return quantityOf(r.Declined, q.LineID) < q.Quantity })
	}
	return !slices.ContainsFunc(lines, func(q LineQuantity) bool { return !slices.Contains(r.Declined, q) })
}

func (e CancellationDeclined) apply(o *Order) {
	if i := o.requestIndex(e.CancellationID); i >= 0 {
		r := &o.Requests[i]
		r.Declined = append(r.Declined, e.Lines...)
		if e.Final {
			o.closeRequest(r, e.At)
		}
	}
	o.each(e.Lines, func(l *LineState, n int64) { l.CancelRequested -= n })
	o.UpdatedAt = e.At
}

// closeRequest ends a request: if it was for the whole order, that stands where it stood before.
func (o *Order) closeRequest(r *CancellationRequest, at domain.Time) {
	r.ClosedAt = at
	if !r.Whole || o.Lifecycle != LifecycleCancelling {
		return
	}
	o.Lifecycle = LifecyclePending
	if !o.ConfirmedAt.IsZero() {
		o.Lifecycle = LifecycleConfirmed
	}
}

func (o *Order) requestIndex(id string) int {
	return slices.IndexFunc(o.Requests, func(r CancellationRequest) bool { return r.ID == id })
}
