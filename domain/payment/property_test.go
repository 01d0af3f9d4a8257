package payment_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"waybill/domain"
	"waybill/domain/payment"
)

// TestP1CapturesNeverExceedAuthorised: what is captured and asked to be captured stays within the authorisation and what the
// gateway allows beyond it, and the gateway is never asked for more.
func TestP1CapturesNeverExceedAuthorised(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		live(t, func(w *world, e payment.Event) {
			if _, ok := e.(payment.CaptureRequested); !ok {
				return
			}
			l := w.p.Ledger()
			most := l.Authorised.Minor + l.Authorised.Minor*w.terms.Capabilities.OverCaptureBasisPoints/10_000
			if got := l.Captured.Minor + l.CapturePending.Minor; got > most {
				t.Fatalf("captured and pending are %d of %d", got, most)
			}
		})
	})
}

// TestP2RefundsNeverExceedCaptured: pending, unknown and disputed money counts as gone.
func TestP2RefundsNeverExceedCaptured(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		live(t, func(w *world, e payment.Event) {
			if _, ok := e.(payment.RefundRequested); !ok {
				return
			}
			l := w.p.Ledger()
			if gone := l.Refunded.Minor + l.RefundPending.Minor + l.Disputed.Minor; gone > l.Captured.Minor {
				t.Fatalf("%d of %d are paid back, about to be, or disputed", gone, l.Captured.Minor)
			}
		})
	})
}

// TestP3VoidTakesOnlyWhatIsLeft: a void and a capture are never open at one time, and a void takes what nobody else claims.
func TestP3VoidTakesOnlyWhatIsLeft(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		live(t, func(w *world, e payment.Event) {
			l := w.p.Ledger()
			if v, ok := e.(payment.VoidRequested); ok && v.Amount.Minor > max(0, l.Authorised.Minor-l.Captured.Minor-l.CapturePending.Minor) {
				t.Fatalf("a void of %s, authorised %s, captured %s, capture pending %s", v.Amount, l.Authorised, l.Captured, l.CapturePending)
			}
			kinds := map[payment.OperationKind]bool{}
			for _, o := range w.p.Open() {
				kinds[o.Kind] = true
			}
			if kinds[payment.OperationCapture] && kinds[payment.OperationVoid] {
				t.Fatalf("a capture and a void are open: %+v", w.p.Open())
			}
		})
	})
}

// TestP4OneOperationOneEffect: whatever is lost, late and doubled, in the end the ledger is what the gateway did; and asking
// for an operation again causes nothing, or a conflict.
func TestP4OneOperationOneEffect(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := live(t, func(*world, payment.Event) {})
		l := w.p.Ledger()
		if l.Captured != eur(w.captured) || l.Refunded != eur(w.refunded) || l.Disputed != eur(w.disputed) {
			t.Fatalf("captured %s, refunded %s, disputed %s; the gateway says %d, %d, %d", l.Captured, l.Refunded, l.Disputed, w.captured, w.refunded, w.disputed)
		}
		if want := map[bool]int64{true: w.captured, false: w.authorised}[w.closed]; l.Authorised != eur(min(want, w.authorised)) {
			t.Fatalf("authorised %s, the gateway says %d (closed: %t)", l.Authorised, w.authorised, w.closed)
		}
		if open := w.p.Open(); len(open) > 0 {
			t.Fatalf("still open: %+v", open)
		}
		for _, e := range w.log {
			c, ok := e.(payment.CaptureRequested)
			if !ok {
				continue
			}
			again := payment.Capture{Target: w.target(), OperationID: c.OperationID, Amount: c.Amount, Final: c.Final}
			if got := verdict(payment.Decide(w.p, again)); got != "done" {
				t.Fatalf("asking again for %+v gives %s", c, got)
			}
			again.Amount.Minor++
			if got := verdict(payment.Decide(w.p, again)); got != "payment-operation-conflict" {
				t.Fatalf("asking for more under the id of %+v gives %s", c, got)
			}
		}
		replay(t, w)
	})
}

// replay folds the stored form of the log, from the start and from a snapshot in the middle, to the same state.
func replay(t *rapid.T, w *world) {
	p := new(payment.Payment)
	cut := rapid.IntRange(0, len(w.log)).Draw(t, "snapshot after")
	for n, e := range w.log {
		if n == cut {
			var err error
			if p, err = payment.DecodeSnapshot(payment.SnapshotSchema, snapshotOf(t, p)); err != nil {
				t.Fatal(err)
			}
		}
		typ, schema, data, err := payment.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		back, err := payment.Decode(typ, schema, data)
		if err != nil {
			t.Fatal(err)
		}
		payment.Evolve(p, back)
	}
	if !reflect.DeepEqual(p, w.p) {
		t.Fatalf("replayed to\n%+v, want\n%+v", p, w.p)
	}
}

// TestP5AnObjectHasOneAmount: an object of the gateway counts once, with the amount of the earliest word on it, and every other
// amount becomes an anomaly.
func TestP5AnObjectHasOneAmount(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := authorised(t, terms())
		first, amounts := map[string]payment.Fact{}, map[string]map[int64]bool{}
		for n := range rapid.IntRange(1, 12).Draw(t, "facts") {
			f := fact(fmt.Sprint("evt_", n), payment.FactCaptured, rapid.SampledFrom([]string{"ch_1", "ch_2"}).Draw(t, "ref"), "", rapid.Int64Range(1, 3).Draw(t, "amount"))
			f.OccurredAt += domain.Time(n) - 6*domain.Time(rapid.IntRange(0, 1).Draw(t, "earlier"))
			do(t, p, f)
			old, known := first[f.ObjectRef]
			if !known {
				amounts[f.ObjectRef] = map[int64]bool{}
			}
			if !known || f.OccurredAt < old.OccurredAt || f.OccurredAt == old.OccurredAt && f.Amount.Minor < old.Amount.Minor {
				first[f.ObjectRef] = f.Fact
			}
			amounts[f.ObjectRef][f.Amount.Minor] = true
		}
		var sum int64
		for ref, f := range first {
			sum += f.Amount.Minor
			conflict := slices.ContainsFunc(p.Anomalies, func(a payment.Anomaly) bool {
				return a.Kind == payment.AnomalyAmountConflict && a.ObjectRef == ref
			})
			if conflict != (len(amounts[ref]) > 1) {
				t.Fatalf("%s was told with the amounts %v, the anomalies are %+v", ref, amounts[ref], p.Anomalies)
			}
		}
		if got := p.Ledger().Captured; got != eur(sum) {
			t.Fatalf("captured %s, the earliest words add up to %d", got, sum)
		}
	})
}

// drawFact draws a fact of any kind, about few objects and operations, at few moments, so that they meet.
func drawFact(t *rapid.T, n int) payment.RecordFact {
	f := payment.Fact{
		GatewayEventID: fmt.Sprint("evt_", n),
		Kind:           rapid.SampledFrom(payment.FactKinds()).Draw(t, "kind"),
		ObjectRef:      rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "ref"),
		OperationID:    rapid.SampledFrom([]string{"", "", "op-1", "op-2", "op-3", "op-5", "op-6", "op-9"}).Draw(t, "operation"),
		Amount:         eur(rapid.Int64Range(1, 5).Draw(t, "amount")), Total: eur(0),
		OccurredAt: t0 + domain.Time(rapid.IntRange(1, 6).Draw(t, "at")),
		Final:      rapid.Bool().Draw(t, "final"), Code: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "code"),
		CaptureBefore: t0 + domain.Time(rapid.IntRange(10, 12).Draw(t, "before")), EvidenceBy: t0 + domain.Time(rapid.IntRange(10, 12).Draw(t, "evidence")),
		Retryable: rapid.Bool().Draw(t, "retryable"), ActionRef: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "action"),
	}
	f.DisputeOutcome = payment.DisputeWon
	if f.Kind == payment.FactDisputeClosed && rapid.Bool().Draw(t, "lost") {
		f.DisputeOutcome = payment.DisputeLost
	}
	if f.Kind == payment.FactCaptured || f.Kind == payment.FactRefunded {
		f.Total = eur(rapid.Int64Range(0, 12).Draw(t, "total"))
		if f.Total.Minor > 0 && rapid.Bool().Draw(t, "only") {
			f.Amount = eur(0)
		}
	}
	if f.Kind == payment.FactVoided && rapid.Bool().Draw(t, "all") {
		f.Amount = eur(0)
	}
	return payment.RecordFact{Target: to(20), Fact: f}
}

// TestP6AnyOrderAnyNumber: any facts, also such as contradict each other, in any order and any number, give one ledger.
func TestP6AnyOrderAnyNumber(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		begin := func() *payment.Payment {
			p := authorised(t, terms())
			do(t, p, capture("op-4", 9), answer("op-4", payment.OutcomeSucceeded, "ch_4"))
			do(t, p, capture("op-2", 3), capture("op-3", 4), refund("op-5", 2), refund("op-6", 3))
			return p
		}
		var facts []payment.RecordFact
		for n := range rapid.IntRange(1, 10).Draw(t, "facts") {
			facts = append(facts, drawFact(t, n))
		}
		one := arrive(t, begin(), facts)
		for n := range facts { // told again in another message
			again := facts[n]
			again.GatewayEventID += "b"
			facts = append(facts, facts[n], again)
		}
		two := arrive(t, begin(), rapid.Permutation(facts).Draw(t, "order"))
		for _, o := range one.Operations {
			_, a, _ := one.Operation(o.ID)
			if _, b, _ := two.Operation(o.ID); a != b {
				t.Fatalf("%s %s is %s, in another order %s", o.Kind, o.ID, a, b)
			}
		}
		if one.Ledger() != two.Ledger() || one.Status() != two.Status() || !reflect.DeepEqual(one.Open(), two.Open()) {
			t.Fatalf("%s, %+v\nin another order %s, %+v", one.Status(), one.Ledger(), two.Status(), two.Ledger())
		}
		one.Seen, two.Seen, one.Anomalies, two.Anomalies, one.UpdatedAt, two.UpdatedAt = nil, nil, nil, nil, 0, 0
		if !reflect.DeepEqual(one, two) {
			t.Fatalf("%+v\nin another order\n%+v", one, two)
		}
	})
}

func arrive(tb failer, p *payment.Payment, facts []payment.RecordFact) *payment.Payment {
	for _, f := range facts {
		events, err := payment.Decide(p, f)
		if err != nil {
			tb.Fatal(err)
		}
		for _, e := range events {
			payment.Evolve(p, e)
		}
	}
	return p
}

// TestP7FinalLetsGoOfTheRest: after a final capture, or any at a gateway that captures once, nothing is left.
func TestP7FinalLetsGoOfTheRest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		final := map[string]bool{}
		live(t, func(w *world, e payment.Event) {
			if c, ok := e.(payment.CaptureRequested); ok && (c.Final || !w.terms.Capabilities.MultiCapture) {
				final[c.OperationID] = true
				if l := w.p.Ledger(); !c.Final && c.Amount.Minor < l.Authorised.Minor {
					t.Fatalf("%s of %s would be lost without anybody having asked for that", c.Amount, l.Authorised)
				}
			}
			for id := range final {
				if _, state, _ := w.p.Operation(id); state != payment.StateSucceeded {
					continue
				}
				if l := w.p.Ledger(); l.Capturable.Minor+l.Voidable.Minor > 0 || l.Authorised.Minor > l.Captured.Minor {
					t.Fatalf("after the final capture %s: %+v", id, l)
				}
			}
		})
	})
}

// TestP8NoRefundDuringADispute: unless somebody overrides that.
func TestP8NoRefundDuringADispute(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		live(t, func(w *world, e payment.Event) {
			if r, ok := e.(payment.RefundRequested); ok && w.p.InDispute() && !r.Override {
				t.Fatalf("%s is paid back during a dispute", r.Amount)
			}
		})
	})
}
