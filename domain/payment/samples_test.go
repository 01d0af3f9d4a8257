package payment_test

import (
	"errors"
	"strings"
	"time"

	"waybill/domain"
	"waybill/domain/money"
	"waybill/domain/payment"
)

// t0 is when the payments of these tests are initiated.
var t0 = domain.TimeOf(time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC))

const paymentID payment.ID = "0198c0de-0000-7000-8000-000000000002"

// day is long for a payment.
const day = domain.Time(24 * time.Hour / time.Microsecond)

func eur(minor int64) money.Money { return money.New(minor, "EUR") }

// to targets the payment of these tests, n microseconds after it was initiated.
func to(n domain.Time) payment.Target { return payment.Target{ID: paymentID, Now: t0 + n} }

// terms returns a card payment of 30 euros at a gateway that can do everything but capture more than was authorised.
func terms() payment.Terms {
	return payment.Terms{
		OrderID: "o-1", Gateway: "sandbox", Method: "card", Amount: eur(3000), CaptureMode: payment.CaptureManual,
		ReturnURL:    "https://shop.example/back",
		Capabilities: payment.Capabilities{MultiCapture: true, PartialVoid: true, IncrementalAuth: true, KeyLifetimeSeconds: 86_400},
	}
}

// single returns the terms at a gateway that captures once, and voids only as a whole.
func single() payment.Terms {
	t := terms()
	t.Capabilities = payment.Capabilities{}
	return t
}

// samples returns one of every event, with every field set that it may have.
func samples() []payment.Event {
	head := payment.Head{OrderID: "o-1", Gateway: "sandbox", At: t0 + 1}
	t := terms()
	t.Capabilities.OverCaptureBasisPoints, t.Capabilities.ReplaysErrors = 1500, true
	report := func(kind payment.FactKind, ref, operation string, amount int64) payment.Report {
		return payment.Report{Head: head, Change: eur(amount), Fact: payment.Fact{
			Kind: kind, GatewayEventID: "evt_" + string(kind), ObjectRef: ref, OperationID: operation, Amount: eur(amount), Total: eur(0),
			OccurredAt: t0,
		}}
	}
	with := func(r payment.Report, change func(*payment.Report)) payment.Report {
		change(&r)
		return r
	}
	declined := func(r *payment.Report) { r.Code, r.Retryable = "insufficient_funds", true }
	conflict := report(payment.FactCaptured, "ch_1", "op-2", 999)
	conflict.Note, conflict.Total = domain.NewPersonal("Ada paid"), eur(2000)
	offline := with(report(payment.FactCaptured, "ch_1", "op-2", 1000), func(r *payment.Report) {
		r.Total, r.Final, r.Offline, r.Note = eur(1000), true, true, domain.NewPersonal("Ada Lovelace, by transfer")
		r.FulfilmentID = "f-1"
	})
	paidBack := func(r *payment.Report) { r.OperationInferred, r.RefundID = true, "r-1" }
	return []payment.Event{
		payment.Initiated{Head: head, PaymentID: paymentID, Terms: t},
		payment.AuthorisationRequested{Head: head, OperationID: "op-1", Amount: eur(3000)},
		payment.ActionRequired(with(report(payment.FactActionRequired, "pi_1", "op-1", 3000), func(r *payment.Report) {
			r.ActionRef, r.ActionExpiresAt = "https://bank.example/3ds", t0+day
		})),
		payment.AuthorisationFailed(with(report(payment.FactAuthorisationFailed, "pi_0", "op-0", 3000), declined)),
		payment.Authorised(with(report(payment.FactAuthorised, "pi_1", "op-1", 3000), func(r *payment.Report) { r.CaptureBefore = t0 + 7*day })),
		payment.AdjustmentRequested{Head: head, OperationID: "op-a", Amount: eur(3500)},
		payment.AuthorisationAdjusted(with(report(payment.FactAuthorisationAdjusted, "pi_1", "op-a", 3500), func(r *payment.Report) { r.CaptureBefore = t0 + 8*day })),
		payment.AdjustmentFailed(with(report(payment.FactAdjustmentFailed, "pi_1", "op-b", 4000), declined)),
		payment.CaptureRequested{Head: head, OperationID: "op-2", Amount: eur(1000), FulfilmentID: "f-1", Final: true},
		payment.OperationOutcomeUnknown{Head: head, OperationID: "op-2", Kind: payment.OperationCapture, Amount: eur(1000)},
		payment.OperationPending(report(payment.FactCapturePending, "ch_1", "op-2", 1000)),
		payment.Captured(offline),
		payment.OperationMatched(report(payment.FactCaptured, "ch_1", "op-2", 1000)),
		payment.CaptureFailed(with(report(payment.FactCaptureFailed, "ch_2", "op-3", 1000), declined)),
		payment.FactIgnored{Report: with(offline, func(r *payment.Report) { r.Change = eur(0) }), Reason: payment.IgnoreDuplicate},
		payment.AnomalyDetected{Report: conflict, Anomaly: payment.AnomalyAmountConflict, Expected: eur(1000)},
		payment.VoidRequested{Head: head, OperationID: "op-4", Amount: eur(2000), All: true},
		payment.VoidFailed(with(report(payment.FactVoidFailed, "vo_0", "op-3", 1000), declined)),
		payment.Voided(report(payment.FactVoided, "vo_1", "op-4", 2000)),
		payment.AuthorisationExpired(report(payment.FactAuthorisationExpired, "pi_1", "", 0)),
		payment.RefundRequested{Head: head, OperationID: "op-5", RefundID: "r-1", Amount: eur(400), Override: true},
		payment.Refunded(with(report(payment.FactRefunded, "re_1", "op-5", 400), paidBack)),
		payment.RefundReversed(with(with(report(payment.FactRefundReversed, "re_1", "op-5", 400), declined), paidBack)),
		payment.RefundFailed(with(with(report(payment.FactRefundFailed, "re_2", "op-6", 400), declined), paidBack)),
		payment.DisputeOpened(with(report(payment.FactDisputeOpened, "dp_1", "", 600), func(r *payment.Report) {
			r.Code, r.EvidenceBy = "fraudulent", t0+9*day
		})),
		payment.DisputeFundsWithdrawn(report(payment.FactDisputeFundsWithdrawn, "dp_1", "", 600)),
		payment.DisputeFundsReinstated(report(payment.FactDisputeFundsReinstated, "dp_1", "", 600)),
		payment.DisputeClosed(with(report(payment.FactDisputeClosed, "dp_1", "", 0), func(r *payment.Report) { r.DisputeOutcome = payment.DisputeWon })),
		payment.Reconciled{
			Head:     head,
			Snapshot: payment.Snapshot{AsOf: t0, Authorised: eur(1000), Captured: eur(1000), Refunded: eur(0), Disputed: eur(0)},
			Diffs:    []payment.Diff{{Field: "refunded", Ledger: eur(400), Gateway: eur(0)}},
		},
	}
}

// failer is a test, or a property.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// do carries out commands that must not be refused, and returns the events of the last one.
func do(tb failer, p *payment.Payment, commands ...payment.Command) (events []payment.Event) {
	tb.Helper()
	for _, c := range commands {
		var err error
		if events, err = payment.Decide(p, c); err != nil {
			tb.Fatalf("%s: %v", c.CommandType(), err)
		}
		for _, e := range events {
			payment.Evolve(p, e)
		}
	}
	return events
}

// begun returns a payment with these terms and nothing more.
func begun(tb failer, t payment.Terms) *payment.Payment {
	tb.Helper()
	p := new(payment.Payment)
	do(tb, p, payment.Initiate{Target: to(0), Terms: t})
	return p
}

// verdict names what a decision came to: the types of its events, "done", or the code of its refusal.
func verdict(events []payment.Event, err error) string {
	if err != nil {
		if r, ok := errors.AsType[domain.Refusal](err); ok {
			return r.RefusalCode()
		}
		return "fault: " + err.Error()
	}
	if len(events) == 0 {
		return "done"
	}
	names := make([]string, len(events))
	for i, e := range events {
		names[i] = strings.TrimPrefix(e.EventType(), "payment.")
		if a, ok := e.(payment.AnomalyDetected); ok {
			names[i] = "!" + string(a.Anomaly)
		}
		if f, ok := e.(payment.FactIgnored); ok {
			names[i] = "ignored:" + string(f.Reason)
		}
	}
	return strings.Join(names, " ")
}

// does sends a command, folds what it causes, and holds it to what it should come to.
func does(tb failer, p *payment.Payment, c payment.Command, want string) {
	tb.Helper()
	events, err := payment.Decide(p, c)
	if got := verdict(events, err); got != want {
		tb.Fatalf("%s %+v gives %q (%v), want %q", c.CommandType(), c, got, err, want)
	}
	for _, e := range events {
		payment.Evolve(p, e)
	}
}

// holds compares a payment with what it should be: authorised, captured, refunded, disputed; all that is pending; the status.
func holds(tb failer, p *payment.Payment, status payment.Status, authorised, captured, refunded, disputed int64) {
	tb.Helper()
	l := p.Ledger()
	if p.Status() != status || l.Authorised != eur(authorised) || l.Captured != eur(captured) || l.Refunded != eur(refunded) || l.Disputed != eur(disputed) {
		tb.Fatalf("%s, authorised %s, captured %s, refunded %s, disputed %s; want %s, %d, %d, %d, %d",
			p.Status(), l.Authorised, l.Captured, l.Refunded, l.Disputed, status, authorised, captured, refunded, disputed)
	}
}

// Short forms of what these tests send.

func authorise(op string) payment.Command {
	return payment.Authorise{Target: to(1), OperationID: op}
}

func capture(op string, amount int64) payment.Capture {
	return payment.Capture{Target: to(3), OperationID: op, Amount: eur(amount)}
}

func void(op string, amount int64) payment.Command {
	return payment.Void{Target: to(3), OperationID: op, Amount: eur(amount)}
}

func refund(op string, amount int64) payment.Refund {
	return payment.Refund{Target: to(5), OperationID: op, RefundID: "r-" + op, Amount: eur(amount)}
}

// answer is what the gateway answered to an operation.
func answer(op string, o payment.Outcome, ref string) payment.RecordOutcome {
	return payment.RecordOutcome{Target: to(6), OperationID: op, Outcome: o, GatewayRef: ref}
}

// fact is a message of the gateway.
func fact(event string, kind payment.FactKind, ref, op string, amount int64) payment.RecordFact {
	return payment.RecordFact{Target: to(7), Fact: payment.Fact{
		GatewayEventID: event, Kind: kind, ObjectRef: ref, OperationID: op, Amount: eur(amount), OccurredAt: t0 + 2,
	}}
}

// authorised returns a payment of which everything is authorised.
func authorised(tb failer, t payment.Terms) *payment.Payment {
	tb.Helper()
	p := begun(tb, t)
	do(tb, p, authorise("op-1"), answer("op-1", payment.OutcomeSucceeded, "pi_1"))
	return p
}

// captured returns a payment of which that much is captured.
func captured(tb failer, amount int64) *payment.Payment {
	tb.Helper()
	p := authorised(tb, terms())
	do(tb, p, capture("op-2", amount), answer("op-2", payment.OutcomeSucceeded, "ch_1"))
	return p
}
