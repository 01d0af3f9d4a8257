package payment

import (
	"slices"

	"waybill/domain"
	"waybill/domain/money"
)

// AnomalyKind says how a fact contradicts what the payment knew.
type AnomalyKind string

// The anomalies of a payment.
const (
	AnomalyAmountConflict            AnomalyKind = "amount_conflict"             // an object of the gateway was told with two amounts
	AnomalyAmountDiffers             AnomalyKind = "amount_differs"              // the gateway did not do the amount that it was asked for
	AnomalyCurrencyMismatch          AnomalyKind = "currency_mismatch"           // the fact is about another currency; it counts nowhere
	AnomalyUnknownOperation          AnomalyKind = "unknown_operation"           // it names an operation that was never requested
	AnomalyOperationRepeated         AnomalyKind = "operation_repeated"          // one operation had two effects, or two had one
	AnomalyOutcomeContradicted       AnomalyKind = "outcome_contradicted"        // done what was said to have failed, or the reverse
	AnomalyLatePayment               AnomalyKind = "late_payment"                // money was secured after the payment had come to nothing
	AnomalyCapturedExceedsAuthorised AnomalyKind = "captured_exceeds_authorised" // P1 does not hold at the gateway
	AnomalyOverpaid                  AnomalyKind = "overpaid"                    // more came in than the payment is for
	AnomalyRefundedExceedsCaptured   AnomalyKind = "refunded_exceeds_captured"   // P2 does not hold at the gateway: the shop loses money
)

// Anomaly is a contradiction between a fact and the payment. Somebody has to look at it.
type Anomaly struct {
	Kind        AnomalyKind `msgpack:"anomaly"`
	Fact        FactKind    `msgpack:"fact"`
	ObjectRef   string      `msgpack:"object_ref,omitempty"`
	OperationID string      `msgpack:"operation_id,omitempty"`
	Amount      money.Money `msgpack:"amount"`   // that the fact has
	Expected    money.Money `msgpack:"expected"` // that it should have, or that is possible
	At          domain.Time `msgpack:"at"`
}

// AnomalyDetected records that a fact contradicts the payment. If the fact was news, its event stands before this one;
// if not, the fact stands here.
type AnomalyDetected struct {
	Report
	Anomaly  AnomalyKind `msgpack:"anomaly"`
	Expected money.Money `msgpack:"expected"` // what the amount should be, or what is possible
}

// EventType implements [Event].
func (AnomalyDetected) EventType() string { return TypeAnomalyDetected }

func (e AnomalyDetected) apply(p *Payment) {
	p.UpdatedAt = e.At
	switch e.Anomaly {
	case AnomalyCurrencyMismatch:
		p.remember(&e.Fact) // its amount can count nowhere
	case AnomalyAmountConflict, AnomalyAmountDiffers, AnomalyUnknownOperation, AnomalyOperationRepeated, AnomalyOutcomeContradicted,
		AnomalyLatePayment, AnomalyCapturedExceedsAuthorised, AnomalyOverpaid, AnomalyRefundedExceedsCaptured:
		p.learn(e.told())
	}
	if len(p.Anomalies) >= keptAnomalies {
		p.Anomalies = append(p.Anomalies[:0:0], p.Anomalies[len(p.Anomalies)-keptAnomalies+1:]...)
	}
	p.Anomalies = append(p.Anomalies, e.anomaly())
}

// keptAnomalies is how many of the latest anomalies a payment remembers. All of them stay in the log.
const keptAnomalies = 100

func (e AnomalyDetected) anomaly() Anomaly {
	return Anomaly{
		Kind: e.Anomaly, Fact: e.Kind, ObjectRef: e.ObjectRef, OperationID: e.OperationID, Amount: e.Amount, Expected: e.Expected, At: e.At,
	}
}

// finding is an anomaly that a fact is about to cause.
type finding struct {
	kind     AnomalyKind
	expected money.Money
}

// unknownAnomalies returns the events of findings, without those that are known.
func (p *Payment) unknownAnomalies(r Report, found ...finding) []Event {
	var events []Event
	for _, f := range found {
		e := AnomalyDetected{Report: r, Anomaly: f.kind, Expected: f.expected}
		e.Change = p.in(0) // the event before it has it
		a := e.anomaly()
		if !slices.ContainsFunc(p.Anomalies, func(b Anomaly) bool { b.At = a.At; return a == b }) {
			events = append(events, e)
		}
	}
	return events
}

// contradictions returns what f says against what is known of its object and its operation.
func (p *Payment) contradictions(f *Fact) (found []finding) {
	kind, _ := f.Kind.subject()
	standing := f.standing()
	o := p.known(kind, f.ObjectRef)
	if amount, ok := p.conflicting(f, &o); ok {
		found = append(found, finding{AnomalyAmountConflict, p.in(amount)})
	}
	i := p.operationIndex(f.OperationID)
	if f.OperationID != "" && i < 0 {
		found = append(found, finding{AnomalyUnknownOperation, p.in(0)})
	}
	if standing.Done && f.OperationID != "" && kind != "" && f.Amount.Minor > 0 && p.claimed(kind, f) {
		found = append(found, finding{AnomalyOperationRepeated, p.in(o.Amount)})
	}
	if i >= 0 {
		op := &p.Operations[i]
		if standing.Done && !op.Standing.Done && !op.All && f.Amount.Minor > 0 && f.Amount.Minor != op.Amount {
			found = append(found, finding{AnomalyAmountDiffers, p.in(op.Amount)})
		}
		_, known := p.stateOf(op)
		o.Standing.join(known)
	}
	if contradicts(f, &o.Standing, &standing) {
		found = append(found, finding{AnomalyOutcomeContradicted, p.in(o.Amount)})
	}
	return found
}

// contradicts reports whether a fact says that something was done that is known to have failed, or the reverse. A refund may
// fail after it was done, so only one that is done after it failed contradicts itself, whichever of that is heard first; and
// one that is known by a reference did not come to nothing, as a failure without one says.
func contradicts(f *Fact, known, says *Standing) bool {
	if kind, _ := f.Kind.subject(); kind != ObjectRefund {
		return known.Failed && !known.Done && says.Done || known.Done && !known.Failed && says.Failed
	}
	stands := known.Done && !known.undone()
	if says.Failed {
		told := known.Failed && f.OccurredAt <= known.FailedAt
		return stands && !told && (f.ObjectRef == "" || f.OccurredAt < known.DoneAt)
	}
	return says.Done && !stands && (known.Failed || known.Reversed) && known.FailedAt < f.OccurredAt
}

// conflicting returns the amount that the object or dispute of f is known with, if f has another one: P5.
func (p *Payment) conflicting(f *Fact, o *Object) (int64, bool) {
	if f.Amount.IsZero() {
		return 0, false
	}
	switch f.Kind {
	case FactAuthorised, FactCaptured, FactVoided, FactRefunded:
		return o.Amount, o.Effective && o.Amount != f.Amount.Minor
	case FactDisputeOpened:
		if i, known := p.disputeIndex(f.ObjectRef); known {
			d := &p.Disputes[i]
			return d.Amount, d.AmountAt != 0 && d.Amount != f.Amount.Minor
		}
	case FactAuthorisationPending, FactActionRequired, FactAuthorisationFailed, FactAuthorisationAdjusted, FactAdjustmentPending,
		FactAdjustmentFailed, FactAuthorisationExpired, FactCapturePending, FactCaptureFailed, FactVoidPending, FactVoidFailed,
		FactRefundPending, FactRefundFailed, FactRefundReversed, FactDisputeFundsWithdrawn, FactDisputeFundsReinstated, FactDisputeClosed:
	}
	return 0, false
}

// claimed reports whether the operation of f has another object, or the object of f another operation: P4.
func (p *Payment) claimed(kind ObjectKind, f *Fact) bool {
	return slices.ContainsFunc(p.Objects, func(o Object) bool {
		if o.Kind != kind || !o.counts() || !o.Effective || o.OperationID == "" {
			return false
		}
		return (o.Ref == f.ObjectRef) != (o.OperationID == f.OperationID)
	})
}

// breaches returns which limits the ledger of after is beyond, and further than that of p.
func (p *Payment) breaches(after *Payment, before, then *sums) (found []finding) {
	secured := func(s *sums) int64 { return max(s.authorised(), s.captured) }
	if p.status(before).ended() && secured(then) > secured(before) {
		found = append(found, finding{AnomalyLatePayment, p.in(0)})
	}
	limit, kind := after.agreed(then)
	if over := then.captured - limit; over > 0 && over > before.captured-limit {
		found = append(found, finding{kind, p.in(limit)})
	}
	if then.captured > 0 { // without any capture, refunds have come first, and captures are on their way
		excess := func(s *sums) int64 { return plus(s.refunded, s.disputed) - s.captured }
		if e := excess(then); e > 0 && plus(then.refunded, then.disputed) > plus(before.refunded, before.disputed) ||
			e > 0 && before.captured == 0 {
			found = append(found, finding{AnomalyRefundedExceedsCaptured, p.in(then.captured)})
		}
	}
	return found
}

// agreed returns how much may have been captured. A capture may be heard of before its authorisation.
func (p *Payment) agreed(s *sums) (limit int64, beyond AnomalyKind) {
	if p.Terms.CaptureMode == CaptureAuto || s.gross == 0 {
		return p.Terms.Amount.Minor, AnomalyOverpaid
	}
	gross := s.gross - s.partVoided
	return plus(gross, allowance(max(0, gross), p.Terms.Capabilities.OverCaptureBasisPoints)), AnomalyCapturedExceedsAuthorised
}
