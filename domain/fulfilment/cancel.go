package fulfilment

import (
	"slices"

	"waybill/domain"
)

// CancelReason says why units are asked back.
type CancelReason string

// The reasons to ask units back.
const (
	CancelCustomer CancelReason = "customer"
	CancelFraud    CancelReason = "fraud"
	CancelPayment  CancelReason = "payment"
	CancelReroute  CancelReason = "reroute" // another location will do it
	CancelStaff    CancelReason = "staff"
	CancelOther    CancelReason = "other"
)

// DeclineReason says why units are not given back.
type DeclineReason string

// The reasons to decline a cancellation.
const (
	DeclineAlreadyPacked  DeclineReason = "already_packed"
	DeclineAlreadyShipped DeclineReason = "already_shipped"
	DeclineNothingLeft    DeclineReason = "nothing_left" // the units have gone back already
	DeclineOther          DeclineReason = "other"
)

// CancellationState is what became of a request to give units back.
type CancellationState string

// The states of a cancellation.
const (
	CancellationOpen     CancellationState = "requested"
	CancellationGranted  CancellationState = "cancelled" // some of the units at least
	CancellationDenied   CancellationState = "declined"
	cancellationNotFound CancellationState = ""
)

// Cancellation is a request to give units back, and the answer.
type Cancellation struct {
	ID      string            `msgpack:"cancellation_id,omitempty"`
	State   CancellationState `msgpack:"state"`
	Whole   bool              `msgpack:"whole"` // all that had not left was asked for
	Lines   []LineQuantity    `msgpack:"lines,omitempty"`
	Granted []LineQuantity    `msgpack:"granted,omitempty"`
	Reason  CancelReason      `msgpack:"reason"`
	At      domain.Time       `msgpack:"at"`
}

// asks reports whether units of l are asked for.
func (c *Cancellation) asks(l *LineState) bool { return quantity(c.Lines, l.Line.LineID) > 0 }

// RequestCancellation asks for units back that have not left. The location answers by [Cancel] or [DeclineCancellation];
// until then nothing is labelled or shipped.
type RequestCancellation struct {
	Target
	CancellationID string         // unique in the fulfilment
	Lines          []LineQuantity // empty for all that has not left; else each line once
	Reason         CancelReason   // other if empty
	Note           domain.Personal
}

// Cancel gives the units of a cancellation back, or some of them: the rest is declined. Units in a parcel can be given back
// when nothing is left besides; else the parcel is to be unpacked first.
type Cancel struct {
	Target
	CancellationID string
	Lines          []LineQuantity // empty for all that were asked for and have not left
	Reason         DeclineReason  // of those that are not given back; other if empty
}

// DeclineCancellation says that nothing is given back.
type DeclineCancellation struct {
	Target
	CancellationID string
	Reason         DeclineReason // other if empty
}

// CancellationRequested records that units are asked for.
type CancellationRequested struct {
	Head
	CancellationID string          `msgpack:"cancellation_id,omitempty"`
	Whole          bool            `msgpack:"whole"`
	Lines          []Line          `msgpack:"lines,omitempty"`
	Reason         CancelReason    `msgpack:"reason"`
	Note           domain.Personal `msgpack:"note,omitempty"`
}

// LinesCancelled records units that were given back on request: the order has them open again.
type LinesCancelled struct {
	Head
	CancellationID string   `msgpack:"cancellation_id,omitempty"`
	Lines          []Line   `msgpack:"lines,omitempty"`
	Parcels        []string `msgpack:"parcels,omitempty"` // that are no more
}

// CancellationDeclined records units that are not given back.
type CancellationDeclined struct {
	Head
	CancellationID string        `msgpack:"cancellation_id,omitempty"`
	Lines          []Line        `msgpack:"lines,omitempty"`
	Reason         DeclineReason `msgpack:"reason"`
}

// CommandType implements [Command].
func (RequestCancellation) CommandType() string { return CommandRequestCancellation }

// CommandType implements [Command].
func (Cancel) CommandType() string { return CommandCancel }

// CommandType implements [Command].
func (DeclineCancellation) CommandType() string { return CommandDeclineCancellation }

// EventType implements [Event].
func (CancellationRequested) EventType() string { return TypeCancellationRequested }

// EventType implements [Event].
func (LinesCancelled) EventType() string { return TypeLinesCancelled }

// EventType implements [Event].
func (CancellationDeclined) EventType() string { return TypeCancellationDeclined }

func (c RequestCancellation) decide(f *Fulfilment) ([]Event, error) {
	if c.Reason == "" {
		c.Reason = CancelOther
	}
	check := &fields{}
	check.id("cancellation_id", c.CancellationID)
	oneOf(check, "reason", c.Reason, CancelCustomer, CancelFraud, CancelPayment, CancelReroute, CancelStaff, CancelOther)
	check.quantities("lines", c.Lines)
	check.check(domain.CheckPersonal("note", c.Note, MaxText))
	if check.err != nil {
		return nil, check.err
	}
	if old := f.cancellation(c.CancellationID); old != nil {
		if old.Whole != (len(c.Lines) == 0) || old.Reason != c.Reason || !old.Whole && !sameQuantities(old.Lines, c.Lines) {
			return nil, CancellationConflict{CancellationID: old.ID, State: old.State, Lines: old.Lines}
		}
		return nil, nil
	}
	if open := f.pending(); open != nil {
		return nil, CancellationPending{CancellationID: open.ID}
	}
	if f.unshipped() == 0 {
		return nil, f.transitionOrShipped(c)
	}
	asked := c.Lines
	if len(asked) == 0 {
		asked = f.Unshipped()
	}
	for _, q := range asked {
		if err := f.mayGiveBack(q); err != nil {
			return nil, err
		}
	}
	if n := len(f.Cancellations); n >= MaxCancellations {
		return nil, domain.LimitExceeded{Field: "cancellations", Limit: MaxCancellations, Actual: int64(n) + 1, Unit: "cancellations"}
	}
	return []Event{CancellationRequested{
		Head: f.head(c.Now), CancellationID: c.CancellationID, Whole: len(c.Lines) == 0, Lines: f.lines(asked), Reason: c.Reason,
		Note: c.Note,
	}}, nil
}

// mayGiveBack refuses more units of a line than have neither left nor been given back.
func (f *Fulfilment) mayGiveBack(q LineQuantity) error {
	if l, ok := f.Line(q.LineID); ok && l.Shipped > 0 && q.Quantity > l.Unshipped() {
		return AlreadyShipped{LineID: q.LineID, Requested: q.Quantity, Unshipped: l.Unshipped()}
	}
	return f.assigned(q, (*LineState).Unshipped)
}

func (e CancellationRequested) apply(f *Fulfilment) {
	f.Cancellations = append(f.Cancellations, Cancellation{
		ID: e.CancellationID, State: CancellationOpen, Whole: e.Whole, Lines: quantities(e.Lines), Reason: e.Reason, At: e.At,
	})
	f.UpdatedAt = e.At
}

func (c Cancel) decide(f *Fulfilment) ([]Event, error) {
	if c.Reason == "" {
		c.Reason = DeclineOther
	}
	check := &fields{}
	check.id("cancellation_id", c.CancellationID)
	check.quantities("lines", c.Lines)
	check.declineReason(c.Reason)
	if check.err != nil {
		return nil, check.err
	}
	asked := f.cancellation(c.CancellationID)
	switch state := asked.state(); state {
	case cancellationNotFound:
		return nil, UnknownCancellation{CancellationID: c.CancellationID}
	case CancellationGranted, CancellationDenied:
		if state == CancellationDenied || len(c.Lines) > 0 && !sameQuantities(asked.Granted, c.Lines) {
			return nil, CancellationConflict{CancellationID: asked.ID, State: asked.State, Lines: asked.Granted}
		}
		return nil, nil
	case CancellationOpen:
	}
	give, err := c.give(f, asked)
	if err != nil {
		return nil, err
	}
	parcels, err := f.parcelsToGiveUp(give)
	if err != nil {
		return nil, err
	}
	events := []Event{LinesCancelled{Head: f.head(c.Now), CancellationID: c.CancellationID, Lines: f.lines(give), Parcels: parcels}}
	var rest []LineQuantity
	for _, q := range asked.Lines {
		if n := q.Quantity - quantity(give, q.LineID); n > 0 {
			rest = append(rest, LineQuantity{LineID: q.LineID, Quantity: n})
		}
	}
	if len(rest) > 0 {
		events = append(events, CancellationDeclined{
			Head: f.head(c.Now), CancellationID: c.CancellationID, Lines: f.lines(rest), Reason: c.Reason,
		})
	}
	return events, nil
}

// give returns the units that c gives back of those that were asked for.
func (c Cancel) give(f *Fulfilment, asked *Cancellation) ([]LineQuantity, error) {
	if len(c.Lines) > 0 {
		for _, q := range c.Lines {
			if n := quantity(asked.Lines, q.LineID); q.Quantity > n {
				return nil, NotAssigned{LineID: q.LineID, Requested: q.Quantity, Left: n}
			}
			if err := f.mayGiveBack(q); err != nil {
				return nil, err
			}
		}
		return c.Lines, nil
	}
	var give []LineQuantity
	for _, q := range asked.Lines {
		if l, ok := f.Line(q.LineID); ok && l.Unshipped() > 0 {
			give = append(give, LineQuantity{LineID: q.LineID, Quantity: min(q.Quantity, l.Unshipped())})
		}
	}
	return give, nil
}

// parcelsToGiveUp returns the parcels that are no more when the units are given back: all that have not left, if no other
// units are left, else none. Then the units must be in no parcel.
func (f *Fulfilment) parcelsToGiveUp(give []LineQuantity) ([]string, error) {
	if !f.any(func(l *LineState) bool { return l.Unshipped() > quantity(give, l.Line.LineID) }) {
		return f.ToShip(), nil
	}
	for _, q := range give {
		if l, ok := f.Line(q.LineID); ok && q.Quantity > l.ToPick()+l.ToPack() {
			return nil, UnitsPacked{LineID: q.LineID, Requested: q.Quantity, Unpacked: l.ToPick() + l.ToPack()}
		}
	}
	return nil, nil
}

func (e LinesCancelled) apply(f *Fulfilment) {
	for _, id := range e.Parcels {
		if p := f.parcel(id); p != nil {
			p.State = StateCancelled
			f.pack(p.Lines, -1)
		}
	}
	for _, q := range e.Lines {
		if l, ok := f.Line(q.LineID); ok {
			l.giveBack(q.Quantity)
			l.Cancelled += q.Quantity
		}
	}
	if c := f.cancellation(e.CancellationID); c != nil {
		c.State, c.Granted = CancellationGranted, quantities(e.Lines)
	}
	f.UpdatedAt = e.At
}

func (c DeclineCancellation) decide(f *Fulfilment) ([]Event, error) {
	if c.Reason == "" {
		c.Reason = DeclineOther
	}
	check := &fields{}
	check.id("cancellation_id", c.CancellationID)
	check.declineReason(c.Reason)
	if check.err != nil {
		return nil, check.err
	}
	asked := f.cancellation(c.CancellationID)
	switch asked.state() {
	case cancellationNotFound:
		return nil, UnknownCancellation{CancellationID: c.CancellationID}
	case CancellationGranted:
		return nil, CancellationConflict{CancellationID: asked.ID, State: asked.State, Lines: asked.Granted}
	case CancellationDenied:
		return nil, nil
	case CancellationOpen:
	}
	return []Event{CancellationDeclined{
		Head: f.head(c.Now), CancellationID: c.CancellationID, Lines: f.lines(asked.Lines), Reason: c.Reason,
	}}, nil
}

func (e CancellationDeclined) apply(f *Fulfilment) {
	if c := f.cancellation(e.CancellationID); c != nil && c.State == CancellationOpen {
		c.State = CancellationDenied
	}
	f.UpdatedAt = e.At
}

// state returns where c stands; there may be none.
func (c *Cancellation) state() CancellationState {
	if c == nil {
		return cancellationNotFound
	}
	return c.State
}

func (f *fields) declineReason(r DeclineReason) {
	oneOf(f, "reason", r, DeclineAlreadyPacked, DeclineAlreadyShipped, DeclineNothingLeft, DeclineOther)
}

func (f *Fulfilment) cancellation(id string) *Cancellation {
	return f.findCancellation(func(c Cancellation) bool { return c.ID == id })
}

// pending returns the cancellation that is not answered yet, nil if there is none.
func (f *Fulfilment) pending() *Cancellation {
	return f.findCancellation(func(c Cancellation) bool { return c.State == CancellationOpen })
}

// Cancelling returns the cancellation that waits for an answer; ok is false if there is none.
func (f *Fulfilment) Cancelling() (c Cancellation, ok bool) {
	p := f.pending()
	if p == nil {
		return Cancellation{}, false
	}
	return *p, true
}

func (f *Fulfilment) findCancellation(is func(Cancellation) bool) *Cancellation {
	i := slices.IndexFunc(f.Cancellations, is)
	if i < 0 {
		return nil
	}
	return &f.Cancellations[i]
}
