package order

import (
	"cmp"
	"fmt"
	"slices"

	"waybill/domain"
	"waybill/domain/money"
)

// CancelReason says why something was cancelled.
type CancelReason string

// The reasons to cancel.
const (
	CancelCustomer  CancelReason = "customer"
	CancelFraud     CancelReason = "fraud"
	CancelInventory CancelReason = "inventory"
	CancelDeclined  CancelReason = "declined"
	CancelStaff     CancelReason = "staff"
	CancelOther     CancelReason = "other"
)

// LineQuantity is a number of units of one line.
type LineQuantity struct {
	LineID   string `json:"line_id"  msgpack:"line_id,omitempty"`
	Quantity int64  `json:"quantity" msgpack:"quantity"`
}

// CancelledLine is a number of units of one line that were cancelled, and what that gives back.
type CancelledLine struct {
	LineID   string      `msgpack:"line_id,omitempty"`
	Quantity int64       `msgpack:"quantity"`
	Credit   money.Money `msgpack:"credit"` // by cumulative rounding of the line's Net
}

// CancellationSummary remembers a cancellation, so that repeating it is recognised.
type CancellationSummary struct {
	ID     string         `msgpack:"cancellation_id,omitempty"`
	Whole  bool           `msgpack:"whole"`           // it closed the order
	Lines  []LineQuantity `msgpack:"lines,omitempty"` // in the order of the order's lines
	Reason CancelReason   `msgpack:"reason"`
	At     domain.Time    `msgpack:"at"`
}

// Cancel gives up the whole order, or units of some lines, before they are shipped. Where nothing is handed out and no money
// is known it is carried out at once; else it is requested, and waits for others to let go.
type Cancel struct {
	ID             ID
	CancellationID string         // unique in the order
	Lines          []LineQuantity // empty for all that is open; else each line once
	Reason         CancelReason   // other if empty
	Note           domain.Personal
	Now            domain.Time
}

// LinesCancelled records units that were given up.
type LinesCancelled struct {
	CancellationID string          `msgpack:"cancellation_id,omitempty"`
	Reason         CancelReason    `msgpack:"reason"`
	Note           domain.Personal `msgpack:"note,omitempty"`
	Lines          []CancelledLine `msgpack:"lines,omitempty"`
	Credit         money.Money     `msgpack:"credit"` // of all lines together, at most what the order still costs
	At             domain.Time     `msgpack:"at"`
}

// Cancelled records that the order is cancelled as a whole.
type Cancelled struct {
	CancellationID string       `msgpack:"cancellation_id,omitempty"`
	Reason         CancelReason `msgpack:"reason"`
	Credit         money.Money  `msgpack:"credit"` // the rest: delivery and fees, which belong to no line
	At             domain.Time  `msgpack:"at"`
}

// OrderID implements [Command].
func (c Cancel) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (Cancel) CommandType() string { return CommandCancel }

// EventType implements [Event].
func (LinesCancelled) EventType() string { return TypeLinesCancelled }

// SchemaVersion implements [Event].
func (LinesCancelled) SchemaVersion() int16 { return schemaFirst }

// EventType implements [Event].
func (Cancelled) EventType() string { return TypeCancelled }

// SchemaVersion implements [Event].
func (Cancelled) SchemaVersion() int16 { return schemaFirst }

func (c Cancel) decide(o *Order) ([]Event, error) {
	if o.Lifecycle == LifecycleNone {
		return nil, transition(o, c)
	}
	c.Reason = cmp.Or(c.Reason, CancelOther)
	if err := c.check(); err != nil {
		return nil, err
	}
	if done, err := c.repeated(o); done || err != nil {
		return nil, err
	}
	if !o.mayCancel() {
		if (o.Lifecycle == LifecycleCancelled || o.Lifecycle == LifecycleCancelling) && len(c.Lines) == 0 {
			return nil, nil
		}
		return nil, transition(o, c)
	}
	if err := o.blocked(VerbCancel, c.Now); err != nil {
		return nil, err
	}
	if o.mustWait() {
		return c.request(o)
	}
	take, err := c.quantities(o)
	if err != nil {
		return nil, err
	}
	return c.events(o, take)
}

// check refuses a cancellation that no state would accept.
func (c Cancel) check() error {
	f := &fields{names: true}
	f.id("cancellation_id", c.CancellationID)
	oneOf(f, "reason", c.Reason, CancelCustomer, CancelFraud, CancelInventory, CancelDeclined, CancelStaff, CancelOther)
	f.check(domain.CheckPersonal("note", c.Note, MaxText))
	f.quantities(c.Lines)
	return f.err
}

// repeated reports whether c was carried out before, and refuses it if its id was used for something else.
func (c Cancel) repeated(o *Order) (bool, error) {
	var s CancellationSummary
	if i := o.requestIndex(c.CancellationID); i >= 0 { // what was asked for, whatever came of it
		s = CancellationSummary{ID: c.CancellationID, Whole: o.Requests[i].Whole, Lines: o.Requests[i].Lines}
	} else if i = slices.IndexFunc(o.Cancellations, func(s CancellationSummary) bool { return s.ID == c.CancellationID }); i >= 0 {
		s = o.Cancellations[i]
	} else {
		return false, nil
	}
	if s.Whole && len(c.Lines) == 0 {
		return true, nil
	}
	same := len(s.Lines) == len(c.Lines)
	for _, l := range c.Lines {
		same = same && slices.Contains(s.Lines, l)
	}
	if !same {
		return false, CancellationConflict{CancellationID: s.ID, Lines: s.Lines}
	}
	return true, nil
}

// quantities returns the units to cancel for each line of o, in the order of its lines.
func (c Cancel) quantities(o *Order) ([]int64, error) {
	take := make([]int64, len(o.Lines))
	if len(c.Lines) == 0 {
		for i := range o.Lines {
			l := &o.Lines[i]
			take[i] = l.Open()
			if claimed := l.Assigned + l.Shipped; claimed > 0 {
				return nil, l.exceeds(l.Ordered() - l.Cancelled)
			}
		}
		return take, nil
	}
	for _, q := range c.Lines {
		i := o.lineIndex(q.LineID)
		if i < 0 {
			return nil, UnknownLine{LineID: q.LineID}
		}
		if q.Quantity > o.Lines[i].Open() {
			return nil, o.Lines[i].exceeds(q.Quantity)
		}
		take[i] = q.Quantity
	}
	return take, nil
}

// exceeds refuses to take requested units off l.
func (l *LineState) exceeds(requested int64) error {
	if l.Shipped > 0 {
		return AlreadyShipped{LineID: l.Line.ID, Requested: requested, Open: l.Open(), Shipped: l.Shipped}
	}
	return QuantityExceedsOpen{LineID: l.Line.ID, Requested: requested, Open: l.Open()}
}

// events returns what taking the units off the lines means. When no unit is left the order is cancelled as a whole,
// and what belongs to no line is credited too.
func (c Cancel) events(o *Order, take []int64) ([]Event, error) {
	e := LinesCancelled{
		CancellationID: c.CancellationID, Reason: c.Reason, Note: c.Note, Credit: money.New(0, o.Details.Currency), At: c.Now,
	}
	whole := true
	for i := range o.Lines {
		l := &o.Lines[i]
		whole = whole && l.Cancelled+take[i] == l.Ordered()
		if take[i] == 0 {
			continue
		}
		credit, err := l.worth(take[i])
		if err != nil {
			return nil, fmt.Errorf("credit line %s of order %s: %w", l.Line.ID, o.ID, err)
		}
		if e.Credit, err = e.Credit.Add(credit); err != nil {
			return nil, fmt.Errorf("credit order %s: %w", o.ID, err)
		}
		e.Lines = append(e.Lines, CancelledLine{LineID: l.Line.ID, Quantity: take[i], Credit: credit})
	}
	// What goodwill has given back already is not given back again.
	e.Credit.Minor = min(e.Credit.Minor, o.Due().Minor)
	if !whole {
		return []Event{e}, nil
	}
	rest, err := o.Due().Sub(e.Credit)
	if err != nil {
		return nil, fmt.Errorf("credit order %s: %w", o.ID, err)
	}
	return []Event{e, Cancelled{CancellationID: c.CancellationID, Reason: c.Reason, Credit: rest, At: c.Now}}, nil
}

// mayCancel reports whether the lifecycle of o lets units be given up.
func (o *Order) mayCancel() bool {
	switch o.Lifecycle {
	case LifecyclePending, LifecycleConfirmed:
		return true
	case LifecycleNone, LifecycleCompleted, LifecycleRejected, LifecycleExpired, LifecycleCancelling, LifecycleCancelled:
	}
	return false
}

func (e LinesCancelled) apply(o *Order) {
	s := CancellationSummary{ID: e.CancellationID, Reason: e.Reason, At: e.At}
	request := o.requestIndex(e.CancellationID)
	for _, c := range e.Lines {
		if i := o.lineIndex(c.LineID); i >= 0 {
			o.Lines[i].Cancelled += c.Quantity
			o.Lines[i].Credited.Minor += c.Credit.Minor
			if request >= 0 {
				o.Lines[i].CancelRequested -= c.Quantity
			}
		}
		s.Lines = append(s.Lines, LineQuantity{LineID: c.LineID, Quantity: c.Quantity})
	}
	o.Credited.Minor += e.Credit.Minor
	o.Changed = o.Version + 1
	o.Cancellations = append(o.Cancellations, s)
	if request >= 0 {
		o.closeRequest(&o.Requests[request], e.At)
	}
	o.UpdatedAt = e.At
}

func (e Cancelled) apply(o *Order) {
	if n := len(o.Cancellations); n > 0 {
		o.Cancellations[n-1].Whole = true
	}
	o.Credited.Minor += e.Credit.Minor
	o.Lifecycle, o.ClosedAt, o.UpdatedAt = LifecycleCancelled, e.At, e.At
}
