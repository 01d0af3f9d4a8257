package returns

import (
	"cmp"
	"slices"

	"waybill/domain"
	"waybill/domain/money"
)

// EndKind says how a return ended by a decision. (It may also expire.)
type EndKind string

// The kinds of ends.
const (
	EndClosed    EndKind = "closed"
	EndDeclined  EndKind = "declined"
	EndCancelled EndKind = "cancelled"
)

func (k EndKind) status() Status {
	switch k {
	case EndClosed:
		return StatusClosed
	case EndDeclined:
		return StatusDeclined
	case EndCancelled:
		return StatusCancelled
	}
	return StatusNone
}

// End is how a return ended.
type End struct {
	Kind   EndKind         `msgpack:"kind"`
	Reason string          `msgpack:"reason,omitempty"` // of a declined or cancelled one
	Note   domain.Personal `msgpack:"note,omitempty"`
	At     domain.Time     `msgpack:"at"`
}

// CancelReason says why a return is given up.
type CancelReason string

// The reasons to cancel a return.
const (
	CancelCustomer CancelReason = "customer"
	CancelStaff    CancelReason = "staff"
	CancelOther    CancelReason = "other"
)

// Cancel gives up a return before anything has come in or is on its way.
type Cancel struct {
	ID     ID
	Reason CancelReason // other if empty
	Note   domain.Personal
	Now    domain.Time
}

// Expire gives up the units that have not come in time. The return ends if no other unit is left.
type Expire struct {
	ID       ID
	Deadline domain.Time // later than that of the approval, or of a request that nobody answered; else zero
	Now      domain.Time
}

// Close ends a return with which nothing is left to do.
type Close struct {
	ID  ID
	Now domain.Time
}

// FlagManualRefund says that a person has to take the refund over, whatever state the return is in. From then on
// [Return.RefundDue] names no units.
type FlagManualRefund struct {
	ID     ID
	FlagID string // unique in the return
	Reason string // one sentence, not personal
	Now    domain.Time
}

// ManualRefund is a flag that a person has to take the refund over.
type ManualRefund struct {
	ID     string      `msgpack:"flag_id,omitempty"`
	Reason string      `msgpack:"reason,omitempty"`
	At     domain.Time `msgpack:"at"`
}

// Cancelled records that the return was given up.
type Cancelled struct {
	Head
	Reason CancelReason    `msgpack:"reason"`
	Note   domain.Personal `msgpack:"note,omitempty"`
}

// Expired records units that did not come in time. What the order handed out for them goes back.
type Expired struct {
	Head
	Lines    []LineQuantity `msgpack:"lines,omitempty"`
	Deadline domain.Time    `msgpack:"deadline"`
}

// Closed records that nothing is left to do.
type Closed struct{ Head }

// ManualRefundRequired records that a person has to take the refund over.
type ManualRefundRequired struct {
	Head
	FlagID string `msgpack:"flag_id,omitempty"`
	Reason string `msgpack:"reason,omitempty"`
}

// RecoveryRequired records units that were paid for, by a refund or by a replacement that shipped first, and turn out not to
// deserve it: they did not come, or not as they should. Somebody has to get it back, from the security if there is one.
type RecoveryRequired struct {
	Head
	Lines           []LineQuantity `msgpack:"lines,omitempty"`
	Replacement     string         `msgpack:"replacement_order_id,omitempty"` // "" if nothing shipped first
	SecurityPayment string         `msgpack:"security_payment_id,omitempty"`
	Security        money.Money    `msgpack:"security"`
}

// ReturnID implements [Command].
func (c Cancel) ReturnID() ID { return c.ID }

// CommandType implements [Command].
func (Cancel) CommandType() string { return CommandCancel }

// ReturnID implements [Command].
func (c Expire) ReturnID() ID { return c.ID }

// CommandType implements [Command].
func (Expire) CommandType() string { return CommandExpire }

// ReturnID implements [Command].
func (c Close) ReturnID() ID { return c.ID }

// CommandType implements [Command].
func (Close) CommandType() string { return CommandClose }

// ReturnID implements [Command].
func (c FlagManualRefund) ReturnID() ID { return c.ID }

// CommandType implements [Command].
func (FlagManualRefund) CommandType() string { return CommandFlagManualRefund }

// EventType implements [Event].
func (Cancelled) EventType() string { return TypeCancelled }

// EventType implements [Event].
func (Expired) EventType() string { return TypeExpired }

// EventType implements [Event].
func (Closed) EventType() string { return TypeClosed }

// EventType implements [Event].
func (ManualRefundRequired) EventType() string { return TypeManualRefundRequired }

// EventType implements [Event].
func (RecoveryRequired) EventType() string { return TypeRecoveryRequired }

// ended reports whether r has ended as kind for that reason, and refuses another reason.
func (r *Return) ended(kind EndKind, reason string, what What) (bool, error) {
	if r.End == nil || r.End.Kind != kind {
		return false, nil
	}
	if r.End.Reason != reason {
		return false, Conflict{What: what, ID: r.End.Reason}
	}
	return true, nil
}

// here returns how many units have come in or have an outcome.
func (r *Return) here() int64 {
	return r.total(func(l *LineState) int64 { return max(l.Received, l.Graded()) })
}

func (r *Return) mayCancel() bool {
	s := r.Status()
	return (s == StatusRequested || s == StatusApproved) && r.here() == 0
}

func (c Cancel) decide(r *Return) ([]Event, error) {
	c.Reason = cmp.Or(c.Reason, CancelOther)
	f := new(fields)
	oneOf(f, "reason", c.Reason, CancelCustomer, CancelStaff, CancelOther)
	f.note("note", c.Note, MaxText)
	if f.err != nil {
		return nil, f.err
	}
	if done, err := r.ended(EndCancelled, string(c.Reason), WhatCancellation); done || err != nil {
		return nil, err
	}
	if !r.mayCancel() {
		if n := r.here(); n > 0 && !r.Status().Final() {
			return nil, AlreadyReceived{Units: n}
		}
		return nil, transition(r, c)
	}
	return r.withRecovery(Cancelled{Head: r.head(c.Now), Reason: c.Reason, Note: c.Note}, c.Now), nil
}

func (e Cancelled) apply(r *Return) {
	r.End = &End{Kind: EndCancelled, Reason: string(e.Reason), Note: e.Note, At: e.At}
	r.UpdatedAt = e.At
}

func (r *Return) mayExpire() bool {
	return r.ID != "" && !r.Status().Final() && r.total((*LineState).Outstanding) > 0
}

func (c Expire) decide(r *Return) ([]Event, error) {
	if !r.mayExpire() {
		if r.End == nil && !r.ExpiredAt.IsZero() {
			return nil, nil
		}
		if n := r.here(); n > 0 && !r.Status().Final() {
			return nil, AlreadyReceived{Units: n}
		}
		return nil, transition(r, c)
	}
	deadline := c.Deadline
	if r.Approval != nil {
		deadline = max(deadline, r.Approval.ExpiresAt)
	}
	if deadline.IsZero() {
		return nil, domain.InvalidField{Field: "deadline", Reason: "is missing, and the return is not approved"}
	}
	if c.Now < deadline {
		return nil, NotYetDue{Deadline: deadline, Now: c.Now}
	}
	lines := r.quantities((*LineState).Outstanding)
	return r.withRecovery(Expired{Head: r.head(c.Now), Lines: lines, Deadline: deadline}, c.Now), nil
}

func (e Expired) apply(r *Return) {
	for _, q := range e.Lines {
		if l, ok := r.Line(q.LineID); ok {
			l.Expired += q.Quantity
		}
	}
	r.ExpiredAt, r.UpdatedAt = e.At, e.At
}

func (c Close) decide(r *Return) ([]Event, error) {
	switch r.Status() {
	case StatusClosed:
		return nil, nil
	case StatusInspected:
		if !r.settled() {
			return nil, NotSettled{Restock: r.RestockDue(), Refund: r.RefundDue().Lines}
		}
		return r.withRecovery(Closed{Head: r.head(c.Now)}, c.Now), nil
	case StatusNone, StatusRequested, StatusApproved, StatusInTransit, StatusPartiallyReceived, StatusReceived,
		StatusDeclined, StatusCancelled, StatusExpired:
	}
	return nil, transition(r, c)
}

func (e Closed) apply(r *Return) {
	r.End = &End{Kind: EndClosed, At: e.At}
	r.UpdatedAt = e.At
}

// withRecovery returns end, and what has to be got back once it has happened.
func (r *Return) withRecovery(end Event, now domain.Time) []Event {
	events := []Event{end}
	after := *r // its lines alone are changed by end
	after.Lines = slices.Clone(r.Lines)
	end.apply(&after)
	lines := after.quantities(after.unearned)
	if len(lines) == 0 {
		return events
	}
	e := RecoveryRequired{Head: r.head(now), Lines: lines, Security: money.New(0, r.Currency)}
	if x := r.Replacement; x != nil && x.ShipFirst {
		e.Replacement, e.SecurityPayment, e.Security = x.OrderID, x.SecurityPayment, x.Security
	}
	return append(events, e)
}

// unearned returns how many units of l were paid for, cannot deserve it any more, and were not told yet.
func (r *Return) unearned(l *LineState) int64 {
	paid := l.Granted
	if r.Replacement != nil && r.Replacement.ShipFirst {
		paid = l.Line.Quantity
	}
	return max(0, paid-r.deserved(l)-l.Recovering)
}

func (e RecoveryRequired) apply(r *Return) {
	for _, q := range e.Lines {
		if l, ok := r.Line(q.LineID); ok {
			l.Recovering += q.Quantity
		}
	}
	r.UpdatedAt = e.At
}

func (c FlagManualRefund) decide(r *Return) ([]Event, error) {
	f := new(fields)
	f.id("flag_id", c.FlagID)
	if c.Reason == "" {
		f.invalid("reason", "is missing")
	}
	f.text("reason", c.Reason, MaxTitle)
	if f.err != nil {
		return nil, f.err
	}
	if i := slices.IndexFunc(r.ManualRefunds, func(m ManualRefund) bool { return m.ID == c.FlagID }); i >= 0 {
		if r.ManualRefunds[i].Reason != c.Reason {
			return nil, Conflict{What: WhatFlag, ID: c.FlagID}
		}
		return nil, nil
	}
	if f.room("flags", len(r.ManualRefunds), MaxFlags); f.err != nil {
		return nil, f.err
	}
	return []Event{ManualRefundRequired{Head: r.head(c.Now), FlagID: c.FlagID, Reason: c.Reason}}, nil
}

func (e ManualRefundRequired) apply(r *Return) {
	r.ManualRefunds = append(r.ManualRefunds, ManualRefund{ID: e.FlagID, Reason: e.Reason, At: e.At})
	r.UpdatedAt = e.At
}
