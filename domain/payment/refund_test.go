package payment_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"waybill/domain"
	"waybill/domain/payment"
)

// refunding returns a payment of which 3000 are captured, with an open refund op-3 of 1000.
func refunding(tb failer) *payment.Payment {
	tb.Helper()
	p := captured(tb, 3000)
	do(tb, p, refund("op-3", 1000))
	return p
}

// said is what the gateway says of the refund op-3 at a moment: in a message about a reference, or without one in an answer.
func said(kind payment.FactKind, ref string, at domain.Time) payment.Command {
	if ref == "" {
		return payment.RecordOutcome{Target: to(100 + at), OperationID: "op-3", Outcome: payment.OutcomeFailed, OccurredAt: t0 + at, Code: "x"}
	}
	f := fact(fmt.Sprint("evt_", kind, ref, at), kind, ref, "op-3", 1000)
	f.OccurredAt = t0 + at
	return f
}

// TestRefundLastWordCounts: a refund is paid unless it came back, or failed at or after the moment at which it was done, by the
// gateway's clock. The operation stands as the money does, whatever is heard first.
func TestRefundLastWordCounts(t *testing.T) {
	t.Parallel()
	const done, failed, reversed = payment.FactRefunded, payment.FactRefundFailed, payment.FactRefundReversed
	tests := map[string]struct {
		said     []payment.Command
		refunded int64
		state    payment.OperationState
	}{
		"failed, then done":                      {[]payment.Command{said(failed, "re_1", 10), said(done, "re_1", 20)}, 1000, payment.StateSucceeded},
		"failed without a reference, then done":  {[]payment.Command{said(failed, "", 10), said(done, "re_1", 20)}, 1000, payment.StateSucceeded},
		"done, failed without a reference after": {[]payment.Command{said(done, "re_1", 10), said(failed, "", 20)}, 1000, payment.StateSucceeded},
		"done, then failed":                      {[]payment.Command{said(done, "re_1", 10), said(failed, "re_1", 20)}, 0, payment.StateReversed},
		"done and failed at one moment":          {[]payment.Command{said(done, "re_1", 10), said(failed, "re_1", 10)}, 0, payment.StateReversed},
		"done, failed, done after all":           {[]payment.Command{said(done, "re_1", 10), said(failed, "re_1", 20), said(done, "re_1", 30)}, 1000, payment.StateSucceeded},
		"failed, done, and failed again":         {[]payment.Command{said(failed, "re_1", 10), said(done, "re_1", 20), said(failed, "re_1", 30)}, 0, payment.StateReversed},
		"one failed, another is done":            {[]payment.Command{said(failed, "re_1", 20), said(done, "re_2", 10)}, 1000, payment.StateSucceeded},
		"done, and back":                         {[]payment.Command{said(done, "re_1", 20), said(reversed, "re_1", 10)}, 0, payment.StateReversed},
		"failed":                                 {[]payment.Command{said(failed, "re_1", 10), said(failed, "", 20)}, 0, payment.StateFailed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			forward, backward := slices.Clone(tt.said), slices.Clone(tt.said)
			slices.Reverse(backward)
			for _, told := range [][]payment.Command{forward, backward} {
				p := refunding(t)
				do(t, p, told...)
				l := p.Ledger()
				if _, state, _ := p.Operation("op-3"); l.Refunded != eur(tt.refunded) || l.Refundable != eur(3000-tt.refunded) || state != tt.state {
					t.Errorf("refunded %s, refundable %s, the operation is %s; want %d and %s", l.Refunded, l.Refundable, state, tt.refunded, tt.state)
				}
				want := map[bool]string{true: "amount-exceeds-captured", false: "refund_requested"}[tt.refunded > 0]
				does(t, p, refund("op-4", 3000), want)
			}
		})
	}
}

// TestRefundContradictionsAreTold: done after it failed, whichever is heard first, and failed for good what was done.
func TestRefundContradictionsAreTold(t *testing.T) {
	t.Parallel()
	const done, failed, reversed = payment.FactRefunded, payment.FactRefundFailed, payment.FactRefundReversed
	tests := map[string]struct {
		said [2]payment.Command
		want [2]string
	}{
		"failed, then done":       {[2]payment.Command{said(failed, "re_1", 10), said(done, "re_1", 20)}, [2]string{"refund_failed", "refunded !outcome_contradicted"}},
		"… heard in reverse":      {[2]payment.Command{said(done, "re_1", 20), said(failed, "re_1", 10)}, [2]string{"refunded", "!outcome_contradicted"}},
		"done, then failed":       {[2]payment.Command{said(done, "re_1", 10), said(failed, "re_1", 20)}, [2]string{"refunded", "refund_failed"}},
		"… as heard in reverse":   {[2]payment.Command{said(failed, "re_1", 20), said(done, "re_1", 10)}, [2]string{"refund_failed", "ignored:stale"}},
		"done, failed for good":   {[2]payment.Command{said(done, "re_1", 10), said(failed, "", 20)}, [2]string{"refunded", "!outcome_contradicted"}},
		"back before it was done": {[2]payment.Command{said(reversed, "re_1", 20), said(done, "re_1", 10)}, [2]string{"refund_reversed", "ignored:stale"}},
		"done after it came back": {[2]payment.Command{said(reversed, "re_1", 10), said(done, "re_1", 20)}, [2]string{"refund_reversed", "!outcome_contradicted"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := refunding(t)
			for n, c := range tt.said {
				does(t, p, c, tt.want[n])
				does(t, p, c, "done")
			}
		})
	}
}

// TestRefundAnswerWithoutAClock: an answer that is told again is no later word than the first time.
func TestRefundAnswerWithoutAClock(t *testing.T) {
	t.Parallel()
	again := func(o payment.Outcome, at domain.Time) payment.Command {
		return payment.RecordOutcome{Target: to(at), OperationID: "op-3", Outcome: o, GatewayRef: "re_1"}
	}
	p := refunding(t)
	does(t, p, again(payment.OutcomeSucceeded, 10), "refunded")
	does(t, p, said(payment.FactRefundFailed, "re_1", 20), "refund_failed")
	does(t, p, again(payment.OutcomeSucceeded, 30), "done")
	holds(t, p, payment.StatusCaptured, 3000, 3000, 0, 0)

	p = refunding(t)
	does(t, p, again(payment.OutcomeFailed, 10), "refund_failed")
	does(t, p, said(payment.FactRefunded, "re_1", 20), "refunded !outcome_contradicted")
	does(t, p, again(payment.OutcomeFailed, 30), "done")
	holds(t, p, payment.StatusPartiallyRefunded, 3000, 3000, 1000, 0)

	p = refunding(t) // a later word with a clock counts, also if it seems to say nothing new
	does(t, p, said(payment.FactRefunded, "re_1", 10), "refunded")
	does(t, p, payment.RecordOutcome{Target: to(90), OperationID: "op-3", Outcome: payment.OutcomeSucceeded, GatewayRef: "re_1", OccurredAt: t0 + 30}, "ignored:duplicate")
	does(t, p, said(payment.FactRefundFailed, "re_1", 20), "!outcome_contradicted")
	holds(t, p, payment.StatusPartiallyRefunded, 3000, 3000, 1000, 0)
}

// TestRefundsStandByTheLastWord: what is paid back is what the last words on each reference add up to, after any facts in any
// order, and no event says refunded of what is not.
func TestRefundsStandByTheLastWord(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := refunding(t)
		doneAt, failedAt, reversed := map[string]domain.Time{}, map[string]domain.Time{}, map[string]bool{}
		stands := func(ref string) bool { return doneAt[ref] > failedAt[ref] && !reversed[ref] }
		for n := range rapid.IntRange(1, 12).Draw(t, "facts") {
			kind := rapid.SampledFrom([]payment.FactKind{
				payment.FactRefunded, payment.FactRefunded, payment.FactRefundFailed, payment.FactRefundFailed, payment.FactRefundReversed,
			}).Draw(t, "kind")
			ref := rapid.SampledFrom([]string{"re_1", "re_2"}).Draw(t, "ref")
			f := fact(fmt.Sprint("evt_", n), kind, ref, rapid.SampledFrom([]string{"", "op-3"}).Draw(t, "operation"), 1000)
			f.OccurredAt = t0 + domain.Time(rapid.IntRange(1, 6).Draw(t, "at"))
			events := do(t, p, f)
			if kind == payment.FactRefunded {
				doneAt[ref] = max(doneAt[ref], f.OccurredAt)
			}
			if kind == payment.FactRefundFailed {
				failedAt[ref] = max(failedAt[ref], f.OccurredAt)
			}
			reversed[ref] = reversed[ref] || kind == payment.FactRefundReversed
			if strings.HasPrefix(verdict(events, nil), "refunded") && !stands(ref) {
				t.Fatalf("%+v gives %s, and it is not paid back", f, verdict(events, nil))
			}
		}
		var want int64
		for _, ref := range []string{"re_1", "re_2"} {
			if stands(ref) {
				want += 1000
			}
		}
		if got := p.Ledger().Refunded; got != eur(want) {
			t.Fatalf("refunded %s, want %d: done %v, failed %v, back %v", got, want, doneAt, failedAt, reversed)
		}
		if _, state, _ := p.Operation("op-3"); state == payment.StateSucceeded && want == 0 {
			t.Fatalf("the operation is %s, and nothing is paid back", state)
		}
	})
}

// reportOf returns the report that an event is, if it is one.
func reportOf(tb failer, events []payment.Event) payment.Report {
	tb.Helper()
	if len(events) != 1 {
		tb.Fatalf("%d events, want one: %s", len(events), verdict(events, nil))
	}
	v, report := reflect.ValueOf(events[0]), reflect.TypeFor[payment.Report]()
	if !v.CanConvert(report) { // an event that says more than its report
		v = v.FieldByName("Report")
	}
	r, ok := reflect.TypeAssert[payment.Report](v.Convert(report))
	if !ok {
		tb.Fatalf("%T has no report", events[0])
	}
	return r
}

// TestReportsSayWhatTheyAreFor: also of a message that names no operation, if that of its object is known.
func TestReportsSayWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	const done, failed, reversed = payment.FactRefunded, payment.FactRefundFailed, payment.FactRefundReversed
	later := func(event string, kind payment.FactKind, ref, op string, amount int64, at domain.Time) payment.RecordFact {
		f := fact(event, kind, ref, op, amount)
		f.OccurredAt = t0 + at
		return f
	}
	shipped := capture("op-2", 3000)
	shipped.FulfilmentID = "f-1"
	shop := []payment.Command{shipped, later("evt_1", payment.FactCaptured, "ch_1", "op-2", 3000, 10), refund("op-3", 1000)}
	paid := append(shop[:3:3], later("evt_2", done, "re_1", "op-3", 1000, 20))
	tests := map[string]struct {
		given    []payment.Command
		when     payment.Command
		want     string
		op       string
		inferred bool
		refund   string
		ship     string
	}{
		"captured":                            {shop[:1], shop[1], "captured", "op-2", false, "", "f-1"},
		"captured, from the object":           {shop[:2], later("evt_9", payment.FactCaptured, "ch_1", "", 3000, 10), "ignored:duplicate", "op-2", true, "", "f-1"},
		"captured otherwise, from the object": {shop[:2], later("evt_9", payment.FactCaptured, "ch_1", "", 2000, 11), "!amount_conflict", "op-2", true, "", "f-1"},
		"capture failed":                      {shop[:1], answer("op-2", payment.OutcomeFailed, "ch_1"), "capture_failed", "op-2", false, "", "f-1"},
		"pending":                             {shop, answer("op-3", payment.OutcomePending, "re_1"), "operation_pending", "op-3", false, "r-op-3", ""},
		"done":                                {shop, paid[3], "refunded", "op-3", false, "r-op-3", ""},
		"done, from the object":               {append(shop[:3:3], answer("op-3", payment.OutcomePending, "re_1")), later("evt_9", done, "re_1", "", 1000, 20), "refunded", "op-3", true, "r-op-3", ""},
		"done, and not known for what":        {shop, later("evt_9", done, "re_1", "", 1000, 20), "refunded", "", false, "", ""},
		"matched":                             {append(shop[:3:3], later("evt_9", done, "re_1", "", 1000, 20)), answer("op-3", payment.OutcomeSucceeded, "re_1"), "operation_matched", "op-3", false, "r-op-3", ""},
		"failed":                              {paid, later("evt_9", failed, "re_1", "op-3", 1000, 30), "refund_failed", "op-3", false, "r-op-3", ""},
		"failed, from the object":             {paid, later("evt_9", failed, "re_1", "", 1000, 30), "refund_failed", "op-3", true, "r-op-3", ""},
		"failed, naming the capture":          {paid, later("evt_9", failed, "re_1", "op-2", 1000, 30), "refund_failed", "op-3", true, "r-op-3", ""},
		"back, from the object":               {paid, later("evt_9", reversed, "re_1", "", 1000, 30), "refund_reversed", "op-3", true, "r-op-3", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := authorised(t, terms())
			do(t, p, tt.given...)
			events, err := payment.Decide(p, tt.when)
			if got := verdict(events, err); got != tt.want {
				t.Fatalf("gives %q, want %q", got, tt.want)
			}
			if r := reportOf(t, events); r.OperationID != tt.op || r.OperationInferred != tt.inferred || r.RefundID != tt.refund || r.FulfilmentID != tt.ship {
				t.Errorf("operation %q (inferred: %t), refund %q, fulfilment %q", r.OperationID, r.OperationInferred, r.RefundID, r.FulfilmentID)
			}
		})
	}
}
