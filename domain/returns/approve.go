package returns

import (
	"cmp"
	"slices"
	"time"

	"waybill/domain"
	"waybill/domain/money"
)

// DefaultExpiry is how long an approved return may take to come in unless the approval says otherwise.
const DefaultExpiry = 30 * 24 * time.Hour

// LabelPolicy says who pays for the way back.
type LabelPolicy string

// The label policies.
const (
	LabelNone     LabelPolicy = "none"     // the customer sends it as they like
	LabelPrepaid  LabelPolicy = "prepaid"  // the seller gives a label
	LabelDeducted LabelPolicy = "deducted" // the seller gives a label, and its price is one of the fees
)

// Trigger says when units are due for a refund.
type Trigger string

// The triggers.
const (
	TriggerApproval   Trigger = "approval"   // at once
	TriggerReceipt    Trigger = "receipt"    // when they come in
	TriggerInspection Trigger = "inspection" // when their outcome is known
)

// Fee is something that the refunds are reduced by.
type Fee struct {
	ID     string      `msgpack:"fee_id,omitempty"`
	Title  string      `msgpack:"title,omitempty"`
	Amount money.Money `msgpack:"amount"` // not negative
}

// Authorisation is what the order handed out for the return: its event order.return_authorised.
type Authorisation struct {
	OrderID  string         `msgpack:"order_id,omitempty"`
	ReturnID ID             `msgpack:"return_id"`
	Lines    []LineQuantity `msgpack:"lines,omitempty"`
}

// Approval is under which terms a return was approved.
type Approval struct {
	RMANumber      string        `msgpack:"rma_number,omitempty"` // what the customer writes on the parcel
	Authorisation  Authorisation `msgpack:"authorisation"`        // must be for this return of this order, and for exactly its lines
	Fees           []Fee         `msgpack:"fees,omitempty"`
	LabelPolicy    LabelPolicy   `msgpack:"label_policy"`         // none if empty in a command
	Trigger        Trigger       `msgpack:"refund_trigger"`       // inspection if empty in a command
	Refundable     []Outcome     `msgpack:"refundable,omitempty"` // outcomes that deserve a refund; [DefaultRefundable] if empty in a command
	RefundShipping money.Money   `msgpack:"refund_shipping"`      // outbound delivery that is refunded besides, at most
	ExpiresAt      domain.Time   `msgpack:"expires_at"`           // when what has not come is given up; after [DefaultExpiry] if zero in a command
}

// DefaultRefundable returns the outcomes that deserve a refund unless the approval says otherwise: the customer did their
// part.
func DefaultRefundable() []Outcome {
	return []Outcome{OutcomeRestocked, OutcomeDamaged, OutcomeKeepIt, OutcomeLostInTransit}
}

// refunds reports whether a unit with outcome o deserves a refund.
func (a *Approval) refunds(o Outcome) bool { return slices.Contains(a.Refundable, o) }

// Approve lets the customer send the goods. It needs what the order handed out: take that first, or in the same commit.
type Approve struct {
	ID       ID
	Approval Approval
	Now      domain.Time
}

// DeclineReason says why a return is declined.
type DeclineReason string

// The reasons to decline a return.
const (
	DeclineWindowClosed    DeclineReason = "window_closed"
	DeclineNotReturnable   DeclineReason = "not_returnable"
	DeclineNotAuthorised   DeclineReason = "not_authorised" // the order has no such units to hand out
	DeclineEvidenceMissing DeclineReason = "evidence_missing"
	DeclineFraud           DeclineReason = "fraud"
	DeclineOther           DeclineReason = "other"
)

// Decline says no to a return.
type Decline struct {
	ID     ID
	Reason DeclineReason // other if empty
	Note   domain.Personal
	Now    domain.Time
}

// Approved records that the customer may send the goods, and under which terms.
type Approved struct {
	Head
	Approval Approval `msgpack:"approval"`
}

// Declined records that the seller said no.
type Declined struct {
	Head
	Reason DeclineReason   `msgpack:"reason"`
	Note   domain.Personal `msgpack:"note,omitempty"`
}

// ReturnID implements [Command].
func (c Approve) ReturnID() ID { return c.ID }

// CommandType implements [Command].
func (Approve) CommandType() string { return CommandApprove }

// ReturnID implements [Command].
func (c Decline) ReturnID() ID { return c.ID }

// CommandType implements [Command].
func (Decline) CommandType() string { return CommandDecline }

// EventType implements [Event].
func (Approved) EventType() string { return TypeApproved }

// EventType implements [Event].
func (Declined) EventType() string { return TypeDeclined }

func (c Approve) decide(r *Return) ([]Event, error) {
	a := c.Approval
	a.fillIn(r)
	if err := a.check(r.Currency); err != nil {
		return nil, err
	}
	if r.Approval != nil {
		a.ExpiresAt = cmp.Or(a.ExpiresAt, r.Approval.ExpiresAt)
		if !a.same(r.Approval) {
			return nil, Conflict{What: WhatApproval, ID: r.Approval.RMANumber}
		}
		return nil, nil
	}
	if r.Status() != StatusRequested {
		return nil, transition(r, c)
	}
	if err := r.authorised(&a.Authorisation); err != nil {
		return nil, err
	}
	a.ExpiresAt = cmp.Or(a.ExpiresAt, c.Now.Add(DefaultExpiry))
	if a.ExpiresAt <= c.Now {
		return nil, domain.InvalidField{Field: "expires_at", Reason: "is not after now"}
	}
	return []Event{Approved{Head: r.head(c.Now), Approval: a}}, nil
}

// authorised refuses an authorisation that is not for this return, or not for exactly its units.
func (r *Return) authorised(a *Authorisation) error {
	wanted := r.quantities((*LineState).Units)
	if a.OrderID != r.OrderID || a.ReturnID != r.ID || !sameSet(a.Lines, wanted) {
		return NotAuthorised{OrderID: r.OrderID, Requested: wanted, Authorised: a.Lines}
	}
	return nil
}

// fillIn gives a what a command may leave empty.
func (a *Approval) fillIn(r *Return) {
	a.LabelPolicy = cmp.Or(a.LabelPolicy, LabelNone)
	a.Trigger = cmp.Or(a.Trigger, TriggerInspection)
	if len(a.Refundable) == 0 {
		a.Refundable = DefaultRefundable()
	}
	if a.RefundShipping == (money.Money{}) {
		a.RefundShipping = money.New(0, r.Currency)
	}
}

func (a *Approval) check(c money.Currency) error {
	f := new(fields)
	f.name("rma_number", a.RMANumber)
	f.count("authorisation.lines", len(a.Authorisation.Lines), MaxLines, "lines")
	f.quantities("authorisation.lines", a.Authorisation.Lines)
	f.count("fees", len(a.Fees), MaxFees, "fees")
	sum := money.New(0, c)
	for i := range a.Fees {
		fee, field := &a.Fees[i], at("fees", i)
		f.id(field+".fee_id", fee.ID)
		f.text(field+".title", fee.Title, MaxTitle)
		f.amount(field+".amount", fee.Amount, c)
		if f.err != nil {
			return f.err
		}
		var err error
		if sum, err = sum.Add(fee.Amount); err != nil {
			f.invalid(field+".amount", "makes the fees more than can be counted")
		}
	}
	unique(f, "fees", a.Fees, func(fee *Fee) string { return fee.ID })
	oneOf(f, "label_policy", a.LabelPolicy, LabelNone, LabelPrepaid, LabelDeducted)
	oneOf(f, "refund_trigger", a.Trigger, TriggerApproval, TriggerReceipt, TriggerInspection)
	for i, o := range a.Refundable {
		oneOf(f, at("refundable", i), o, Outcomes()...)
		if o == OutcomeProcessingRequired {
			f.invalid(at("refundable", i), "is not final")
		}
	}
	unique(f, "refundable", a.Refundable, func(o *Outcome) string { return string(*o) })
	f.amount("refund_shipping", a.RefundShipping, c)
	return f.err
}

// same reports whether a says what b says.
func (a *Approval) same(b *Approval) bool {
	return a.RMANumber == b.RMANumber && a.LabelPolicy == b.LabelPolicy && a.Trigger == b.Trigger &&
		a.RefundShipping == b.RefundShipping && a.ExpiresAt == b.ExpiresAt &&
		a.Authorisation.OrderID == b.Authorisation.OrderID && a.Authorisation.ReturnID == b.Authorisation.ReturnID &&
		sameSet(a.Authorisation.Lines, b.Authorisation.Lines) && slices.Equal(a.Fees, b.Fees) &&
		sameSet(a.Refundable, b.Refundable)
}

func (e Approved) apply(r *Return) {
	r.Approval = &e.Approval
	r.UpdatedAt = e.At
}

func (c Decline) decide(r *Return) ([]Event, error) {
	c.Reason = cmp.Or(c.Reason, DeclineOther)
	f := new(fields)
	oneOf(f, "reason", c.Reason, DeclineWindowClosed, DeclineNotReturnable, DeclineNotAuthorised, DeclineEvidenceMissing,
		DeclineFraud, DeclineOther)
	f.note("note", c.Note, MaxText)
	if f.err != nil {
		return nil, f.err
	}
	if done, err := r.ended(EndDeclined, string(c.Reason), WhatDecline); done || err != nil {
		return nil, err
	}
	if r.Status() != StatusRequested {
		return nil, transition(r, c)
	}
	return []Event{Declined{Head: r.head(c.Now), Reason: c.Reason, Note: c.Note}}, nil
}

func (e Declined) apply(r *Return) {
	r.End = &End{Kind: EndDeclined, Reason: string(e.Reason), Note: e.Note, At: e.At}
	r.UpdatedAt = e.At
}
