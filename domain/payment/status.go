package payment

// Status is where a payment stands. It is derived, never set. The order knows these words as the states of its payments.
type Status string

// The statuses of a payment.
const (
	StatusNone              Status = "none"               // nobody initiated it
	StatusInitiated         Status = "initiated"          // nothing was asked of the gateway yet
	StatusProcessing        Status = "processing"         // the gateway works on it, or nobody knows
	StatusRequiresAction    Status = "requires_action"    // the customer has to do something
	StatusAuthorised        Status = "authorised"         // nothing is captured
	StatusPartiallyCaptured Status = "partially_captured" // a part is captured, and more could be
	StatusCaptured          Status = "captured"           // there is nothing left to capture
	StatusPartiallyRefunded Status = "partially_refunded" // a part of what was captured is paid back
	StatusRefunded          Status = "refunded"           // all of it
	StatusFailed            Status = "failed"             // the gateway declined it
	StatusVoided            Status = "voided"             // given up before anything was captured
	StatusExpired           Status = "expired"            // lapsed before anything was captured
)

// Statuses returns all statuses that a payment can have, from initiated on.
func Statuses() []Status {
	return []Status{
		StatusInitiated, StatusProcessing, StatusRequiresAction, StatusAuthorised, StatusPartiallyCaptured, StatusCaptured,
		StatusPartiallyRefunded, StatusRefunded, StatusFailed, StatusVoided, StatusExpired,
	}
}

// Status derives the status of p. A dispute is not a part of it: see [Payment.InDispute] and [Ledger].
func (p *Payment) Status() Status {
	s := p.sums()
	return p.status(&s)
}

func (p *Payment) status(s *sums) Status {
	switch {
	case p.ID == "":
		return StatusNone
	case s.refunded > 0 && s.refunded >= s.captured:
		return StatusRefunded
	case s.refunded > 0:
		return StatusPartiallyRefunded
	case s.captured > 0 && s.live > 0:
		return StatusPartiallyCaptured
	case s.captured > 0:
		return StatusCaptured
	case s.live > 0:
		return StatusAuthorised
	case s.lapsed:
		return StatusExpired
	case s.closed || s.gross > 0: // live is nothing: all of it was voided in parts
		return StatusVoided
	}
	return p.attempt()
}

// attempt says how far getting an authorisation has come.
func (p *Payment) attempt() Status {
	status := StatusInitiated
	better := func(s Status) {
		rank := func(s Status) int { // what is still going on counts, not what failed before
			switch s {
			case StatusRequiresAction:
				return 3
			case StatusProcessing:
				return 2
			case StatusFailed:
				return 1
			case StatusNone, StatusInitiated, StatusAuthorised, StatusPartiallyCaptured, StatusCaptured, StatusPartiallyRefunded,
				StatusRefunded, StatusVoided, StatusExpired:
			}
			return 0
		}
		if rank(s) > rank(status) {
			status = s
		}
	}
	for i := range p.Operations {
		if o := &p.Operations[i]; o.Kind == OperationAuthorise {
			better(attempted(p.state(o)))
		}
	}
	for i := range p.Objects {
		o := &p.Objects[i]
		if o.Kind == ObjectVoid || o.Kind == ObjectRefund || p.operationIndex(o.OperationID) >= 0 {
			continue
		}
		switch {
		case o.Standing.Failed:
			better(StatusFailed)
		case o.Standing.Progress == ProgressRequiresAction:
			better(StatusRequiresAction)
		case o.Standing.Progress == ProgressPending:
			better(StatusProcessing)
		}
	}
	return status
}

// attempted returns the status of a payment of which nothing is known but one authorisation in state s.
func attempted(s OperationState) Status {
	switch s {
	case StateRequiresAction:
		return StatusRequiresAction
	case StateRequested, StateUnknown, StatePending:
		return StatusProcessing
	case StateFailed:
		return StatusFailed
	case StateCancelled:
		return StatusVoided
	case StateSucceeded, StateReversed: // its amount speaks for it
	}
	return StatusInitiated
}

// ended reports whether a payment came to nothing: money that is heard of after that is late.
func (s Status) ended() bool {
	switch s {
	case StatusFailed, StatusVoided, StatusExpired:
		return true
	case StatusNone, StatusInitiated, StatusProcessing, StatusRequiresAction, StatusAuthorised, StatusPartiallyCaptured,
		StatusCaptured, StatusPartiallyRefunded, StatusRefunded:
	}
	return false
}
