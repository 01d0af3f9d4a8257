package payment

import (
	"math"

	"waybill/domain"
	"waybill/domain/money"
)

// Ledger is the money of a payment. It is derived: the same facts and requests give the same ledger in any order.
type Ledger struct {
	Authorised     money.Money // good for capture, or captured: without what was voided or has lapsed
	Captured       money.Money // ever
	Refunded       money.Money // of Captured, paid back: without what came back
	Disputed       money.Money // of Captured, in dispute, or lost in one, or taken for one and not given back yet
	Voided         money.Money // of what was ever authorised, given up
	Expired        money.Money // of what was ever authorised, lapsed
	AuthPending    money.Money // asked for, with no outcome known; so are the three below
	CapturePending money.Money
	VoidPending    money.Money
	RefundPending  money.Money
	Pending        money.Money // the sum of those but RefundPending: the order knows it by one sum
	Capturable     money.Money // what a capture may take now, with what the gateway lets capture above the authorisation
	Voidable       money.Money // what a void may take now
	Refundable     money.Money // what a refund may take now
	Overpaid       money.Money // captured and not paid back beyond what the payment is for
}

// Ledger derives the money of p.
func (p *Payment) Ledger() Ledger {
	s := p.sums()
	l := Ledger{
		Authorised: p.in(s.authorised()), Captured: p.in(s.captured), Refunded: p.in(s.refunded), Disputed: p.in(s.disputed),
		Pending: p.in(plus(plus(s.authPending, s.capturePending), s.voidPending)), AuthPending: p.in(s.authPending), CapturePending: p.in(s.capturePending), VoidPending: p.in(s.voidPending),
		RefundPending: p.in(s.refundPending), Capturable: p.in(s.capturable()), Voidable: p.in(s.voidable()),
		Refundable: p.in(s.refundable()), Voided: p.in(s.partVoided), Expired: p.in(0),
		Overpaid: p.in(max(0, s.captured-s.refunded-p.Terms.Amount.Minor)),
	}
	if gone := max(0, s.gross-s.partVoided-s.captured); s.closed && s.lapsed {
		l.Expired = p.in(gone)
	} else if s.closed {
		l.Voided = p.in(plus(s.partVoided, gone))
	}
	return l
}

// sums is what everything else is derived from, in minor units.
type sums struct {
	gross      int64 // ever authorised
	captured   int64
	refunded   int64
	disputed   int64
	partVoided int64 // by voids of a part
	live       int64 // authorised, and still there to be captured

	authPending, capturePending, voidPending, refundPending int64

	allowance int64 // what may be captured beyond the authorisation
	closed    bool  // nothing more can be captured
	lapsed    bool  // … because the authorisation expired
}

func (s *sums) authorised() int64 {
	kept := max(0, s.gross-s.partVoided)
	if s.closed {
		return min(kept, s.captured)
	}
	return kept
}

// capturable is P1, and P7.
func (s *sums) capturable() int64 {
	if s.closed {
		return 0
	}
	return max(0, plus(s.gross-s.partVoided, s.allowance)-plus(s.captured, s.capturePending))
}

// voidable is P3.
func (s *sums) voidable() int64 { return max(0, s.live-plus(s.capturePending, s.voidPending)) }

// refundable is P2: what is pending, and what nobody knows, counts as paid back.
func (s *sums) refundable() int64 {
	return max(0, s.captured-plus(plus(s.refunded, s.refundPending), s.disputed))
}

func (p *Payment) sums() sums {
	var s sums
	var refunds, undone int64
	final := false
	for i := range p.Objects {
		o := &p.Objects[i]
		switch {
		case !o.counts():
			p.announced(&s, o)
		case o.Kind == ObjectAuthorisation:
			s.gross = plus(s.gross, o.Amount)
		case o.Kind == ObjectCapture:
			s.captured = plus(s.captured, o.Amount)
			final = final || o.Final || p.requestedFinal(o.OperationID)
		case o.Kind == ObjectRefund:
			refunds = plus(refunds, o.Amount)
			if o.Standing.undone() {
				undone = plus(undone, o.Amount)
			}
		case o.Kind == ObjectVoid && !p.voidsAll(o):
			s.partVoided = plus(s.partVoided, o.Amount)
		}
	}
	s.captured = max(s.captured, p.CapturedTotal)
	s.refunded = max(0, max(refunds, p.RefundedTotal)-undone)
	if p.Adjusted.At != 0 {
		s.gross = p.Adjusted.Value
	}
	if p.Terms.CaptureMode == CaptureAuto {
		s.gross = max(s.gross, s.captured)
	}
	for i := range p.Disputes {
		s.disputed = plus(s.disputed, p.Disputes[i].outstanding())
	}
	s.lapsed = !p.ExpiredAt.IsZero()
	s.closed = p.released() || s.lapsed || final ||
		s.captured > 0 && !p.Terms.Capabilities.MultiCapture && p.Terms.CaptureMode != CaptureAuto
	if !s.closed {
		s.live = max(0, s.gross-s.partVoided-s.captured)
		s.allowance = allowance(max(0, s.gross-s.partVoided), p.Terms.Capabilities.OverCaptureBasisPoints)
	}
	p.reserved(&s)
	return s
}

// announced adds what the gateway has announced of itself; what operations of ours announce counts with them.
func (p *Payment) announced(s *sums, o *Object) {
	if o.Standing.Failed || o.Standing.Progress == ProgressNone || p.operationIndex(o.OperationID) >= 0 {
		return
	}
	switch o.Kind {
	case ObjectAuthorisation:
		s.authPending = plus(s.authPending, o.Amount)
	case ObjectCapture:
		s.capturePending = plus(s.capturePending, o.Amount)
	case ObjectRefund:
		s.refundPending = plus(s.refundPending, o.Amount)
	case ObjectVoid:
		s.voidPending = plus(s.voidPending, o.Amount)
	}
}

// reserved adds the amounts of all open operations: pending and unknown count as much as those that were just requested.
func (p *Payment) reserved(s *sums) {
	for i := range p.Operations {
		o := &p.Operations[i]
		if !p.state(o).Open() {
			continue
		}
		switch o.Kind {
		case OperationAuthorise:
			s.authPending = plus(s.authPending, o.Amount)
		case OperationAdjust:
			s.authPending = plus(s.authPending, max(0, o.Amount-s.gross))
		case OperationCapture:
			s.capturePending = plus(s.capturePending, o.Amount)
		case OperationVoid:
			s.voidPending = plus(s.voidPending, o.Amount)
		case OperationRefund:
			s.refundPending = plus(s.refundPending, o.Amount)
		}
	}
}

// released reports whether everything that was left of the authorisation was given up.
func (p *Payment) released() bool {
	for i := range p.Objects {
		if o := &p.Objects[i]; o.Kind == ObjectVoid && o.Standing.Done && p.voidsAll(o) {
			return true
		}
	}
	return false
}

// voidsAll reports whether a void takes everything that is left: it says so, it was asked for so, or the gateway knows no other.
func (p *Payment) voidsAll(o *Object) bool {
	if i := p.operationIndex(o.OperationID); i >= 0 && p.Operations[i].All {
		return true
	}
	return o.All || !p.Terms.Capabilities.PartialVoid
}

func (p *Payment) requestedFinal(operationID string) bool {
	i := p.operationIndex(operationID)
	return i >= 0 && p.Operations[i].Final
}

// allowance returns basisPoints of minor, rounded down.
func allowance(minor, basisPoints int64) int64 {
	if basisPoints < 0 || basisPoints > MaxOverCapture {
		return 0
	}
	return minor/10_000*basisPoints + minor%10_000*basisPoints/10_000
}

// plus adds amounts of zero or more, and stays at the end of what an amount can hold.
func plus(a, b int64) int64 {
	if a > 0 && b > math.MaxInt64-a {
		return math.MaxInt64
	}
	return a + b
}

// CaptureBefore returns until when what is authorised has to be captured, zero if there is no such time or nothing left.
func (p *Payment) CaptureBefore() domain.Time {
	if s := p.sums(); s.live == 0 {
		return 0
	}
	return domain.Time(p.CaptureBy.Value)
}
