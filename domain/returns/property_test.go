package returns_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"waybill/domain"
	"waybill/domain/money"
	"waybill/domain/returns"
)

// book is a second way of counting: it follows the units of a return by the events alone.
type book struct {
	lines    map[string]*counts
	terms    *returns.Approval
	over     bool
	fees     int64 // that refunds were reduced by
	shipping int64 // that refunds contained
	total    int64 // of all refunds
	amounts  int64 // of all refunded units
	refunds  map[string]bool
}

type counts struct {
	asked, expired, received, granted int64
	outcomes                          map[returns.Outcome]int64
	shelves, restocked                map[string]int64 // by location
}

// sum adds up the units with the outcomes that which wants.
func (c *counts) sum(which func(returns.Outcome) bool) (n int64) {
	for o, q := range c.outcomes {
		if which(o) {
			n += q
		}
	}
	return n
}

func (b *book) record(t *rapid.T, e returns.Event) {
	switch e := e.(type) {
	case returns.Requested:
		for _, l := range e.Lines {
			b.lines[l.ID] = &counts{asked: l.Quantity, outcomes: map[returns.Outcome]int64{}, shelves: map[string]int64{}, restocked: map[string]int64{}}
		}
	case returns.Approved:
		b.terms = &e.Approval
	case returns.ItemsReceived:
		for _, q := range e.Lines {
			b.lines[q.LineID].received += q.Quantity
		}
	case returns.ItemsInspected:
		for _, g := range e.Lines {
			b.lines[g.LineID].grade(g.Outcome, g.Location, g.Quantity)
		}
	case returns.ItemRegraded:
		b.lines[e.LineID].grade(e.From, e.Location, -e.Quantity)
		b.lines[e.LineID].grade(e.To, e.Location, e.Quantity)
	case returns.Restocked:
		for _, q := range e.Lines {
			b.lines[q.LineID].restocked[q.Location] += q.Quantity
		}
	case returns.RefundGranted:
		if b.refunds[e.RefundID] {
			t.Fatalf("refund %s is granted twice", e.RefundID)
		}
		b.refunds[e.RefundID] = true
		for _, q := range e.Lines {
			b.lines[q.LineID].granted += q.Quantity
			b.amounts += q.Amount.Minor
		}
		b.fees, b.shipping, b.total = b.fees+e.Fees.Minor, b.shipping+e.Shipping.Minor, b.total+e.Total.Minor
	case returns.Expired:
		for _, q := range e.Lines {
			b.lines[q.LineID].expired += q.Quantity
		}
	case returns.Declined, returns.Cancelled, returns.Closed:
		b.over = true
	case returns.LabelRequested, returns.LabelIssued, returns.LabelNotIssued, returns.LabelOutcomeUnknown, returns.InTransit,
		returns.UnexpectedItemsReceived, returns.ReplacementLinked, returns.ManualRefundRequired, returns.RecoveryRequired,
		returns.AnomalyDetected:
	}
}

func (c *counts) grade(o returns.Outcome, location string, n int64) {
	c.outcomes[o] += n
	if o == returns.OutcomeRestocked {
		c.shelves[location] += n
	}
}

// history asks for a return, sends it random commands, and calls after each event what check says, at every prefix of the log.
func history(t *rapid.T, check func(r *returns.Return, b *book, e returns.Event)) {
	r, now := new(returns.Return), t0
	b := &book{lines: map[string]*counts{}, refunds: map[string]bool{}}
	var log []returns.Event
	do := func(c returns.Command) {
		allowed := returns.Allowed(r)
		events, err := returns.Decide(r, c)
		if _, ok := errors.AsType[domain.Refusal](err); err != nil && !ok {
			t.Fatalf("%T: %v", c, err)
		}
		if len(events) > 0 && !slices.Contains(allowed, c.CommandType()) {
			t.Fatalf("%s was carried out, allowed are %v", c.CommandType(), allowed)
		}
		for _, e := range events {
			returns.Evolve(r, e)
			b.record(t, e)
			check(r, b, e)
			log = append(log, e)
		}
		if again, err := returns.Decide(r, c); len(events) > 0 && (len(again) > 0 || err != nil) {
			t.Fatalf("%T a second time: %v (%v)", c, again, err)
		}
	}
	do(drawRequest(t))
	if rapid.IntRange(0, 4).Draw(t, "approved at once") > 0 {
		do(drawApprove(t, r, now))
	}
	for n := range rapid.IntRange(1, 40).Draw(t, "commands") {
		now += domain.Time(rapid.Int64Range(0, 20).Draw(t, "pause"))
		do(drawCommand(t, r, n, now))
	}
	checkReplay(t, r, log)
}

func drawRequest(t *rapid.T) returns.Request {
	c := request()
	c.Resolution = rapid.SampledFrom([]returns.Resolution{returns.ResolutionRefund, returns.ResolutionExchange}).Draw(t, "resolution")
	c.Lines = nil
	for n := range rapid.IntRange(1, 3).Draw(t, "lines") {
		c.Lines = append(c.Lines, returns.Line{ID: fmt.Sprint("l", n), SKU: "S", Quantity: rapid.Int64Range(1, 5).Draw(t, "asked")})
	}
	return c
}

func drawApprove(t *rapid.T, r *returns.Return, now domain.Time) returns.Approve {
	a := returns.Approval{
		RMANumber: "RMA", Authorisation: returns.Authorisation{OrderID: r.OrderID, ReturnID: r.ID},
		Trigger:     rapid.SampledFrom([]returns.Trigger{returns.TriggerApproval, returns.TriggerReceipt, returns.TriggerInspection}).Draw(t, "trigger"),
		LabelPolicy: rapid.SampledFrom([]returns.LabelPolicy{returns.LabelNone, returns.LabelPrepaid}).Draw(t, "label"),
		ExpiresAt:   now + 100, RefundShipping: eur(rapid.Int64Range(0, 300).Draw(t, "shipping")),
		Refundable: rapid.SliceOfNDistinct(rapid.SampledFrom(finals()), 1, 5, rapid.ID).Draw(t, "refundable"),
	}
	for n := range rapid.IntRange(0, 2).Draw(t, "fees") {
		a.Fees = append(a.Fees, returns.Fee{ID: fmt.Sprint("f", n), Amount: eur(rapid.Int64Range(0, 900).Draw(t, "fee"))})
	}
	for i := range r.Lines {
		a.Authorisation.Lines = append(a.Authorisation.Lines, units(r.Lines[i].Line.ID, r.Lines[i].Units()))
	}
	switch rapid.IntRange(0, 9).Draw(t, "token") {
	case 0:
		a.Authorisation.OrderID = otherID
	case 1:
		a.Authorisation.ReturnID = "another"
	case 2:
		a.Authorisation.Lines = a.Authorisation.Lines[1:]
	case 3:
		a.Authorisation.Lines[0].Quantity = rapid.Int64Range(1, 6).Draw(t, "authorised")
	}
	return returns.Approve{ID: r.ID, Approval: a, Now: now}
}

func finals() []returns.Outcome {
	return slices.DeleteFunc(returns.Outcomes(), func(o returns.Outcome) bool { return !o.Final() })
}

func drawCommand(t *rapid.T, r *returns.Return, n int, now domain.Time) returns.Command {
	some := func(label string) []returns.LineQuantity {
		var lines []returns.LineQuantity
		for i := range r.Lines {
			if q := rapid.Int64Range(0, 3).Draw(t, label); q > 0 {
				lines = append(lines, units(r.Lines[i].Line.ID, q))
			}
		}
		return lines
	}
	id := fmt.Sprint("n", rapid.IntRange(max(0, n-2), n).Draw(t, "id")) // sometimes one that was used
	line := rapid.SampledFrom(r.Lines).Draw(t, "line").Line.ID
	place := rapid.SampledFrom([]string{"BER1", "MUC"}).Draw(t, "place")
	outcome := func() returns.Outcome { return rapid.SampledFrom(returns.Outcomes()).Draw(t, "outcome") }
	quantity := rapid.Int64Range(1, 4).Draw(t, "quantity")
	switch rapid.IntRange(0, 22).Draw(t, "command") {
	case 0:
		return drawApprove(t, r, now)
	case 1, 2, 3, 4:
		return returns.Receive{ID: r.ID, ReceiptID: id, Location: place, Lines: some("came"), Now: now}
	case 5, 6, 7, 8:
		c := returns.Inspect{ID: r.ID, InspectionID: id, Now: now}
		for _, q := range some("graded") {
			c.Lines = append(c.Lines, returns.Grade{LineID: q.LineID, Quantity: q.Quantity, Outcome: outcome()})
		}
		return c
	case 9, 10, 11:
		return returns.Regrade{ID: r.ID, RegradeID: id, LineID: line, Quantity: quantity, From: outcome(), To: outcome(), Now: now}
	case 12, 13, 14:
		return returns.RecordRestocked{ID: r.ID, RestockID: id, Lines: []returns.RestockLine{{LineID: line, Location: place, Quantity: quantity}}, Now: now}
	case 15, 16, 17:
		return drawRefund(t, r, id, some("refunded"), now)
	case 18:
		return returns.Expire{ID: r.ID, Deadline: now + domain.Time(rapid.Int64Range(-50, 50).Draw(t, "grace")), Now: now}
	case 19:
		return returns.Close{ID: r.ID, Now: now}
	case 20:
		return rapid.SampledFrom([]returns.Command{
			returns.Cancel{ID: r.ID, Now: now},
			returns.Decline{ID: r.ID, Now: now},
			returns.FlagManualRefund{ID: r.ID, FlagID: id, Reason: "no card", Now: now},
		}).Draw(t, "ending")
	case 21:
		return returns.LinkReplacement{ID: r.ID, OrderID: otherID, Total: eur(1500), ShipFirst: true, SecurityPayment: "p", Security: eur(900), Now: now}
	}
	return rapid.SampledFrom([]returns.Command{
		returns.RequestLabel{ID: r.ID, OperationID: id, Now: now},
		returns.RecordLabelOutcome{ID: r.ID, OperationID: id, Outcome: returns.LabelSucceeded, LabelRef: "L", Now: now},
		returns.RecordLabelOutcome{ID: r.ID, OperationID: id, Outcome: returns.LabelFailed, Now: now},
		returns.RecordTracking{ID: r.ID, Carrier: "dhl", TrackingNumber: id, Now: now},
	}).Draw(t, "outside")
}

// drawRefund draws a refund whose sums are right, mostly.
func drawRefund(t *rapid.T, r *returns.Return, id string, lines []returns.LineQuantity, now domain.Time) returns.RecordRefundGranted {
	if rapid.Bool().Draw(t, "as due") {
		lines = r.RefundDue().Lines
	}
	c := returns.RecordRefundGranted{ID: r.ID, RefundID: id, Shipping: eur(rapid.Int64Range(0, 200).Draw(t, "shipping")), Now: now}
	gross := c.Shipping.Minor
	for _, q := range lines {
		l := returns.RefundLine{LineID: q.LineID, Quantity: q.Quantity, Amount: eur(rapid.Int64Range(0, 1000).Draw(t, "amount"))}
		c.Lines = append(c.Lines, l)
		gross += l.Amount.Minor
	}
	c.Fees = r.FeesOn(eur(gross))
	c.Total = eur(gross - c.Fees.Minor)
	switch rapid.IntRange(0, 7).Draw(t, "wrong") {
	case 0:
		c.Fees.Minor = rapid.Int64Range(0, 1000).Draw(t, "fees")
		c.Total = eur(max(0, gross-c.Fees.Minor))
	case 1:
		c.Total.Minor = rapid.Int64Range(0, 3000).Draw(t, "total")
	}
	return c
}

// TestR1OnlyWhatTheOrderHandedOutIsApproved: an approval holds the order's authorisation for exactly the units of this return,
// and before it no unit gets an outcome, goes back into stock or is refunded.
func TestR1OnlyWhatTheOrderHandedOutIsApproved(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		history(t, func(r *returns.Return, b *book, e returns.Event) {
			if e, ok := e.(returns.Approved); ok {
				token := e.Approval.Authorisation
				if token.OrderID != r.OrderID || token.ReturnID != r.ID {
					t.Fatalf("approved with %+v", token)
				}
				authorised := map[string]int64{}
				for _, q := range token.Lines {
					authorised[q.LineID] += q.Quantity
				}
				for id, c := range b.lines {
					if authorised[id] != c.asked-c.expired {
						t.Fatalf("line %s: %d of %d units are authorised", id, authorised[id], c.asked-c.expired)
					}
				}
			}
			for id, c := range b.lines {
				if b.terms == nil && (len(c.outcomes) > 0 || len(c.restocked) > 0 || c.granted > 0) {
					t.Fatalf("line %s is not approved and has %+v", id, c)
				}
			}
		})
	})
}

// TestR2OutcomesNeverExceedWhatCameInOrWasAskedFor: units in hand ≤ received ≤ units, and outcomes ≤ units.
func TestR2OutcomesNeverExceedWhatCameInOrWasAskedFor(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		history(t, func(r *returns.Return, b *book, e returns.Event) {
			for id, c := range b.lines {
				inHand, all := c.sum(returns.Outcome.InHand), c.sum(func(returns.Outcome) bool { return true })
				if units := c.asked - c.expired; inHand > c.received || c.received > units || all > units {
					t.Fatalf("after %s line %s has %d units, %d received, %d of them graded, %d outcomes", e.EventType(), id, units, c.received, inHand, all)
				}
				for o, n := range c.outcomes {
					if l, _ := r.Line(id); n < 0 || l.Count(o) != n {
						t.Fatalf("line %s: %d units are %s, the book says %d", id, l.Count(o), o, n)
					}
				}
				if l, _ := r.Line(id); l.Received != c.received || l.Outstanding() < 0 || l.Outstanding() > l.Units()-c.received {
					t.Fatalf("line %s: %+v, the book says %+v", id, l, c)
				}
			}
		})
	})
}

// TestR3NoUnitIsRestockedTwice: what stock has taken at a location was graded for it, still is, and was never more than came in.
func TestR3NoUnitIsRestockedTwice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		history(t, func(r *returns.Return, b *book, e returns.Event) {
			var due int64
			for id, c := range b.lines {
				var taken int64
				for place, n := range c.restocked {
					if taken += n; n > c.shelves[place] {
						t.Fatalf("after %s stock at %s has %d units of line %s, %d are graded for it", e.EventType(), place, n, id, c.shelves[place])
					}
				}
				if taken > c.received {
					t.Fatalf("stock has %d units of line %s, %d came in", taken, id, c.received)
				}
				due += c.outcomes[returns.OutcomeRestocked] - taken
			}
			for _, q := range r.RestockDue() {
				due -= q.Quantity
			}
			if due != 0 {
				t.Fatalf("after %s units due for stock are off by %d", e.EventType(), due)
			}
		})
	})
}

// TestR4RefundsAddUpLessFees: a refund is the sum of its units' amounts and of promised delivery, less the fees, and no fee is
// left open while anything is paid.
func TestR4RefundsAddUpLessFees(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		history(t, func(r *returns.Return, b *book, e returns.Event) {
			if b.total != b.amounts+b.shipping-b.fees || r.Granted != eur(b.total) {
				t.Fatalf("%d were refunded for %d + %d − %d, the return says %s", b.total, b.amounts, b.shipping, b.fees, r.Granted)
			}
			if b.terms == nil {
				return
			}
			var fees int64
			for _, f := range b.terms.Fees {
				fees += f.Amount.Minor
			}
			if b.fees > fees || b.shipping > b.terms.RefundShipping.Minor || b.total < 0 || b.total > 0 && b.fees < fees {
				t.Fatalf("after %s: fees %d of %d, delivery %d of %s, in all %d", e.EventType(), b.fees, fees, b.shipping, b.terms.RefundShipping, b.total)
			}
		})
	})
}

// TestR5NoUnitIsRefundedTwice: when a refund is granted its units deserve it by the trigger, together with all granted before; and
// never are more granted than were asked for.
func TestR5NoUnitIsRefundedTwice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		history(t, func(_ *returns.Return, b *book, e returns.Event) {
			granted, ok := e.(returns.RefundGranted)
			if !ok {
				return
			}
			refunded := func(o returns.Outcome) bool { return slices.Contains(b.terms.Refundable, o) }
			for _, q := range granted.Lines {
				c := b.lines[q.LineID]
				var most int64
				switch b.terms.Trigger {
				case returns.TriggerApproval:
					most = c.asked - c.expired
				case returns.TriggerReceipt:
					most = c.received + c.sum(func(o returns.Outcome) bool { return !o.InHand() && refunded(o) }) -
						c.sum(func(o returns.Outcome) bool { return o.InHand() && o.Final() && !refunded(o) })
				case returns.TriggerInspection:
					most = c.sum(refunded)
				}
				most = min(most, c.asked-c.expired-c.sum(func(o returns.Outcome) bool { return o.Final() && !refunded(o) }))
				if c.granted > most || c.granted > c.asked {
					t.Fatalf("%d of %d units of line %s are refunded, %d deserve it by %s", c.granted, c.asked, q.LineID, most, b.terms.Trigger)
				}
			}
		})
	})
}

// TestFactsAreNeverRefused: whatever state a return is in, well-formed news from outside is recorded.
func TestFactsAreNeverRefused(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		history(t, func(r *returns.Return, _ *book, e returns.Event) {
			for _, c := range []returns.Command{
				returns.Receive{ID: r.ID, ReceiptID: "fresh", Location: "BER1", Lines: []returns.LineQuantity{units("l0", 2), units("unknown", 1)}, Now: t0},
				returns.RecordTracking{ID: r.ID, Carrier: "ups", TrackingNumber: "fresh", Now: t0},
				returns.RecordLabelOutcome{ID: r.ID, OperationID: "fresh", Outcome: returns.LabelSucceeded, LabelRef: "L", Now: t0},
			} {
				if events, err := returns.Decide(r, c); err != nil || len(events) == 0 {
					t.Fatalf("after %s: %s gives %v (%v)", e.EventType(), c.CommandType(), events, err)
				}
			}
		})
	})
}

// TestEveryReturnCanBeBroughtToAnEnd: from wherever it stands, doing what is due leads to a final status, and every unit that was
// paid for and did not deserve it is told exactly once.
func TestEveryReturnCanBeBroughtToAnEnd(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var last *returns.Return
		told := map[string]int64{}
		count := func(e returns.Event) {
			if e, ok := e.(returns.RecoveryRequired); ok {
				for _, q := range e.Lines {
					told[q.LineID] += q.Quantity
				}
			}
		}
		history(t, func(r *returns.Return, _ *book, e returns.Event) {
			last = r
			count(e)
		})
		for n := 0; !last.Status().Final(); n++ {
			if n > 60 {
				t.Fatalf("still %s, allowed are %v", last.Status(), returns.Allowed(last))
			}
			c := next(last, fmt.Sprint("end", n))
			events, err := returns.Decide(last, c)
			if err != nil || len(events) == 0 {
				t.Fatalf("%s on a return that is %s: %v (%v)", c.CommandType(), last.Status(), events, err)
			}
			for _, e := range events {
				returns.Evolve(last, e)
				count(e)
			}
		}
		for i := range last.Lines {
			l := &last.Lines[i]
			paid, deserved := l.Granted, l.Units()
			if last.Replacement != nil {
				paid = l.Line.Quantity // these ship first
			}
			for _, o := range l.Outcomes {
				if !slices.Contains(last.Approval.Refundable, o.Outcome) {
					deserved -= o.Quantity
				}
			}
			if s := last.Status(); s == returns.StatusDeclined || s == returns.StatusCancelled {
				deserved = 0
			}
			if want := max(0, paid-deserved); told[l.Line.ID] < want || told[l.Line.ID] > paid {
				t.Fatalf("line %s of a return that is %s: %d units paid, %d deserve it, %d are told", l.Line.ID, last.Status(), paid, deserved, told[l.Line.ID])
			}
		}
	})
}

// next returns what a process would do next with r.
func next(r *returns.Return, id string) returns.Command {
	const ever domain.Time = 1 << 60
	if r.Status() == returns.StatusRequested {
		return returns.Decline{ID: r.ID, Now: ever}
	}
	for i := range r.Lines {
		l := &r.Lines[i]
		name := l.Line.ID
		switch {
		case l.Count(returns.OutcomeProcessingRequired) > 0:
			return returns.Regrade{
				ID: r.ID, RegradeID: id, LineID: name, Quantity: 1, From: returns.OutcomeProcessingRequired, To: returns.OutcomeDamaged, Now: ever,
			}
		case l.Outstanding() > 0:
			return returns.Expire{ID: r.ID, Now: ever}
		case l.Units() > l.Graded():
			return returns.Inspect{ID: r.ID, InspectionID: id, Lines: []returns.Grade{{LineID: name, Quantity: 1, Outcome: returns.OutcomeMissing}}, Now: ever}
		}
	}
	if due := r.RestockDue(); len(due) > 0 {
		return returns.RecordRestocked{ID: r.ID, RestockID: id, Lines: due, Now: ever}
	}
	if due := r.RefundDue(); len(due.Lines) > 0 {
		c := returns.RecordRefundGranted{ID: r.ID, RefundID: id, Now: ever}
		for _, q := range due.Lines {
			c.Lines = append(c.Lines, returns.RefundLine{LineID: q.LineID, Quantity: q.Quantity, Amount: money.New(700, r.Currency)})
		}
		gross := money.New(700*int64(len(c.Lines)), r.Currency)
		c.Fees = r.FeesOn(gross)
		c.Total = money.New(gross.Minor-c.Fees.Minor, r.Currency)
		return c
	}
	return returns.Close{ID: r.ID, Now: ever}
}

// checkReplay folds the stored form of the log, from the start and from a snapshot in the middle, to the same state.
func checkReplay(t *rapid.T, want *returns.Return, log []returns.Event) {
	r := new(returns.Return)
	cut := rapid.IntRange(0, len(log)).Draw(t, "snapshot after")
	for n, e := range log {
		if n == cut {
			data, err := returns.EncodeSnapshot(r)
			if err != nil {
				t.Fatal(err)
			}
			if r, err = returns.DecodeSnapshot(returns.SnapshotSchema, data); err != nil {
				t.Fatal(err)
			}
		}
		typ, schema, data, err := returns.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		back, err := returns.Decode(typ, schema, data)
		if err != nil {
			t.Fatal(err)
		}
		returns.Evolve(r, back)
	}
	if !reflect.DeepEqual(snapshotBytes(t, r), snapshotBytes(t, want)) {
		t.Fatalf("replayed to\n%+v, want\n%+v", r, want)
	}
}

func snapshotBytes(t *rapid.T, r *returns.Return) []byte {
	data, err := returns.EncodeSnapshot(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
