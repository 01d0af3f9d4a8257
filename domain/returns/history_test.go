package returns_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"pgregory.net/rapid"

	"waybill/domain"
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
			if e.Order() != orderID {
				t.Fatalf("%s is of order %q", e.EventType(), e.Order())
			}
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
