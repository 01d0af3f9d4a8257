package payment_test

import (
	"testing"

	"waybill/domain/payment"
)

// The scenarios of the domain map, by their numbers, as far as one payment is concerned.

// TestScenario16DuplicateWebhook: a message that comes three times is recorded once.
func TestScenario16DuplicateWebhook(t *testing.T) {
	t.Parallel()
	p := authorised(t, terms())
	evt := fact("evt_1", payment.FactCaptured, "ch_1", "", 1000)
	does(t, p, evt, "captured")
	does(t, p, evt, "done")
	does(t, p, evt, "done")
	holds(t, p, payment.StatusPartiallyCaptured, 3000, 1000, 0, 0)
}

// TestScenario17SameCaptureInAnotherMessage: ignored if it says the same, an anomaly if not.
func TestScenario17SameCaptureInAnotherMessage(t *testing.T) {
	t.Parallel()
	p := authorised(t, terms())
	does(t, p, fact("evt_1", payment.FactCaptured, "ch_1", "", 1000), "captured")
	does(t, p, fact("evt_2", payment.FactCaptured, "ch_1", "", 1000), "ignored:duplicate")
	other := fact("evt_3", payment.FactCaptured, "ch_1", "", 1200)
	does(t, p, other, "!amount_conflict")
	does(t, p, other, "done")
	holds(t, p, payment.StatusPartiallyCaptured, 3000, 1000, 0, 0)
}

// TestScenario18WebhookBeforeResponse: whichever comes first, there is one authorisation.
func TestScenario18WebhookBeforeResponse(t *testing.T) {
	t.Parallel()
	p := begun(t, terms())
	does(t, p, authorise("op-1"), "authorisation_requested")
	does(t, p, fact("evt_1", payment.FactAuthorised, "pi_1", "op-1", 3000), "authorised")
	does(t, p, answer("op-1", payment.OutcomeSucceeded, "pi_1"), "done")
	holds(t, p, payment.StatusAuthorised, 3000, 0, 0, 0)

	p = begun(t, terms()) // a message that does not give the operation back
	does(t, p, authorise("op-1"), "authorisation_requested")
	does(t, p, fact("evt_1", payment.FactAuthorised, "pi_1", "", 3000), "authorised")
	does(t, p, answer("op-1", payment.OutcomeSucceeded, "pi_1"), "operation_matched")
	holds(t, p, payment.StatusAuthorised, 3000, 0, 0, 0)
	if open := p.Open(); len(open) > 0 || p.ObjectRef("op-1") != "pi_1" {
		t.Errorf("open: %+v, made %q", open, p.ObjectRef("op-1"))
	}
}

// TestScenario19OutOfOrder: a refund that is heard of before its capture.
func TestScenario19OutOfOrder(t *testing.T) {
	t.Parallel()
	p := authorised(t, terms())
	does(t, p, fact("evt_2", payment.FactRefunded, "re_1", "", 500), "refunded")
	does(t, p, fact("evt_1", payment.FactCaptured, "ch_1", "", 3000), "captured")
	holds(t, p, payment.StatusPartiallyRefunded, 3000, 3000, 500, 0)
}

// TestScenario20TimeoutOnCapture: unknown keeps the amount reserved until a look-up tells; it is charged once.
func TestScenario20TimeoutOnCapture(t *testing.T) {
	t.Parallel()
	p := authorised(t, terms())
	does(t, p, capture("op-2", 3000), "capture_requested")
	does(t, p, answer("op-2", payment.OutcomeUnknown, ""), "operation_outcome_unknown")
	does(t, p, capture("op-3", 3000), "payment-operation-in-flight")
	does(t, p, capture("op-2", 3000), "done") // the same one may be sent again under its key
	if o := p.Open(); len(o) != 1 || o[0].State != payment.StateUnknown || o[0].Since != t0+6 || p.Ledger().Pending != eur(3000) {
		t.Errorf("open: %+v, pending %s", o, p.Ledger().Pending)
	}
	does(t, p, answer("op-2", payment.OutcomeSucceeded, "ch_1"), "captured")
	does(t, p, fact("evt_1", payment.FactCaptured, "ch_1", "op-2", 3000), "ignored:duplicate")
	holds(t, p, payment.StatusCaptured, 3000, 3000, 0, 0)
}

// TestScenario22DeclineThenRetry: another card is another payment; what may pass may be tried again here.
func TestScenario22DeclineThenRetry(t *testing.T) {
	t.Parallel()
	p := inState(t, "failed")
	does(t, p, authorise("op-2"), "invalid-payment-transition")
	holds(t, p, payment.StatusFailed, 0, 0, 0, 0)
	second := begun(t, terms())
	does(t, second, authorise("op-2"), "authorisation_requested")
	does(t, second, answer("op-2", payment.OutcomeSucceeded, "pi_2"), "authorised")
	retried := inState(t, "retryable")
	does(t, retried, authorise("op-2"), "authorisation_requested")
	does(t, retried, answer("op-2", payment.OutcomeSucceeded, "pi_2"), "authorised")
	holds(t, retried, payment.StatusAuthorised, 3000, 0, 0, 0)
}

// TestScenario23ActionAbandoned: the attempt is given up at the gateway, and money that comes after all is late.
func TestScenario23ActionAbandoned(t *testing.T) {
	t.Parallel()
	p := begun(t, terms())
	do(t, p, authorise("op-1"))
	c := answer("op-1", payment.OutcomeRequiresAction, "pi_1")
	c.ActionRef, c.ActionExpiresAt = "https://bank.example", t0+100
	does(t, p, c, "action_required")
	if o := p.Open(); len(o) != 1 || o[0].ActionExpiresAt != t0+100 || p.Status() != payment.StatusRequiresAction {
		t.Errorf("%s, open: %+v", p.Status(), o)
	}
	does(t, p, void("op-2", 0), "void_requested")
	does(t, p, answer("op-2", payment.OutcomeSucceeded, "pi_1"), "voided")
	holds(t, p, payment.StatusVoided, 0, 0, 0, 0)
	if o := p.Open(); len(o) > 0 {
		t.Errorf("open: %+v", o)
	}
	does(t, p, fact("evt_9", payment.FactCaptured, "ch_9", "", 3000), "captured !late_payment")
}

// TestScenario24ActionSlow: an action that ends late is no matter of the payment.
func TestScenario24ActionSlow(t *testing.T) {
	t.Parallel()
	p := inState(t, "requires_action")
	does(t, p, fact("evt_1", payment.FactAuthorised, "pi_1", "op-1", 3000), "authorised")
	does(t, p, fact("evt_2", payment.FactActionRequired, "pi_1", "op-1", 0), "ignored:stale")
	holds(t, p, payment.StatusAuthorised, 3000, 0, 0, 0)
}

// TestScenario25OverCapture: more than is authorised is refused, and so is the second of two that do not fit together.
func TestScenario25OverCapture(t *testing.T) {
	t.Parallel()
	p := captured(t, 2000)
	does(t, p, capture("op-3", 1500), "amount-exceeds-authorised")
	does(t, p, capture("op-4", 1000), "capture_requested")
	does(t, p, capture("op-5", 1000), "amount-exceeds-authorised")

	over := terms()
	over.Capabilities.OverCaptureBasisPoints = 1500
	p = authorised(t, over)
	does(t, p, capture("op-2", 3451), "amount-exceeds-authorised")
	does(t, p, capture("op-3", 3450), "capture_requested")
	does(t, p, answer("op-3", payment.OutcomeSucceeded, "ch_1"), "captured")
	holds(t, p, payment.StatusCaptured, 3000, 3450, 0, 0)
}

// TestScenario26MultiCaptureByShipment: two captures, or one that says that the rest is let go.
func TestScenario26MultiCaptureByShipment(t *testing.T) {
	t.Parallel()
	p := captured(t, 1000)
	last := capture("op-3", 1500)
	last.Final = true
	does(t, p, last, "capture_requested")
	does(t, p, answer("op-3", payment.OutcomeSucceeded, "ch_2"), "captured")
	holds(t, p, payment.StatusCaptured, 2500, 2500, 0, 0)
	if v := p.Ledger().Voided; v != eur(500) {
		t.Errorf("let go: %s", v)
	}

	p = authorised(t, single())
	does(t, p, capture("op-2", 1000), "gateway-capability-missing")
	one := capture("op-3", 1000)
	one.Final = true
	does(t, p, one, "capture_requested")
	does(t, p, answer("op-3", payment.OutcomeSucceeded, "ch_1"), "captured")
	does(t, p, capture("op-4", 2000), "amount-exceeds-authorised")
	holds(t, p, payment.StatusCaptured, 1000, 1000, 0, 0)
}

// TestScenario27AuthorisationExpires: it is known when, nothing is captured after that, and nothing is given up before.
func TestScenario27AuthorisationExpires(t *testing.T) {
	t.Parallel()
	p := inState(t, "lapsing")
	if p.CaptureBefore() != t0+50 {
		t.Errorf("capture before %s", p.CaptureBefore())
	}
	does(t, p, payment.ExpireAuthorisation{Target: to(49)}, "authorisation-not-due")
	late := capture("op-2", 1000)
	late.Target = to(50)
	does(t, p, late, "authorisation-expired")
	does(t, p, payment.ExpireAuthorisation{Target: to(50)}, "authorisation_expired")
	does(t, p, late, "authorisation-expired")
	holds(t, p, payment.StatusExpired, 0, 0, 0, 0)
	if e := p.Ledger().Expired; e != eur(3000) || p.CaptureBefore() != 0 {
		t.Errorf("lapsed: %s, capture before %s", e, p.CaptureBefore())
	}
}

// TestScenario31Overpayment: a transfer of more than the payment is for is recorded, and once.
func TestScenario31Overpayment(t *testing.T) {
	t.Parallel()
	bank := single()
	bank.Gateway, bank.Method, bank.CaptureMode = "offline", "bank_transfer", payment.CaptureAuto
	p := begun(t, bank)
	transfer := payment.RecordOffline{Target: to(1), Reference: "transfer-1", Amount: eur(3500)}
	does(t, p, transfer, "captured !overpaid")
	does(t, p, transfer, "done")
	holds(t, p, payment.StatusCaptured, 3500, 3500, 0, 0)
	if over := p.Ledger().Overpaid; over != eur(500) {
		t.Errorf("overpaid %s", over)
	}
	does(t, p, refund("op-2", 500), "refund_requested")
	does(t, p, answer("op-2", payment.OutcomeSucceeded, "transfer-2"), "refunded")
	if over := p.Ledger().Overpaid; over != eur(0) {
		t.Errorf("overpaid %s", over)
	}
}

// TestScenario32CancelBeforeCapture: what is authorised is given up, and nothing is paid back.
func TestScenario32CancelBeforeCapture(t *testing.T) {
	t.Parallel()
	p := authorised(t, terms())
	does(t, p, void("op-2", 0), "void_requested")
	does(t, p, capture("op-3", 1000), "payment-operation-in-flight")
	does(t, p, answer("op-2", payment.OutcomeSucceeded, "vo_1"), "voided")
	does(t, p, refund("op-4", 1), "amount-exceeds-captured")
	holds(t, p, payment.StatusVoided, 0, 0, 0, 0)
}

// TestScenario36VoidFailsAlreadyCaptured: the money goes back by a refund, once.
func TestScenario36VoidFailsAlreadyCaptured(t *testing.T) {
	t.Parallel()
	p := authorised(t, terms())
	do(t, p, void("op-2", 0))
	c := answer("op-2", payment.OutcomeFailed, "")
	c.Code = "already_captured"
	does(t, p, c, "void_failed")
	does(t, p, fact("evt_1", payment.FactCaptured, "ch_1", "", 3000), "captured")
	does(t, p, refund("op-3", 3000), "refund_requested")
	does(t, p, refund("op-4", 3000), "amount-exceeds-captured")
	does(t, p, answer("op-3", payment.OutcomeSucceeded, "re_1"), "refunded")
	holds(t, p, payment.StatusRefunded, 3000, 3000, 3000, 0)
}

// TestScenario37CancelTwice: the same void again is done, another one has to wait, and one refund is all there is.
func TestScenario37CancelTwice(t *testing.T) {
	t.Parallel()
	p := authorised(t, terms())
	does(t, p, void("op-2", 0), "void_requested")
	does(t, p, void("op-2", 0), "done")
	does(t, p, void("op-3", 0), "payment-operation-in-flight")
	p = captured(t, 3000)
	does(t, p, refund("op-3", 3000), "refund_requested")
	does(t, p, refund("op-3", 3000), "done")
	does(t, p, refund("op-4", 3000), "amount-exceeds-captured")
}

// TestScenario49RefundFailsLater: pending, done, and back after days. The money can be paid back another way.
func TestScenario49RefundFailsLater(t *testing.T) {
	t.Parallel()
	p := captured(t, 3000)
	do(t, p, refund("op-3", 1000))
	does(t, p, answer("op-3", payment.OutcomePending, "re_1"), "operation_pending")
	does(t, p, refund("op-4", 2001), "amount-exceeds-captured")
	does(t, p, fact("evt_1", payment.FactRefunded, "re_1", "op-3", 1000), "refunded")
	back := fact("evt_2", payment.FactRefundFailed, "re_1", "op-3", 1000)
	back.OccurredAt = t0 + 3*day
	does(t, p, back, "refund_failed")
	if _, state, _ := p.Operation("op-3"); state != payment.StateReversed {
		t.Errorf("the refund is %s", state)
	}
	holds(t, p, payment.StatusCaptured, 3000, 3000, 0, 0)
	does(t, p, refund("op-5", 3000), "refund_requested")
}

// TestScenario51OurRefundEchoed: the gateway's message about our refund is no second refund, before the answer or after it.
func TestScenario51OurRefundEchoed(t *testing.T) {
	t.Parallel()
	p := captured(t, 3000)
	do(t, p, refund("op-3", 1000))
	does(t, p, fact("evt_1", payment.FactRefunded, "re_1", "", 1000), "refunded")
	does(t, p, answer("op-3", payment.OutcomeSucceeded, "re_1"), "operation_matched")
	does(t, p, fact("evt_2", payment.FactRefunded, "re_1", "op-3", 1000), "ignored:duplicate")
	total := fact("evt_3", payment.FactRefunded, "ch_1", "", 0)
	total.Total = eur(1000)
	do(t, p, total) // the total says nothing more
	holds(t, p, payment.StatusPartiallyRefunded, 3000, 3000, 1000, 0)
}

// TestScenario52DisputeThenRefund: nothing is paid back during a dispute; afterwards what was not lost.
func TestScenario52DisputeThenRefund(t *testing.T) {
	t.Parallel()
	p := captured(t, 3000)
	does(t, p, fact("evt_1", payment.FactDisputeOpened, "dp_1", "", 1000), "dispute_opened")
	does(t, p, refund("op-3", 3000), "payment-disputed")
	some := refund("op-4", 2000)
	some.Override = true
	does(t, p, some, "refund_requested")
	some.OperationID = "op-5"
	does(t, p, some, "amount-exceeds-captured")
	holds(t, p, payment.StatusCaptured, 3000, 3000, 0, 1000)
	does(t, p, fact("evt_2", payment.FactDisputeFundsWithdrawn, "dp_1", "", 1000), "dispute_funds_withdrawn")
	does(t, p, payment.CloseDispute{Target: to(9), DisputeRef: "dp_1", Outcome: payment.DisputeWon}, "dispute_closed")
	holds(t, p, payment.StatusCaptured, 3000, 3000, 0, 1000) // won, and the bank still has it
	does(t, p, fact("evt_3", payment.FactDisputeFundsReinstated, "dp_1", "", 1000), "dispute_funds_reinstated")
	holds(t, p, payment.StatusCaptured, 3000, 3000, 0, 0)
}

// TestDisputeFromTheFuture: no fact of the present ends it, in any order; a person does, and it stays closed.
func TestDisputeFromTheFuture(t *testing.T) {
	t.Parallel()
	opened, closed := fact("evt_1", payment.FactDisputeOpened, "dp_1", "", 1000), fact("evt_2", payment.FactDisputeClosed, "dp_1", "", 0)
	opened.OccurredAt, closed.DisputeOutcome = t0+9_999*day, payment.DisputeWon
	for _, told := range [][]payment.Command{{opened, closed}, {closed, opened}} {
		p := captured(t, 3000)
		do(t, p, told...)
		does(t, p, refund("op-3", 3000), "payment-disputed")
		does(t, p, payment.CloseDispute{Target: to(9), DisputeRef: "dp_1", Outcome: payment.DisputeWon}, "dispute_closed")
		again := fact("evt_3", payment.FactDisputeOpened, "dp_1", "", 1000)
		again.OccurredAt = t0 + 10
		does(t, p, again, "ignored:duplicate")
		does(t, p, refund("op-3", 3000), "refund_requested")
	}
}

// TestReconcile: what was missed is learnt, and what differs stands until a later snapshot agrees.
func TestReconcile(t *testing.T) {
	t.Parallel()
	p := authorised(t, terms())
	books := func(captured, refunded int64) payment.Reconcile {
		return payment.Reconcile{Target: to(9), Snapshot: payment.Snapshot{
			AsOf: t0 + 8, Authorised: eur(3000), Captured: eur(captured), Refunded: eur(refunded), Disputed: eur(0),
		}}
	}
	does(t, p, books(0, 0), "done")
	does(t, p, books(1000, 300), "captured refunded reconciled")
	holds(t, p, payment.StatusPartiallyRefunded, 3000, 1000, 300, 0)
	if len(p.Diffs) != 2 {
		t.Errorf("diffs: %+v", p.Diffs)
	}
	do(t, p, fact("evt_1", payment.FactCaptured, "ch_1", "", 1000), fact("evt_2", payment.FactRefunded, "re_1", "", 300))
	holds(t, p, payment.StatusPartiallyRefunded, 3000, 1000, 300, 0) // the total was this capture
	does(t, p, books(1000, 300), "reconciled")
	does(t, p, books(1000, 300), "done")
	does(t, p, books(900, 300), "reconciled") // the gateway knows less than it said: for a person to look at
	holds(t, p, payment.StatusPartiallyRefunded, 3000, 1000, 300, 0)
}

// TestAnomalies: what contradicts the payment is recorded, and told.
func TestAnomalies(t *testing.T) {
	t.Parallel()
	p := authorised(t, terms())
	do(t, p, capture("op-2", 1000))
	more := answer("op-2", payment.OutcomeSucceeded, "ch_1")
	more.Amount = eur(3000) // a part was asked for, and all was taken
	does(t, p, more, "captured !amount_differs")
	does(t, p, answer("op-2", payment.OutcomeFailed, ""), "!outcome_contradicted")
	does(t, p, fact("evt_2", payment.FactCaptured, "ch_2", "op-2", 10), "captured !operation_repeated !captured_exceeds_authorised")
	does(t, p, fact("evt_3", payment.FactRefunded, "re_9", "op-9", 10), "refunded !unknown_operation")
	does(t, p, fact("evt_4", payment.FactRefunded, "re_8", "", 9000), "refunded !refunded_exceeds_captured")
	yen := fact("evt_5", payment.FactCaptured, "ch_5", "", 0)
	yen.Amount.Minor, yen.Amount.Currency = 500, "JPY"
	does(t, p, yen, "!currency_mismatch")
	does(t, p, yen, "done")
	holds(t, p, payment.StatusRefunded, 3000, 3010, 9010, 0)
}
