package payment

import (
	"cmp"
	"slices"

	"waybill/domain"
	"waybill/domain/money"
)

// DisputeOutcome says how a dispute ended.
type DisputeOutcome string

// The outcomes of a dispute.
const (
	DisputeNone          DisputeOutcome = ""               // it is open
	DisputeWon           DisputeOutcome = "won"            // the money stays, or comes back
	DisputeLost          DisputeOutcome = "lost"           // the money is gone
	DisputeWarningClosed DisputeOutcome = "warning_closed" // it was an inquiry, and no more became of it
	DisputePrevented     DisputeOutcome = "prevented"      // it was settled before it became one
)

// Dispute is a customer's complaint to their bank.
type Dispute struct {
	Ref        string         `msgpack:"object_ref"`
	Amount     int64          `msgpack:"amount"`
	AmountAt   domain.Time    `msgpack:"amount_at,omitempty"`
	Withdrawn  int64          `msgpack:"withdrawn"`  // taken by the bank
	Reinstated int64          `msgpack:"reinstated"` // given back by it
	OpenedAt   domain.Time    `msgpack:"opened_at,omitempty"`
	Code       string         `msgpack:"code,omitempty"`        // what it is about, as the gateway calls it
	EvidenceBy domain.Time    `msgpack:"evidence_by,omitempty"` // until when to answer it
	ClosedAt   domain.Time    `msgpack:"closed_at,omitempty"`
	Outcome    DisputeOutcome `msgpack:"outcome,omitempty"` // of the last time it was closed
}

// Open reports whether d is not closed, or was opened again after that: an inquiry may become a dispute.
func (d *Dispute) Open() bool { return d.ClosedAt == 0 || d.OpenedAt > d.ClosedAt }

// outstanding returns what of the captured money is not the shop's because of d.
func (d *Dispute) outstanding() int64 {
	if d.Open() {
		return max(d.Amount, d.Withdrawn)
	}
	switch d.Outcome {
	case DisputeLost:
		return max(0, max(d.Amount, d.Withdrawn)-d.Reinstated)
	case DisputeNone, DisputeWon, DisputeWarningClosed, DisputePrevented:
	}
	return max(0, d.Withdrawn-d.Reinstated)
}

// learn joins a fact about d to it.
func (d *Dispute) learn(f *Fact) {
	switch f.Kind {
	case FactDisputeOpened:
		d.opened(f)
	case FactDisputeFundsWithdrawn:
		d.Withdrawn = max(d.Withdrawn, f.Amount.Minor)
	case FactDisputeFundsReinstated:
		d.Reinstated = max(d.Reinstated, f.Amount.Minor)
	case FactDisputeClosed:
		if cmp.Or(cmp.Compare(f.OccurredAt, d.ClosedAt), cmp.Compare(f.DisputeOutcome, d.Outcome)) > 0 {
			d.ClosedAt, d.Outcome = f.OccurredAt, f.DisputeOutcome
		}
	case FactAuthorised, FactAuthorisationPending, FactActionRequired, FactAuthorisationFailed, FactAuthorisationAdjusted,
		FactAdjustmentPending, FactAdjustmentFailed, FactAuthorisationExpired, FactCaptured, FactCapturePending,
		FactCaptureFailed, FactVoided, FactVoidPending, FactVoidFailed, FactRefunded, FactRefundPending, FactRefundFailed,
		FactRefundReversed:
	}
}

func (d *Dispute) opened(f *Fact) {
	if m := f.Amount.Minor; m > 0 && (d.AmountAt == 0 || f.OccurredAt < d.AmountAt || f.OccurredAt == d.AmountAt && m < d.Amount) {
		d.Amount, d.AmountAt = m, f.OccurredAt
	}
	if cmp.Or(cmp.Compare(f.OccurredAt, d.OpenedAt), cmp.Compare(f.EvidenceBy, d.EvidenceBy), cmp.Compare(f.Code, d.Code)) > 0 {
		d.OpenedAt, d.EvidenceBy, d.Code = f.OccurredAt, f.EvidenceBy, f.Code
	}
}

// visible returns what of d makes a difference.
func (d *Dispute) visible() Dispute {
	v := *d
	v.AmountAt, v.OpenedAt, v.ClosedAt = 0, 0, 1
	if d.Open() {
		v.ClosedAt = 0
	}
	return v
}

// InDispute reports whether a dispute is open.
func (p *Payment) InDispute() bool {
	return slices.ContainsFunc(p.Disputes, func(d Dispute) bool { return d.Open() })
}

// EvidenceBy returns the earliest time until when an open dispute has to be answered, zero if there is none.
func (p *Payment) EvidenceBy() (by domain.Time) {
	for i := range p.Disputes {
		if d := &p.Disputes[i]; d.Open() && !d.EvidenceBy.IsZero() && (by.IsZero() || d.EvidenceBy < by) {
			by = d.EvidenceBy
		}
	}
	return by
}

// OpenDispute tells a payment of a dispute by hand: what a gateway tells comes by [RecordFact].
type OpenDispute struct {
	Target
	DisputeRef string
	Amount     money.Money
	Code       string
	EvidenceBy domain.Time
	OccurredAt domain.Time // Now if it is zero
}

// CloseDispute tells a payment by hand how a dispute ended.
type CloseDispute struct {
	Target
	DisputeRef string
	Outcome    DisputeOutcome
	OccurredAt domain.Time // Now if it is zero
}

// CommandType implements [Command].
func (OpenDispute) CommandType() string { return CommandOpenDispute }

// CommandType implements [Command].
func (CloseDispute) CommandType() string { return CommandCloseDispute }

func (c OpenDispute) decide(p *Payment) ([]Event, error) {
	f := &fields{}
	f.id("dispute_ref", c.DisputeRef)
	f.text("code", c.Code, MaxName)
	f.amount(c.Amount, p.Terms.Amount.Currency)
	if f.err != nil {
		return nil, f.err
	}
	if i, known := p.disputeIndex(c.DisputeRef); known {
		d := &p.Disputes[i]
		if d.AmountAt != 0 && (d.Amount != c.Amount.Minor || c.EvidenceBy != d.EvidenceBy || c.Code != d.Code) {
			return nil, DisputeConflict{DisputeRef: d.Ref, Amount: p.in(d.Amount), Outcome: d.Outcome}
		}
		if d.AmountAt != 0 {
			return nil, nil
		}
	}
	return p.record(Fact{
		Kind: FactDisputeOpened, ObjectRef: c.DisputeRef, Amount: c.Amount, OccurredAt: cmp.Or(c.OccurredAt, c.Now),
		Code: c.Code, EvidenceBy: c.EvidenceBy,
	}, domain.Personal{}, c.Now)
}

func (c CloseDispute) decide(p *Payment) ([]Event, error) {
	f := &fields{}
	oneOf(f, "outcome", c.Outcome, DisputeWon, DisputeLost, DisputeWarningClosed, DisputePrevented)
	if f.err != nil {
		return nil, f.err
	}
	i, known := p.disputeIndex(c.DisputeRef)
	if !known {
		return nil, UnknownDispute{DisputeRef: c.DisputeRef}
	}
	d := &p.Disputes[i]
	if !d.Open() {
		if d.Outcome != c.Outcome {
			return nil, DisputeConflict{DisputeRef: d.Ref, Amount: p.in(d.Amount), Outcome: d.Outcome}
		}
		return nil, nil
	}
	return p.record(Fact{
		Kind: FactDisputeClosed, ObjectRef: c.DisputeRef, DisputeOutcome: c.Outcome,
		OccurredAt: max(cmp.Or(c.OccurredAt, c.Now), d.OpenedAt), // whatever the clocks say, it was open before
	}, domain.Personal{}, c.Now)
}

type (
	// DisputeOpened records that money is in dispute.
	DisputeOpened Report
	// DisputeFundsWithdrawn records that the bank took the money of a dispute.
	DisputeFundsWithdrawn Report
	// DisputeFundsReinstated records that the bank gave it back.
	DisputeFundsReinstated Report
	// DisputeClosed records how a dispute ended.
	DisputeClosed Report
)

// EventType implements [Event].
func (DisputeOpened) EventType() string { return TypeDisputeOpened }

// EventType implements [Event].
func (DisputeFundsWithdrawn) EventType() string { return TypeDisputeFundsWithdrawn }

// EventType implements [Event].
func (DisputeFundsReinstated) EventType() string { return TypeDisputeFundsReinstated }

// EventType implements [Event].
func (DisputeClosed) EventType() string { return TypeDisputeClosed }

func (e DisputeOpened) apply(p *Payment)          { p.take(Report(e)) }
func (e DisputeFundsWithdrawn) apply(p *Payment)  { p.take(Report(e)) }
func (e DisputeFundsReinstated) apply(p *Payment) { p.take(Report(e)) }
func (e DisputeClosed) apply(p *Payment)          { p.take(Report(e)) }
