package sandbox

import "time"

// captures reports whether op takes money from the customer.
func (p *Payment) captures(op *Operation) bool {
	return op.Kind == KindCapture || op.Kind == KindAuthorise && p.CaptureMode == modeAuto
}

// tally derives the sums and the status of p from its operations and disputes.
func (p *Payment) tally() {
	p.Authorised, p.Captured, p.CapturePending, p.Voided, p.Refunded, p.RefundPending, p.Disputed = 0, 0, 0, 0, 0, 0, 0
	status := StatusFailed // of the authorisation
	closing := p.released
	for _, op := range p.Operations {
		if op.Kind == KindAuthorise {
			status = op.Status
		}
		if op.Status == StatusPending && op.Kind == KindCapture {
			p.CapturePending += op.Amount
			closing = closing || op.Final
		}
		if op.Status == StatusPending && op.Kind == KindRefund {
			p.RefundPending += op.Amount
		}
		if op.Status == StatusSucceeded {
			p.count(op)
		}
	}
	for _, d := range p.Disputes {
		if d.Status != disputeWon {
			p.Disputed += d.Amount
		}
	}
	p.Capturable = p.Authorised - p.Captured - p.CapturePending - p.Voided
	if closing {
		p.Capturable = 0
	}
	p.Refundable = max(0, p.Captured-p.Refunded-p.RefundPending-p.Disputed)
	p.Status = p.status(status)
}

// count adds an operation that succeeded to its sums.
func (p *Payment) count(op *Operation) {
	switch op.Kind {
	case KindAuthorise:
		p.Authorised = op.Amount
	case KindVoid:
		p.Voided += op.Amount
	case KindRefund:
		p.Refunded += op.Amount
	case KindCapture, KindCancel:
	}
	if p.captures(op) {
		p.Captured += op.Amount
	}
}

func (p *Payment) status(authorisation string) string {
	switch {
	case authorisation != StatusSucceeded:
		return authorisation
	case p.Capturable > 0 || p.CapturePending > 0:
		return "authorised"
	case p.Captured > 0:
		return "captured"
	case p.lapsed:
		return "expired"
	}
	return "voided"
}

// settle brings op to a status at a time, lets happen what follows from it, and tells it.
func (g *Gateway) settle(p *Payment, op *Operation, status string, s *Script, at time.Time) {
	op.Status, op.OccurredAt = status, at
	op.Reason, op.Retryable = "", false
	if status == StatusFailed {
		op.Reason, op.Retryable = s.decline, s.retryable
	}
	if status == StatusSucceeded || status == StatusFailed {
		g.follow(p, op, s, at)
	}
	p.tally()
	g.tellOperation(p, op, s.tell)
	if status != StatusSucceeded {
		return
	}
	if op.Kind == KindRefund && s.fails {
		g.later(p, at.Add(soon), func(at time.Time) {
			g.settle(p, op, StatusFailed, &Script{decline: "account_closed", tell: s.tell}, at)
		})
	}
	if s.dispute != "" && p.captures(op) {
		g.later(p, at.Add(soon), func(at time.Time) {
			d := g.openDispute(p, op.Amount, "fraudulent", at)
			if s.dispute != disputeOpen {
				g.later(p, d.EvidenceBy, func(at time.Time) { g.closeDispute(p, d, s.dispute, at) })
			}
		})
	}
}

// follow changes what an operation that is over changes of its payment.
func (g *Gateway) follow(p *Payment, op *Operation, s *Script, at time.Time) {
	switch {
	case op.Kind == KindAuthorise:
		p.Action = nil
		if op.Status == StatusSucceeded && p.CaptureMode == modeManual {
			g.open(p, s, at)
		}
	case op.Status == StatusFailed:
	case op.Kind == KindCancel:
		for _, o := range p.Operations {
			if o.Kind == KindAuthorise {
				o.Status, o.Reason, o.OccurredAt = "cancelled", "cancelled", at
			}
		}
		p.Action, p.released = nil, true
	case op.Kind == KindCapture && op.Final:
		p.released = true
	}
}

// open begins the time in which p can be captured.
func (g *Gateway) open(p *Payment, s *Script, at time.Time) {
	window := captureWindow
	if s.window > 0 {
		window = s.window
	}
	p.CaptureBefore = at.Add(window)
	g.later(p, p.CaptureBefore, func(at time.Time) {
		if p.Capturable == 0 {
			return
		}
		p.released, p.lapsed = true, true
		p.tally()
		g.tell(p, &Event{Type: "payment.authorisation_expired", OccurredAt: at}, tellOnce)
	})
}

func (g *Gateway) openDispute(p *Payment, amount int64, reason string, at time.Time) *Dispute {
	d := &Dispute{
		ID: g.newID("dp"), PaymentID: p.ID, Amount: amount, Reason: reason, Status: disputeOpen, OpenedAt: at, EvidenceBy: at.Add(disputeTime),
	}
	p.Disputes = append(p.Disputes, d)
	p.tally()
	g.tell(p, &Event{
		Type: "payment.dispute_opened", OccurredAt: at, ObjectID: d.ID, Amount: amount, Reason: reason, EvidenceBy: d.EvidenceBy,
	}, tellOnce)
	g.tell(p, &Event{Type: "payment.dispute_funds_withdrawn", OccurredAt: at, ObjectID: d.ID, Amount: amount}, tellOnce)
	return d
}

func (g *Gateway) closeDispute(p *Payment, d *Dispute, outcome string, at time.Time) {
	if d.Status != disputeOpen {
		return
	}
	d.Status = outcome
	p.tally()
	if outcome == disputeWon {
		g.tell(p, &Event{Type: "payment.dispute_funds_reinstated", OccurredAt: at, ObjectID: d.ID, Amount: d.Amount}, tellOnce)
	}
	g.tell(p, &Event{Type: "payment.dispute_closed", OccurredAt: at, ObjectID: d.ID, Amount: d.Amount, Outcome: outcome}, tellOnce)
}

// tellOperation tells how op stands.
func (g *Gateway) tellOperation(p *Payment, op *Operation, how telling) {
	e := &Event{
		Type: "payment." + p.fact(op), OccurredAt: op.OccurredAt, ObjectID: op.ID, OperationID: op.OperationID, Amount: op.Amount,
		Reason: op.Reason, Retryable: op.Retryable,
	}
	if op.Status == StatusSucceeded {
		switch {
		case p.captures(op):
			e.Total, e.Final = p.Captured, op.Final
		case op.Kind == KindRefund:
			e.Total = p.Refunded
		case op.Kind == KindAuthorise:
			e.CaptureBefore = p.CaptureBefore
		}
	}
	if op.Status == StatusRequiresAction && p.Action != nil {
		action := *p.Action
		e.Action = &action
	}
	g.tell(p, e, how)
}

// fact returns what the status of op is called.
func (p *Payment) fact(op *Operation) string {
	object := map[Kind]string{
		KindAuthorise: "authorisation", KindCapture: "capture", KindVoid: "void", KindCancel: "void", KindRefund: "refund",
	}[op.Kind]
	switch {
	case op.Status == StatusRequiresAction:
		return "action_required"
	case op.Status != StatusSucceeded:
		return object + "_" + op.Status
	case p.captures(op):
		return "captured"
	}
	return map[Kind]string{KindAuthorise: "authorised", KindVoid: "voided", KindCancel: "voided", KindRefund: "refunded"}[op.Kind]
}
