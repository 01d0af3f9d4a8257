package payment

import (
	"fmt"
	"slices"

	"waybill/domain"
	"waybill/domain/money"
)

// FactKind says what happened at the gateway.
type FactKind string

// The kinds of facts.
const (
	FactAuthorised             FactKind = "authorised"
	FactAuthorisationPending   FactKind = "authorisation_pending"
	FactActionRequired         FactKind = "action_required"
	FactAuthorisationFailed    FactKind = "authorisation_failed"
	FactAuthorisationAdjusted  FactKind = "authorisation_adjusted" // the amount is what is authorised from then on
	FactAdjustmentPending      FactKind = "adjustment_pending"
	FactAdjustmentFailed       FactKind = "adjustment_failed"
	FactAuthorisationExpired   FactKind = "authorisation_expired"
	FactCaptured               FactKind = "captured"
	FactCapturePending         FactKind = "capture_pending"
	FactCaptureFailed          FactKind = "capture_failed"
	FactVoided                 FactKind = "voided" // without an amount: everything that is left
	FactVoidPending            FactKind = "void_pending"
	FactVoidFailed             FactKind = "void_failed"
	FactRefunded               FactKind = "refunded"
	FactRefundPending          FactKind = "refund_pending"
	FactRefundFailed           FactKind = "refund_failed"   // before or after it was said to be done
	FactRefundReversed         FactKind = "refund_reversed" // it was done, and came back
	FactDisputeOpened          FactKind = "dispute_opened"
	FactDisputeFundsWithdrawn  FactKind = "dispute_funds_withdrawn"
	FactDisputeFundsReinstated FactKind = "dispute_funds_reinstated"
	FactDisputeClosed          FactKind = "dispute_closed"
)

// FactKinds returns all kinds of facts.
func FactKinds() []FactKind {
	return []FactKind{
		FactAuthorised, FactAuthorisationPending, FactActionRequired, FactAuthorisationFailed, FactAuthorisationAdjusted,
		FactAdjustmentPending, FactAdjustmentFailed, FactAuthorisationExpired, FactCaptured, FactCapturePending,
		FactCaptureFailed, FactVoided, FactVoidPending, FactVoidFailed, FactRefunded, FactRefundPending, FactRefundFailed,
		FactRefundReversed, FactDisputeOpened, FactDisputeFundsWithdrawn, FactDisputeFundsReinstated, FactDisputeClosed,
	}
}

// subject returns the kind of object that a fact is about and the kind of operation that may have caused it; neither for
// what is about the whole payment or a dispute.
func (k FactKind) subject() (object ObjectKind, operation OperationKind) {
	switch k {
	case FactAuthorised, FactAuthorisationPending, FactActionRequired, FactAuthorisationFailed:
		return ObjectAuthorisation, OperationAuthorise
	case FactAuthorisationAdjusted, FactAdjustmentPending, FactAdjustmentFailed:
		return "", OperationAdjust
	case FactCaptured, FactCapturePending, FactCaptureFailed:
		return ObjectCapture, OperationCapture
	case FactVoided, FactVoidPending, FactVoidFailed:
		return ObjectVoid, OperationVoid
	case FactRefunded, FactRefundPending, FactRefundFailed, FactRefundReversed:
		return ObjectRefund, OperationRefund
	case FactAuthorisationExpired, FactDisputeOpened, FactDisputeFundsWithdrawn, FactDisputeFundsReinstated, FactDisputeClosed:
	}
	return "", ""
}

// Fact is what the gateway says has happened, be it in a message of its own or in the answer to a call.
type Fact struct {
	Kind            FactKind       `msgpack:"kind"`
	GatewayEventID  string         `msgpack:"gateway_event_id,omitempty"` // of the message; none in the answer to a call
	ObjectRef       string         `msgpack:"object_ref,omitempty"`       // the gateway's name for what it is about
	OperationID     string         `msgpack:"operation_id,omitempty"`     // that caused it, if the gateway gives it back
	Amount          money.Money    `msgpack:"amount"`                     // of that object; zero if it is not given
	Total           money.Money    `msgpack:"total"`                      // of captures or refunds so far, reversals left out; zero if it is not given
	OccurredAt      domain.Time    `msgpack:"occurred_at"`                // by the gateway's clock
	Final           bool           `msgpack:"final,omitempty"`            // of a capture: nothing more will be captured
	Offline         bool           `msgpack:"offline,omitempty"`          // of a capture: told by a person
	CaptureBefore   domain.Time    `msgpack:"capture_before,omitempty"`   // of an authorisation: until when to capture it
	ActionRef       string         `msgpack:"action_ref,omitempty"`       // what the customer has to do: a URL, or a name the gateway knows
	ActionExpiresAt domain.Time    `msgpack:"action_expires_at,omitempty"`
	Code            string         `msgpack:"code,omitempty"` // why something failed, or a dispute was opened, as the gateway calls it
	Retryable       bool           `msgpack:"retryable,omitempty"`
	EvidenceBy      domain.Time    `msgpack:"evidence_by,omitempty"`     // of a dispute: until when to answer it
	DisputeOutcome  DisputeOutcome `msgpack:"dispute_outcome,omitempty"` // of a dispute that was closed
}

// Report is a fact as it was recorded.
type Report struct {
	Head
	Fact
	// Change is by how much the sum that the fact is about has changed: authorised, captured, refunded or disputed.
	Change money.Money `msgpack:"change"`
	// OperationInferred says that the gateway did not give OperationID with this fact: it is the one that made the object.
	OperationInferred bool            `msgpack:"operation_inferred,omitempty"`
	RefundID          string          `msgpack:"refund_id,omitempty"`     // of that operation
	FulfilmentID      string          `msgpack:"fulfilment_id,omitempty"` // of that operation
	Note              domain.Personal `msgpack:"note,omitempty"`          // of the person who told it
}

// RecordFact tells a payment what has happened at the gateway. It may come twice, late and in any order.
type RecordFact struct {
	Target
	Fact
}

// CommandType implements [Command].
func (RecordFact) CommandType() string { return CommandRecordFact }

func (c RecordFact) decide(p *Payment) ([]Event, error) {
	f := &fields{}
	f.id("gateway_event_id", c.GatewayEventID)
	f.fact(&c.Fact)
	if f.err != nil {
		return nil, f.err
	}
	return p.record(c.Fact, domain.Personal{}, c.Now)
}

// record returns the events that a fact causes: what it says if that is news, and what it contradicts.
func (p *Payment) record(f Fact, note domain.Personal, now domain.Time) ([]Event, error) {
	f = p.complete(f)
	if f.GatewayEventID != "" && slices.Contains(p.Seen, f.seen()) {
		return nil, nil
	}
	r := Report{Head: p.head(now), Fact: f, Change: p.in(0), Note: note}
	if c := f.Amount.Currency; c != p.Terms.Amount.Currency {
		return p.unknownAnomalies(r, finding{AnomalyCurrencyMismatch, p.Terms.Amount}), nil
	}
	if err := p.room(&f); err != nil {
		return nil, err
	}
	after := p.clone()
	after.learn(f)
	before, then := p.sums(), after.sums()
	found := append(p.contradictions(&f), p.breaches(after, &before, &then)...)
	r.Change = p.in(f.Kind.measure(&then) - f.Kind.measure(&before))
	p.attribute(&r)
	events, err := p.news(&r, after)
	if err != nil {
		return nil, err
	}
	events = append(events, p.unknownAnomalies(r, found...)...)
	if len(events) == 0 && (f.GatewayEventID != "" || p.refundMoves(after, &f)) {
		events = []Event{FactIgnored{Report: r, Reason: p.ignoreReason(&f)}}
	}
	return events, nil
}

// news returns the event that says what has changed from p to after, if anybody can see that.
func (p *Payment) news(r *Report, after *Payment) ([]Event, error) {
	switch {
	case p.looksLike(after):
		return nil, nil
	case r.Change.IsZero() && p.alreadyDone(&r.Fact):
		return []Event{OperationMatched(*r)}, nil
	case r.Change.IsZero() && after.overtaken(&r.Fact):
		return nil, nil
	}
	e, err := r.event()
	if err != nil {
		return nil, err
	}
	return []Event{e}, nil
}

// overtaken reports whether f says of a refund that it was done, and a later word that it is not any more.
func (p *Payment) overtaken(f *Fact) bool {
	o := p.known(ObjectRefund, f.ObjectRef)
	return f.Kind == FactRefunded && o.Standing.undone()
}

// refundMoves reports whether more is known in after of how the refund of f stands, maybe only of when: that has to be kept, as
// a word on a moment in between may come.
func (p *Payment) refundMoves(after *Payment, f *Fact) bool {
	if kind, _ := f.Kind.subject(); kind != ObjectRefund {
		return false
	}
	if p.known(ObjectRefund, f.ObjectRef).Standing != after.known(ObjectRefund, f.ObjectRef).Standing {
		return true
	}
	i := p.operationIndex(f.OperationID)
	return i >= 0 && p.Operations[i].Standing != after.Operations[i].Standing
}

// attribute says in r which operation its fact belongs to, and what that was for. A fact that names no operation belongs to
// that of its object, if that is known.
func (p *Payment) attribute(r *Report) {
	if kind, _ := r.Kind.subject(); r.OperationID == "" && kind != "" {
		if id := p.known(kind, r.ObjectRef).OperationID; p.operationIndex(id) >= 0 {
			r.OperationID, r.OperationInferred = id, true
		}
	}
	if i := p.operationIndex(r.OperationID); i >= 0 {
		r.RefundID, r.FulfilmentID = p.Operations[i].RefundID, p.Operations[i].FulfilmentID
	}
}

// told returns the fact as the gateway told it. What was inferred is not folded: it depends on what was known when it was.
func (r Report) told() Fact {
	f := r.Fact
	if r.OperationInferred {
		f.OperationID = ""
	}
	return f
}

// complete fills in what a fact leaves open and the payment knows.
func (p *Payment) complete(f Fact) Fact {
	if i := p.operationIndex(f.OperationID); i >= 0 {
		o := &p.Operations[i]
		_, kind := f.Kind.subject()
		if p.Terms.CaptureMode == CaptureAuto && kind == OperationCapture {
			kind = OperationAuthorise // it does both
		}
		switch {
		case o.Kind != kind:
			f.OperationID = "" // gateways give back the id of the first call with everything that follows from it
		case f.Amount.IsZero() && f.Total.IsZero() && !o.All:
			f.Amount = p.in(o.Amount)
		}
	}
	for _, m := range []*money.Money{&f.Amount, &f.Total} {
		if m.IsZero() {
			*m = p.in(0)
		}
	}
	if f.Amount.IsZero() && f.Total.Currency != p.Terms.Amount.Currency {
		f.Amount = money.New(0, f.Total.Currency) // so that the other currency shows
	}
	return f
}

// room refuses a fact about one object more than a payment can hold.
func (p *Payment) room(f *Fact) error {
	kind, _ := f.Kind.subject()
	if kind != "" {
		if _, found := p.objectIndex(kind, f.ObjectRef); !found && len(p.Objects) >= MaxObjects {
			return domain.LimitExceeded{Field: "objects", Limit: MaxObjects, Actual: MaxObjects + 1, Unit: "objects"}
		}
		return nil
	}
	about := f.Kind == FactDisputeOpened || f.Kind == FactDisputeFundsWithdrawn || f.Kind == FactDisputeFundsReinstated || f.Kind == FactDisputeClosed
	if _, found := p.disputeIndex(f.ObjectRef); about && !found && len(p.Disputes) >= MaxDisputes {
		return domain.LimitExceeded{Field: "disputes", Limit: MaxDisputes, Actual: MaxDisputes + 1, Unit: "disputes"}
	}
	return nil
}

func (f *Fact) seen() Seen {
	return Seen{
		GatewayEventID: f.GatewayEventID, Kind: f.Kind, ObjectRef: f.ObjectRef, Amount: f.Amount.Minor, Total: f.Total.Minor,
	}
}

// alreadyDone reports whether f says no more of its object than that an operation of ours made it.
func (p *Payment) alreadyDone(f *Fact) bool {
	kind, _ := f.Kind.subject()
	if kind == "" || f.OperationID == "" || !f.standing().Done {
		return false
	}
	o := p.known(kind, f.ObjectRef)
	return o.counts() && o.OperationID != f.OperationID
}

// measure returns the sum that facts of kind k change.
func (k FactKind) measure(s *sums) int64 {
	switch k {
	case FactAuthorised, FactAuthorisationPending, FactActionRequired, FactAuthorisationFailed, FactAuthorisationAdjusted,
		FactAdjustmentPending, FactAdjustmentFailed, FactAuthorisationExpired, FactVoided, FactVoidPending, FactVoidFailed:
		return s.authorised()
	case FactCaptured, FactCapturePending, FactCaptureFailed:
		return s.captured
	case FactRefunded, FactRefundPending, FactRefundFailed, FactRefundReversed:
		return s.refunded
	case FactDisputeOpened, FactDisputeFundsWithdrawn, FactDisputeFundsReinstated, FactDisputeClosed:
		return s.disputed
	}
	return 0
}

// IgnoreReason says why a fact changes nothing.
type IgnoreReason string

// The reasons.
const (
	IgnoreDuplicate IgnoreReason = "duplicate" // all that it says is known
	IgnoreStale     IgnoreReason = "stale"     // more is known since
)

// ignoreReason tells a fact that was told before from one that was overtaken.
func (p *Payment) ignoreReason(f *Fact) IgnoreReason {
	kind, _ := f.Kind.subject()
	o := p.known(kind, f.ObjectRef)
	over := o.Standing.Done || o.Standing.Failed || o.Standing.Reversed
	progress := f.standing().Progress
	switch {
	case f.Total.Minor > 0 && f.Kind == FactCaptured && f.Total.Minor < p.sums().captured,
		f.Total.Minor > 0 && f.Kind == FactRefunded && f.Total.Minor < p.RefundedTotal,
		f.Kind == FactAuthorisationAdjusted && f.OccurredAt < p.Adjusted.At,
		f.Kind == FactRefunded && (o.Standing.Failed || o.Standing.Reversed) && f.OccurredAt <= o.Standing.FailedAt,
		progress != ProgressNone && (over || f.OccurredAt < o.Standing.ProgressAt):
		return IgnoreStale
	}
	return IgnoreDuplicate
}

// event returns the event that records r as news.
func (r Report) event() (Event, error) {
	switch r.Kind {
	case FactAuthorised:
		return Authorised(r), nil
	case FactActionRequired:
		return ActionRequired(r), nil
	case FactAuthorisationFailed:
		return AuthorisationFailed(r), nil
	case FactAuthorisationAdjusted:
		return AuthorisationAdjusted(r), nil
	case FactAdjustmentFailed:
		return AdjustmentFailed(r), nil
	case FactAuthorisationExpired:
		return AuthorisationExpired(r), nil
	case FactCaptured:
		return Captured(r), nil
	case FactCaptureFailed:
		return CaptureFailed(r), nil
	case FactVoided:
		return Voided(r), nil
	case FactVoidFailed:
		return VoidFailed(r), nil
	case FactRefunded:
		return Refunded(r), nil
	case FactRefundFailed:
		return RefundFailed(r), nil
	case FactRefundReversed:
		return RefundReversed(r), nil
	case FactAuthorisationPending, FactAdjustmentPending, FactCapturePending, FactVoidPending, FactRefundPending:
		return OperationPending(r), nil
	case FactDisputeOpened:
		return DisputeOpened(r), nil
	case FactDisputeFundsWithdrawn:
		return DisputeFundsWithdrawn(r), nil
	case FactDisputeFundsReinstated:
		return DisputeFundsReinstated(r), nil
	case FactDisputeClosed:
		return DisputeClosed(r), nil
	}
	return nil, fmt.Errorf("record fact: kind %q was checked and is not handled", r.Kind)
}
