package payment_test

import (
	"fmt"
	"slices"
	"testing"

	"waybill/domain/payment"
)

// states are the statuses of a payment, and the situations within a status that decide differently.
func states() []string {
	return []string{
		"none", "initiated", "processing", "unknown", "requires_action", "authorised", "lapsing", "capturing", "capture unknown", "voiding",
		"adjusting", "partially_captured", "captured", "partially_refunded", "refunded", "failed", "retryable", "voided", "expired", "disputed",
	}
}

// inState returns a payment in one of these states, by commands alone.
func inState(tb failer, state string) *payment.Payment {
	tb.Helper()
	p := new(payment.Payment)
	if state == "none" {
		return p
	}
	ok, all := payment.OutcomeSucceeded, []payment.Command{
		payment.Initiate{Target: to(0), Terms: terms()}, authorise("op-1"), answer("op-1", payment.OutcomeSucceeded, "pi_1"),
	}
	held := func(more ...payment.Command) []payment.Command { return slices.Concat(all, more) }
	asked := func(o payment.Outcome) []payment.Command { return append(all[:2:2], answer("op-1", o, "pi_1")) }
	steps := map[string][]payment.Command{
		"initiated":          all[:1],
		"processing":         all[:2],
		"unknown":            asked(payment.OutcomeUnknown),
		"requires_action":    asked(payment.OutcomeRequiresAction),
		"failed":             asked(payment.OutcomeFailed),
		"retryable":          append(all[:2:2], payment.RecordOutcome{Target: to(6), OperationID: "op-1", Outcome: payment.OutcomeFailed, Retryable: true}),
		"authorised":         all,
		"lapsing":            append(all[:2:2], payment.RecordOutcome{Target: to(6), OperationID: "op-1", Outcome: ok, GatewayRef: "pi_1", CaptureBefore: t0 + 50}),
		"capturing":          held(capture("op-2", 1000)),
		"capture unknown":    held(capture("op-2", 1000), answer("op-2", payment.OutcomeUnknown, "")),
		"voiding":            held(void("op-2", 0)),
		"adjusting":          held(payment.AdjustAuthorisation{Target: to(2), OperationID: "op-2", Amount: eur(4000)}),
		"partially_captured": held(capture("op-2", 1000), answer("op-2", ok, "ch_1")),
		"captured":           held(capture("op-2", 3000), answer("op-2", ok, "ch_1")),
		"partially_refunded": held(capture("op-2", 3000), answer("op-2", ok, "ch_1"), refund("op-3", 1000), answer("op-3", ok, "re_1")),
		"refunded":           held(capture("op-2", 3000), answer("op-2", ok, "ch_1"), refund("op-3", 3000), answer("op-3", ok, "re_1")),
		"voided":             held(void("op-2", 0), answer("op-2", ok, "vo_1")),
		"expired":            held(fact("evt_0", payment.FactAuthorisationExpired, "pi_1", "", 0)),
		"disputed":           held(capture("op-2", 3000), answer("op-2", ok, "ch_1"), fact("evt_0", payment.FactDisputeOpened, "dp_0", "", 1000)),
	}
	if steps[state] == nil {
		tb.Fatalf("no state %s", state)
	}
	do(tb, p, steps[state]...)
	return p
}

// commands returns one of every command, such that only the state can refuse it.
func commands() []payment.Command {
	now := to(60)
	return []payment.Command{
		payment.Initiate{Target: now, Terms: terms()},
		payment.Authorise{Target: now, OperationID: "op-9"},
		payment.AdjustAuthorisation{Target: now, OperationID: "op-9", Amount: eur(3300)},
		payment.ExpireAuthorisation{Target: now},
		payment.Capture{Target: now, OperationID: "op-9", Amount: eur(500)},
		payment.Void{Target: now, OperationID: "op-9"},
		payment.Refund{Target: now, OperationID: "op-9", RefundID: "r-9", Amount: eur(500)},
		payment.RecordOutcome{Target: now, OperationID: "op-9", Outcome: payment.OutcomeUnknown},
		payment.RecordFact{Target: now, Fact: payment.Fact{
			GatewayEventID: "evt_9", Kind: payment.FactCaptured, ObjectRef: "ch_9", Amount: eur(100), OccurredAt: t0 + 59,
		}},
		payment.RecordOffline{Target: now, Reference: "transfer-9", Amount: eur(100)},
		payment.OpenDispute{Target: now, DisputeRef: "dp_9", Amount: eur(100)},
		payment.CloseDispute{Target: now, DisputeRef: "dp_0", Outcome: payment.DisputeWon},
		payment.Reconcile{Target: now, Snapshot: payment.Snapshot{
			AsOf: t0 + 60, Authorised: eur(7), Captured: eur(0), Refunded: eur(0), Disputed: eur(0),
		}},
	}
}

// TestEveryCommandInEveryState is the state machine: each row a state, each column a command.
func TestEveryCommandInEveryState(t *testing.T) {
	t.Parallel()
	const (
		bad  = "invalid-payment-transition"
		gone = "payment-not-found"
		busy = "payment-operation-in-flight"
		over = "authorisation-expired"
		due  = "authorisation-not-due"
		much = "amount-exceeds-captured"
		many = "amount-exceeds-authorised"

		auth = "authorisation_requested"
		adj  = "adjustment_requested"
		capt = "capture_requested"
		void = "void_requested"
		refd = "refund_requested"
		late = "captured !late_payment"
	)
	table := map[string][]string{
		//                    authorise  adjust  expire  capture  void  refund  fact
		"none":               {gone, gone, gone, gone, gone, gone, gone},
		"initiated":          {auth, bad, bad, bad, void, much, "captured"},
		"processing":         {busy, busy, bad, bad, busy, much, "captured"},
		"unknown":            {busy, busy, bad, bad, void, much, "captured"},
		"requires_action":    {busy, busy, bad, bad, void, much, "captured"},
		"authorised":         {bad, adj, due, capt, void, much, "captured"},
		"lapsing":            {bad, over, "authorisation_expired", over, void, much, "captured"},
		"capturing":          {bad, busy, busy, capt, busy, much, "captured"},
		"capture unknown":    {bad, busy, busy, busy, busy, much, "captured"},
		"voiding":            {bad, busy, busy, busy, busy, much, "captured"},
		"adjusting":          {bad, busy, busy, busy, busy, much, "captured"},
		"partially_captured": {bad, adj, due, capt, void, refd, "captured"},
		"captured":           {bad, bad, bad, many, bad, refd, "captured !captured_exceeds_authorised"},
		"partially_refunded": {bad, bad, bad, many, bad, refd, "captured !captured_exceeds_authorised"},
		"refunded":           {bad, bad, bad, many, bad, much, "captured !captured_exceeds_authorised"},
		"failed":             {bad, bad, bad, bad, bad, much, late},
		"retryable":          {auth, bad, bad, bad, bad, much, late},
		"voided":             {bad, bad, bad, bad, bad, much, late},
		"expired":            {bad, over, "done", over, over, much, late},
		"disputed":           {bad, bad, bad, many, bad, "payment-disputed", "captured !captured_exceeds_authorised"},
	}
	if len(table) != len(states()) {
		t.Fatalf("the table has %d rows, there are %d states", len(table), len(states()))
	}
	reached := map[payment.Status]bool{}
	for _, state := range states() {
		row := slices.Concat([]string{"done"}, table[state][:6], []string{"unknown-payment-operation", table[state][6], table[state][6], "dispute_opened", "unknown-dispute", "reconciled"})
		switch state {
		case "none":
			row = append([]string{"initiated"}, slices.Repeat([]string{gone}, 12)...)
		case "disputed":
			row[11] = "dispute_closed"
		case "refunded": // paid back, and disputed as well
			row[10] = "dispute_opened !refunded_exceeds_captured"
		}
		reached[inState(t, state).Status()] = true
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			for n, c := range commands() {
				tryCommand(t, inState(t, state), c, row[n])
			}
		})
	}
	for _, s := range payment.Statuses() {
		if !reached[s] {
			t.Errorf("no state reaches %s", s)
		}
	}
}

// tryCommand sends c, and sends it again if it caused something: that must cause nothing.
func tryCommand(t *testing.T, p *payment.Payment, c payment.Command, want string) {
	t.Helper()
	before := fmt.Sprintf("%+v", p)
	events, err := payment.Decide(p, c)
	if got := verdict(events, err); got != want {
		t.Errorf("%s gives %q (%v), want %q", c.CommandType(), got, err, want)
	}
	if fmt.Sprintf("%+v", p) != before {
		t.Errorf("deciding %s changed the payment", c.CommandType())
	}
	outcome := c.CommandType() == payment.CommandRecordOutcome // this one is of an operation that is not there
	lapsed := p.CaptureBefore() != 0                           // and Allowed has no clock
	allowed := slices.Contains(payment.Allowed(p), c.CommandType())
	if !outcome && !lapsed && c.CommandType() != payment.CommandExpireAuthorisation && allowed != (len(events) > 0) && c.CommandType() != payment.CommandInitiate {
		t.Errorf("%s gives %q, but allowed are %v", c.CommandType(), want, payment.Allowed(p))
	}
	for _, e := range events {
		payment.Evolve(p, e)
	}
	if len(events) == 0 {
		return
	}
	if again, err := payment.Decide(p, c); len(again) > 0 || err != nil {
		t.Errorf("%s a second time gives %q (%v), want nothing", c.CommandType(), verdict(again, err), err)
	}
}

// TestEveryOutcomeOfEveryOperation: what an operation comes to, by its kind.
func TestEveryOutcomeOfEveryOperation(t *testing.T) {
	t.Parallel()
	table := map[payment.OperationKind][5]string{
		//                          succeeded                 failed                  pending              requires_action    unknown
		payment.OperationAuthorise: {"authorised", "authorisation_failed", "operation_pending", "action_required", "operation_outcome_unknown"},
		payment.OperationAdjust:    {"authorisation_adjusted", "adjustment_failed", "operation_pending", "invalid-field", "operation_outcome_unknown"},
		payment.OperationCapture:   {"captured", "capture_failed", "operation_pending", "invalid-field", "operation_outcome_unknown"},
		payment.OperationVoid:      {"voided", "void_failed", "operation_pending", "invalid-field", "operation_outcome_unknown"},
		payment.OperationRefund:    {"refunded", "refund_failed", "operation_pending", "invalid-field", "operation_outcome_unknown"},
	}
	outcomes := []payment.Outcome{
		payment.OutcomeSucceeded, payment.OutcomeFailed, payment.OutcomePending, payment.OutcomeRequiresAction, payment.OutcomeUnknown,
	}
	open := func(kind payment.OperationKind) *payment.Payment {
		switch kind {
		case payment.OperationAuthorise:
			return inState(t, "processing")
		case payment.OperationAdjust:
			return inState(t, "adjusting")
		case payment.OperationCapture:
			return inState(t, "capturing")
		case payment.OperationVoid:
			return inState(t, "voiding")
		case payment.OperationRefund:
		}
		p := captured(t, 3000)
		do(t, p, refund("op-3", 1000))
		return p
	}
	for kind, row := range table {
		for n, outcome := range outcomes {
			p := open(kind)
			op := p.Open()[len(p.Open())-1]
			if op.Kind != kind || op.State != payment.StateRequested {
				t.Fatalf("%s: open is %+v", kind, op)
			}
			c := answer(op.OperationID, outcome, "ref_1")
			does(t, p, c, row[n])
			does(t, p, c, map[bool]string{true: "invalid-field", false: "done"}[row[n] == "invalid-field"])
			_, state, _ := p.Operation(op.OperationID)
			if stays := outcome != payment.OutcomeSucceeded && outcome != payment.OutcomeFailed; state.Open() != stays {
				t.Errorf("%s that is %s is %s", kind, outcome, state)
			}
			if outcome == payment.OutcomeUnknown { // the look-up tells
				does(t, p, answer(op.OperationID, payment.OutcomeSucceeded, "ref_1"), row[0])
			}
		}
	}
}
