package payment

import "slices"

// factMemory is how many of the latest facts a payment remembers by the ids of their messages. An older one that is told
// again is folded again, which changes nothing, and is recorded as ignored.
const factMemory = 1_024

// standing returns what a fact says of its object and its operation.
func (f *Fact) standing() Standing {
	switch f.Kind {
	case FactAuthorised, FactAuthorisationAdjusted, FactCaptured, FactVoided, FactRefunded:
		return Standing{Done: true, DoneAt: f.OccurredAt}
	case FactAuthorisationFailed, FactAdjustmentFailed, FactCaptureFailed, FactVoidFailed, FactRefundFailed:
		return Standing{Failed: true, Code: f.Code, Retryable: f.Retryable, FailedAt: f.OccurredAt}
	case FactRefundReversed:
		return Standing{Reversed: true, Code: f.Code, Retryable: f.Retryable, FailedAt: f.OccurredAt}
	case FactActionRequired:
		return Standing{
			Progress: ProgressRequiresAction, ProgressAt: f.OccurredAt, ActionRef: f.ActionRef, ActionExpiresAt: f.ActionExpiresAt,
		}
	case FactAuthorisationPending, FactAdjustmentPending, FactCapturePending, FactVoidPending, FactRefundPending:
		return Standing{Progress: ProgressPending, ProgressAt: f.OccurredAt}
	case FactAuthorisationExpired, FactDisputeOpened, FactDisputeFundsWithdrawn, FactDisputeFundsReinstated, FactDisputeClosed:
	}
	return Standing{}
}

// learn joins a fact to the ledger. It is idempotent and commutative: that is P6, and everything in it is a union, a
// maximum, a minimum, or the last by the gateway's clock.
func (p *Payment) learn(f Fact) {
	p.remember(&f)
	standing := f.standing()
	kind, _ := f.Kind.subject()
	if kind != "" && f.ObjectRef != "" {
		o := p.object(kind, f.ObjectRef)
		o.state(f.Amount.Minor, f.OccurredAt, standing.Done)
		o.Standing.join(standing)
		o.Final, o.Offline = o.Final || f.Final, o.Offline || f.Offline
		o.All = o.All || f.Kind == FactVoided && f.Amount.IsZero()
		if f.OperationID != "" && (o.OperationID == "" || f.OperationID < o.OperationID) {
			o.OperationID = f.OperationID
		}
	}
	if i := p.operationIndex(f.OperationID); i >= 0 {
		p.Operations[i].Standing.join(standing)
	}
	p.learnRegisters(&f)
}

// learnRegisters takes over what a fact says of the whole payment, or of a dispute.
func (p *Payment) learnRegisters(f *Fact) {
	switch f.Kind {
	case FactAuthorisationAdjusted:
		p.Adjusted.set(f.Amount.Minor, f.OccurredAt)
		p.captureBy(f)
	case FactAuthorised:
		p.captureBy(f)
	case FactAuthorisationExpired:
		if p.ExpiredAt.IsZero() || f.OccurredAt < p.ExpiredAt {
			p.ExpiredAt = f.OccurredAt
		}
	case FactCaptured:
		p.CapturedTotal = max(p.CapturedTotal, f.Total.Minor)
	case FactRefunded:
		p.RefundedTotal = max(p.RefundedTotal, f.Total.Minor)
	case FactDisputeOpened, FactDisputeFundsWithdrawn, FactDisputeFundsReinstated, FactDisputeClosed:
		p.dispute(f.ObjectRef).learn(f)
	case FactAuthorisationPending, FactActionRequired, FactAuthorisationFailed, FactAdjustmentPending, FactAdjustmentFailed,
		FactCapturePending, FactCaptureFailed, FactVoidPending, FactVoidFailed, FactVoided, FactRefundPending, FactRefundFailed,
		FactRefundReversed:
	}
}

func (p *Payment) captureBy(f *Fact) {
	if !f.CaptureBefore.IsZero() {
		p.CaptureBy.set(int64(f.CaptureBefore), f.OccurredAt)
	}
}

// remember keeps the message of a fact, so that it is not recorded again.
func (p *Payment) remember(f *Fact) {
	if f.GatewayEventID == "" {
		return
	}
	seen := f.seen()
	if slices.Contains(p.Seen, seen) {
		return
	}
	if len(p.Seen) >= factMemory {
		p.Seen = append(p.Seen[:0:0], p.Seen[len(p.Seen)-factMemory+1:]...)
	}
	p.Seen = append(p.Seen, seen)
}

// take folds a report.
func (p *Payment) take(r Report) {
	p.UpdatedAt = r.At
	p.learn(r.told())
}

// The events that facts become. They come from messages of the gateway and from answers to calls alike; each says what the
// payment did not know yet, once.
type (
	// Authorised records that money may be captured.
	Authorised Report
	// ActionRequired records that the customer has to do something, such as 3-D Secure.
	ActionRequired Report
	// AuthorisationFailed records that the gateway declined.
	AuthorisationFailed Report
	// AuthorisationAdjusted records that another amount may be captured from now on.
	AuthorisationAdjusted Report
	// AdjustmentFailed records that the authorisation stays as it was.
	AdjustmentFailed Report
	// AuthorisationExpired records that what was not captured has lapsed.
	AuthorisationExpired Report
	// Captured records that money was taken, also by hand (offline).
	Captured Report
	// CaptureFailed records that nothing was taken.
	CaptureFailed Report
	// Voided records that an authorisation, or a part of it, was given up.
	Voided Report
	// VoidFailed records that the authorisation stays as it was.
	VoidFailed Report
	// Refunded records that money was paid back.
	Refunded Report
	// RefundFailed records that a refund did not arrive, maybe days after it was said to be done.
	RefundFailed Report
	// RefundReversed records that a refund came back.
	RefundReversed Report
	// OperationPending records that the gateway works on it: its answer comes later, as a fact.
	OperationPending Report
	// OperationMatched records that what is known of an object at the gateway was done by an operation of ours. No money moves.
	// A refund may have come back by then: [Payment.Operation] has how it stands.
	OperationMatched Report
)

// FactIgnored records a fact that changes nothing.
type FactIgnored struct {
	Report
	Reason IgnoreReason `msgpack:"reason"`
}

// EventType implements [Event].
func (Authorised) EventType() string { return TypeAuthorised }

// EventType implements [Event].
func (ActionRequired) EventType() string { return TypeActionRequired }

// EventType implements [Event].
func (AuthorisationFailed) EventType() string { return TypeAuthorisationFailed }

// EventType implements [Event].
func (AuthorisationAdjusted) EventType() string { return TypeAuthorisationAdjusted }

// EventType implements [Event].
func (AdjustmentFailed) EventType() string { return TypeAdjustmentFailed }

// EventType implements [Event].
func (AuthorisationExpired) EventType() string { return TypeAuthorisationExpired }

// EventType implements [Event].
func (Captured) EventType() string { return TypeCaptured }

// EventType implements [Event].
func (CaptureFailed) EventType() string { return TypeCaptureFailed }

// EventType implements [Event].
func (Voided) EventType() string { return TypeVoided }

// EventType implements [Event].
func (VoidFailed) EventType() string { return TypeVoidFailed }

// EventType implements [Event].
func (Refunded) EventType() string { return TypeRefunded }

// EventType implements [Event].
func (RefundFailed) EventType() string { return TypeRefundFailed }

// EventType implements [Event].
func (RefundReversed) EventType() string { return TypeRefundReversed }

// EventType implements [Event].
func (OperationPending) EventType() string { return TypeOperationPending }

// EventType implements [Event].
func (OperationMatched) EventType() string { return TypeOperationMatched }

// EventType implements [Event].
func (FactIgnored) EventType() string { return TypeFactIgnored }

func (e Authorised) apply(p *Payment)            { p.take(Report(e)) }
func (e ActionRequired) apply(p *Payment)        { p.take(Report(e)) }
func (e AuthorisationFailed) apply(p *Payment)   { p.take(Report(e)) }
func (e AuthorisationAdjusted) apply(p *Payment) { p.take(Report(e)) }
func (e AdjustmentFailed) apply(p *Payment)      { p.take(Report(e)) }
func (e AuthorisationExpired) apply(p *Payment)  { p.take(Report(e)) }
func (e Captured) apply(p *Payment)              { p.take(Report(e)) }
func (e CaptureFailed) apply(p *Payment)         { p.take(Report(e)) }
func (e Voided) apply(p *Payment)                { p.take(Report(e)) }
func (e VoidFailed) apply(p *Payment)            { p.take(Report(e)) }
func (e Refunded) apply(p *Payment)              { p.take(Report(e)) }
func (e RefundFailed) apply(p *Payment)          { p.take(Report(e)) }
func (e RefundReversed) apply(p *Payment)        { p.take(Report(e)) }
func (e OperationPending) apply(p *Payment)      { p.take(Report(e)) }
func (e OperationMatched) apply(p *Payment)      { p.take(Report(e)) }
func (e FactIgnored) apply(p *Payment)           { p.take(e.Report) } // what it says is known, not when it was said
