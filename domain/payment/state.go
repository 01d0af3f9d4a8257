package payment

import (
	"cmp"
	"slices"

	"waybill/domain"
	"waybill/domain/money"
)

// CaptureMode says who captures what was authorised.
type CaptureMode string

// The capture modes.
const (
	CaptureManual CaptureMode = "manual" // by a capture of ours
	CaptureAuto   CaptureMode = "auto"   // what is authorised is captured with it; also money that needs no authorisation
)

// Capabilities is what a gateway has declared that it can do for this payment.
type Capabilities struct {
	MultiCapture           bool  `msgpack:"multi_capture"`             // several captures of one authorisation
	PartialVoid            bool  `msgpack:"partial_void"`              // a part of an authorisation may be voided
	IncrementalAuth        bool  `msgpack:"incremental_auth"`          // an authorisation may be adjusted
	OverCaptureBasisPoints int64 `msgpack:"over_capture_basis_points"` // how much more than authorised may be captured: 1500 is 15 %
	KeyLifetimeSeconds     int64 `msgpack:"key_lifetime_seconds"`      // how long it knows an operation id again
	ReplaysErrors          bool  `msgpack:"replays_errors"`            // a repeated operation id gets the first answer, also an error
}

// Terms is what a payment was initiated with.
type Terms struct {
	OrderID      string       `msgpack:"order_id,omitempty"`
	Gateway      string       `msgpack:"gateway,omitempty"`
	Method       string       `msgpack:"method,omitempty"` // such as "card", as the gateway calls it
	Amount       money.Money  `msgpack:"amount"`
	CaptureMode  CaptureMode  `msgpack:"capture_mode"`
	ReturnURL    string       `msgpack:"return_url,omitempty"` // where the customer comes back to
	Capabilities Capabilities `msgpack:"capabilities"`
}

// Payment is the state folded from the events of one payment. Its zero value is a payment that nobody initiated. It belongs
// to whoever folds. Amounts in it are minor units of the currency of the payment.
type Payment struct {
	ID            ID          `msgpack:"id"`
	Terms         Terms       `msgpack:"terms"`
	Operations    []Operation `msgpack:"operations,omitempty"` // all that were ever requested, in order
	Objects       []Object    `msgpack:"objects,omitempty"`    // sorted by kind and reference
	Disputes      []Dispute   `msgpack:"disputes,omitempty"`   // sorted by reference
	CapturedTotal int64       `msgpack:"captured_total"`       // the highest total of captures that the gateway gave
	RefundedTotal int64       `msgpack:"refunded_total"`       // the highest total of refunds, before reversals
	Adjusted      Register    `msgpack:"adjusted"`             // the authorised amount, once it was adjusted
	CaptureBy     Register    `msgpack:"capture_by"`           // until when to capture
	ExpiredAt     domain.Time `msgpack:"expired_at,omitempty"` // when the authorisation lapsed: the first time that was said
	Seen          []Seen      `msgpack:"seen,omitempty"`       // the latest facts, in order
	Anomalies     []Anomaly   `msgpack:"anomalies,omitempty"`  // the latest, in order
	Diffs         []Diff      `msgpack:"diffs,omitempty"`      // of the last reconciliation
	InitiatedAt   domain.Time `msgpack:"initiated_at"`
	UpdatedAt     domain.Time `msgpack:"updated_at"` // time of the last event
}

// Register is a value of which the last by the gateway's clock counts.
type Register struct {
	Value int64       `msgpack:"value"`
	At    domain.Time `msgpack:"at"` // zero: there is none
}

// set takes the later value; of two at one moment, the smaller.
func (r *Register) set(value int64, at domain.Time) {
	if at > r.At || at == r.At && value < r.Value {
		*r = Register{Value: value, At: at}
	}
}

// ObjectKind says what an object of the gateway is.
type ObjectKind string

// The kinds of objects.
const (
	ObjectAuthorisation ObjectKind = "authorisation"
	ObjectCapture       ObjectKind = "capture"
	ObjectRefund        ObjectKind = "refund"
	ObjectVoid          ObjectKind = "void"
)

// Object is something that the gateway has a reference for. It counts once, however often it is told of.
type Object struct {
	Kind        ObjectKind  `msgpack:"kind"`
	Ref         string      `msgpack:"object_ref"`
	OperationID string      `msgpack:"operation_id,omitempty"` // of ours that made it, as far as that is known
	Amount      int64       `msgpack:"amount"`
	AmountAt    domain.Time `msgpack:"amount_at,omitempty"` // when it came about, by the gateway's clock
	Effective   bool        `msgpack:"effective,omitempty"` // the amount is that of an effect, not of an announcement
	Final       bool        `msgpack:"final,omitempty"`     // a capture that lets go of the rest
	All         bool        `msgpack:"all,omitempty"`       // a void of everything that is left
	Offline     bool        `msgpack:"offline,omitempty"`   // told by a person
	Standing    Standing    `msgpack:"standing"`
}

// state takes an amount over. That of an effect goes before that of an announcement, then that of the earlier moment.
func (o *Object) state(minor int64, at domain.Time, effective bool) {
	if minor == 0 {
		return
	}
	if o.AmountAt == 0 || effective && !o.Effective ||
		effective == o.Effective && (at < o.AmountAt || at == o.AmountAt && minor < o.Amount) {
		o.Amount, o.AmountAt, o.Effective = minor, at, effective
	}
}

// counts reports whether money has moved by o, not looking at reversals.
func (o *Object) counts() bool {
	return o.Standing.Done || o.Kind == ObjectRefund && o.Standing.Reversed
}

// Progress says how far something has got that is neither done nor failed.
type Progress string

// The kinds of progress.
const (
	ProgressNone           Progress = ""
	ProgressPending        Progress = "pending"         // the gateway works on it
	ProgressRequiresAction Progress = "requires_action" // the customer has to do something
)

// Standing is how an operation or an object stands. Two standings of one thing can be joined in any order.
type Standing struct {
	Done            bool        `msgpack:"done,omitempty"`
	Failed          bool        `msgpack:"failed,omitempty"`
	Reversed        bool        `msgpack:"reversed,omitempty"`
	Code            string      `msgpack:"code,omitempty"` // why it failed, as the gateway calls it
	Retryable       bool        `msgpack:"retryable,omitempty"`
	DoneAt          domain.Time `msgpack:"done_at,omitempty"`   // the last moment of which it is said that it was done
	FailedAt        domain.Time `msgpack:"failed_at,omitempty"` // … that it failed, or came back
	Progress        Progress    `msgpack:"progress,omitempty"`
	ActionRef       string      `msgpack:"action_ref,omitempty"`
	ActionExpiresAt domain.Time `msgpack:"action_expires_at,omitempty"`
	ProgressAt      domain.Time `msgpack:"progress_at,omitempty"`
}

// join takes over what t says: what has happened has happened, and else the last word counts.
func (s *Standing) join(t Standing) {
	s.Done, s.Failed, s.Reversed = s.Done || t.Done, s.Failed || t.Failed, s.Reversed || t.Reversed
	s.DoneAt = max(s.DoneAt, t.DoneAt)
	if cmp.Or(cmp.Compare(t.FailedAt, s.FailedAt), cmp.Compare(t.Code, s.Code), trueFirst(s.Retryable, t.Retryable)) > 0 {
		s.Code, s.Retryable, s.FailedAt = t.Code, t.Retryable, t.FailedAt
	}
	if cmp.Or(cmp.Compare(t.ProgressAt, s.ProgressAt), cmp.Compare(t.Progress, s.Progress),
		cmp.Compare(t.ActionRef, s.ActionRef), cmp.Compare(t.ActionExpiresAt, s.ActionExpiresAt)) > 0 {
		s.Progress, s.ActionRef, s.ActionExpiresAt, s.ProgressAt = t.Progress, t.ActionRef, t.ActionExpiresAt, t.ProgressAt
	}
}

// undone reports whether a refund was done and is not any more: it came back, or it failed at the moment at which it was done or
// later. One that failed and was done after that is done: who paid twice would not get the second time back.
func (s *Standing) undone() bool { return s.Reversed || s.Done && s.Failed && s.FailedAt >= s.DoneAt }

// trueFirst compares two booleans such that true counts.
func trueFirst(s, t bool) int {
	switch {
	case t && !s:
		return 1
	case s && !t:
		return -1
	}
	return 0
}

// visible returns what of s makes a difference: once something is over, how far it had got does not.
func (s *Standing) visible(refund bool) Standing {
	if s.Done && (!refund || !s.undone()) {
		return Standing{Done: true}
	}
	v := *s
	if s.Done || s.Failed || s.Reversed {
		v.Progress, v.ActionRef, v.ActionExpiresAt = ProgressNone, "", 0
	}
	v.DoneAt, v.FailedAt, v.ProgressAt = 0, 0, 0
	return v
}

// Seen is a fact that was told.
type Seen struct {
	GatewayEventID string   `msgpack:"gateway_event_id"`
	Kind           FactKind `msgpack:"kind"`
	ObjectRef      string   `msgpack:"object_ref"`
	Amount         int64    `msgpack:"amount"`
	Total          int64    `msgpack:"total"`
}

// head returns what all events of p at now say.
func (p *Payment) head(now domain.Time) Head {
	return Head{OrderID: p.Terms.OrderID, Gateway: p.Terms.Gateway, At: now}
}

// in returns minor units in the currency of p.
func (p *Payment) in(minor int64) money.Money { return money.New(minor, p.Terms.Amount.Currency) }

// clone returns a copy of p that can be folded on without p seeing it.
func (p *Payment) clone() *Payment {
	q := *p
	q.Operations = slices.Clone(p.Operations)
	q.Objects = slices.Clone(p.Objects)
	q.Disputes = slices.Clone(p.Disputes)
	q.Seen, q.Anomalies = slices.Clip(p.Seen), slices.Clip(p.Anomalies)
	return &q
}

// object returns the object of that kind and reference, which is there afterwards.
func (p *Payment) object(kind ObjectKind, ref string) *Object {
	i, found := p.objectIndex(kind, ref)
	if !found {
		p.Objects = slices.Insert(p.Objects, i, Object{Kind: kind, Ref: ref})
	}
	return &p.Objects[i]
}

func (p *Payment) objectIndex(kind ObjectKind, ref string) (i int, found bool) {
	return slices.BinarySearchFunc(p.Objects, Object{Kind: kind, Ref: ref}, func(a, b Object) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Ref, b.Ref))
	})
}

// known returns a copy of the object of that kind and reference, or one without an amount.
func (p *Payment) known(kind ObjectKind, ref string) Object {
	if i, found := p.objectIndex(kind, ref); found {
		return p.Objects[i]
	}
	return Object{Kind: kind, Ref: ref}
}

// dispute returns the dispute with that reference, which is there afterwards.
func (p *Payment) dispute(ref string) *Dispute {
	i, found := p.disputeIndex(ref)
	if !found {
		p.Disputes = slices.Insert(p.Disputes, i, Dispute{Ref: ref})
	}
	return &p.Disputes[i]
}

func (p *Payment) disputeIndex(ref string) (i int, found bool) {
	return slices.BinarySearchFunc(p.Disputes, ref, func(d Dispute, ref string) int { return cmp.Compare(d.Ref, ref) })
}

// looksLike reports whether p and q make no difference to anybody: they differ in nothing, or in clocks alone.
func (p *Payment) looksLike(q *Payment) bool {
	return p.CapturedTotal == q.CapturedTotal && p.RefundedTotal == q.RefundedTotal &&
		p.Adjusted.Value == q.Adjusted.Value && p.CaptureBy.Value == q.CaptureBy.Value &&
		(p.ExpiredAt == 0) == (q.ExpiredAt == 0) &&
		slices.EqualFunc(p.Objects, q.Objects, func(a, b Object) bool { return a.visible() == b.visible() }) &&
		slices.EqualFunc(p.Operations, q.Operations, func(a, b Operation) bool { return p.visible(a) == q.visible(b) }) &&
		slices.EqualFunc(p.Disputes, q.Disputes, func(a, b Dispute) bool { return a.visible() == b.visible() })
}

func (o *Object) visible() Object {
	v := *o
	v.AmountAt = 0
	v.Standing = o.Standing.visible(o.Kind == ObjectRefund)
	return v
}
