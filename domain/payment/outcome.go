package payment

import (
	"cmp"
	"fmt"

	"waybill/domain"
	"waybill/domain/money"
)

// Outcome says what became of an operation.
type Outcome string

// The outcomes of an operation.
const (
	OutcomeSucceeded      Outcome = "succeeded"
	OutcomeFailed         Outcome = "failed"  // for good: nothing has happened at the gateway, and nothing will
	OutcomePending        Outcome = "pending" // the gateway works on it, and tells later
	OutcomeRequiresAction Outcome = "requires_action"
	OutcomeUnknown        Outcome = "unknown" // the call was lost: it may have had its effect
)

// RecordOutcome tells a payment what the gateway answered to an operation, or to a look-up of one.
type RecordOutcome struct {
	Target
	OperationID     string
	Outcome         Outcome
	GatewayRef      string      // the gateway's reference for what was done; needed with succeeded
	Amount          money.Money // what was done; zero for what was asked for
	OccurredAt      domain.Time // by the gateway's clock; Now if it is zero, but of a refund that is known to have come to that: when it did
	CaptureBefore   domain.Time // of an authorisation
	ActionRef       string      // what the customer has to do
	ActionExpiresAt domain.Time
	Code            string // why it failed
	Retryable       bool   // another operation of the kind may succeed
}

// CommandType implements [Command].
func (RecordOutcome) CommandType() string { return CommandRecordOutcome }

func (c RecordOutcome) decide(p *Payment) ([]Event, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	i := p.operationIndex(c.OperationID)
	if i < 0 {
		return nil, UnknownOperation{OperationID: c.OperationID}
	}
	o := &p.Operations[i]
	if c.Outcome == OutcomeUnknown {
		if p.state(o) != StateRequested {
			return nil, nil // it is known to be unknown, or somebody knows better
		}
		return []Event{OperationOutcomeUnknown{
			Head: p.head(c.Now), OperationID: o.ID, Kind: o.Kind, Amount: p.in(o.Amount),
		}}, nil
	}
	kind, err := c.fact(p, o)
	if err != nil {
		return nil, err
	}
	f := Fact{
		Kind: kind, ObjectRef: c.GatewayRef, OperationID: c.OperationID, Amount: c.Amount, OccurredAt: c.occurredAt(p, o),
	}
	switch c.Outcome {
	case OutcomeSucceeded:
		f.CaptureBefore, f.Final = c.CaptureBefore, o.Final
	case OutcomeFailed:
		f.Code, f.Retryable = c.Code, c.Retryable
	case OutcomeRequiresAction:
		f.ActionRef, f.ActionExpiresAt = c.ActionRef, c.ActionExpiresAt
	case OutcomePending, OutcomeUnknown:
	}
	if c.Outcome == OutcomePending || c.Outcome == OutcomeRequiresAction {
		if _, standing := p.stateOf(o); standing.Done || standing.Failed {
			return nil, nil // it was answered since
		}
	}
	return p.record(f, domain.Personal{}, c.Now)
}

// occurredAt returns the moment that c is about. Of a refund the last word counts, and an answer without a clock that comes
// again is no later word than it was the first time.
func (c RecordOutcome) occurredAt(p *Payment, o *Operation) domain.Time {
	var known domain.Time
	if o.Kind == OperationRefund {
		_, s := p.stateOf(o)
		s.join(p.known(ObjectRefund, c.GatewayRef).Standing)
		switch {
		case c.Outcome == OutcomeSucceeded:
			known = s.DoneAt
		case c.Outcome == OutcomeFailed && s.Failed:
			known = s.FailedAt
		}
	}
	return cmp.Or(c.OccurredAt, known, c.Now)
}

func (c RecordOutcome) check() error {
	f := &fields{}
	f.check(checkOperation(c.OperationID))
	oneOf(f, "outcome", c.Outcome, OutcomeSucceeded, OutcomeFailed, OutcomePending, OutcomeRequiresAction, OutcomeUnknown)
	if c.Outcome == OutcomeSucceeded || c.GatewayRef != "" {
		f.id("gateway_ref", c.GatewayRef)
	}
	if c.Amount.Minor < 0 {
		f.invalid("amount", "is negative")
	}
	f.between("amount", c.Amount.Minor, MaxAmount)
	f.text("action_ref", c.ActionRef, MaxURL)
	f.text("code", c.Code, MaxName)
	return f.err
}

// fact returns what it means as a fact that o came to the outcome of c.
func (c RecordOutcome) fact(p *Payment, o *Operation) (FactKind, error) {
	type meaning struct{ done, failed, pending FactKind }
	var m meaning
	switch o.Kind {
	case OperationAuthorise:
		m = meaning{FactAuthorised, FactAuthorisationFailed, FactAuthorisationPending}
		if p.Terms.CaptureMode == CaptureAuto {
			m.done = FactCaptured
		}
	case OperationAdjust:
		m = meaning{FactAuthorisationAdjusted, FactAdjustmentFailed, FactAdjustmentPending}
	case OperationCapture:
		m = meaning{FactCaptured, FactCaptureFailed, FactCapturePending}
	case OperationVoid:
		m = meaning{FactVoided, FactVoidFailed, FactVoidPending}
	case OperationRefund:
		m = meaning{FactRefunded, FactRefundFailed, FactRefundPending}
	}
	switch c.Outcome {
	case OutcomeSucceeded:
		return m.done, nil
	case OutcomeFailed:
		return m.failed, nil
	case OutcomePending:
		return m.pending, nil
	case OutcomeRequiresAction:
		if o.Kind == OperationAuthorise {
			return FactActionRequired, nil
		}
		return "", domain.InvalidField{Field: "outcome", Reason: "is requires_action, and nobody has to act for a " + string(o.Kind)}
	case OutcomeUnknown:
	}
	return "", fmt.Errorf("record outcome of operation %s: %q is checked and not handled", c.OperationID, c.Outcome)
}
