package returns_test

import (
	"math"
	"reflect"
	"testing"

	"waybill/domain"
	"waybill/domain/money"
	"waybill/domain/returns"
)

// refund returns a command that states what it comes to.
func refund(r *returns.Return, id string, shipping money.Money, lines ...returns.RefundLine) returns.RecordRefundGranted {
	gross := shipping
	for _, l := range lines {
		gross.Minor += l.Amount.Minor
	}
	fees := r.FeesOn(gross)
	return returns.RecordRefundGranted{
		ID: returnID, RefundID: id, Lines: lines, Shipping: shipping, Fees: fees, Total: eur(gross.Minor - fees.Minor), Now: t0 + 5,
	}
}

func amount(line string, n, minor int64) returns.RefundLine {
	return returns.RefundLine{LineID: line, Quantity: n, Amount: eur(minor)}
}

func TestRestocks(t *testing.T) {
	t.Parallel()
	now := t0 + 5
	shelf := func(id, place string, n int64) returns.RecordRestocked {
		return returns.RecordRestocked{ID: returnID, RestockID: id, Lines: []returns.RestockLine{{LineID: "1", Location: place, Quantity: n}}, Now: now}
	}
	took := func(id, place string, n int64) returns.Event {
		return returns.Restocked{RestockID: id, Lines: []returns.RestockLine{{LineID: "1", SKU: "SHIRT", Location: place, Quantity: n}}, Head: at(now)}
	}
	given := []returns.Event{
		requested(t), approved(terms()), received("r1", units("1", 3)),
		graded("i1", returns.Grade{LineID: "1", Quantity: 2, Outcome: returns.OutcomeRestocked, Location: "BER1"},
			returns.Grade{LineID: "1", Quantity: 1, Outcome: returns.OutcomeRestocked, Location: "MUC"}),
	}
	with := func(more ...returns.Event) []returns.Event {
		return append(append([]returns.Event{}, given...), more...)
	}
	wrongSKU := shelf("s1", "BER1", 1)
	wrongSKU.Lines[0].SKU = "TOWEL"
	runRows(t, map[string]row{
		"some":              {given, shelf("s1", "BER1", 1), is(took("s1", "BER1", 1)), nil},
		"the rest":          {with(took("s1", "BER1", 1)), shelf("s2", "BER1", 1), is(took("s2", "BER1", 1)), nil},
		"the same again":    {with(took("s1", "BER1", 1)), shelf("s1", "BER1", 1), nil, nil},
		"another, same id":  {with(took("s1", "BER1", 1)), shelf("s1", "BER1", 2), nil, returns.Conflict{What: returns.WhatRestock, ID: "s1"}},
		"once more":         {with(took("s1", "BER1", 2)), shelf("s2", "BER1", 1), nil, returns.RestockExceedsDue{LineID: "1", Location: "BER1", Requested: 1}},
		"at another place":  {given, shelf("s1", "MUC", 2), nil, returns.RestockExceedsDue{LineID: "1", Location: "MUC", Requested: 2, Due: 1}},
		"of an unknown one": {given, returns.RecordRestocked{ID: returnID, RestockID: "s1", Lines: []returns.RestockLine{{LineID: "9", Location: "MUC", Quantity: 1}}, Now: now}, nil, returns.UnknownLine{LineID: "9"}},
		"of another SKU":    {given, wrongSKU, nil, domain.InvalidField{Field: "lines[0].sku", Reason: "is not that of the line"}},
	})
	due := evolve(with(took("s1", "BER1", 1))...).RestockDue()
	want := []returns.RestockLine{{LineID: "1", SKU: "SHIRT", Location: "BER1", Quantity: 1}, {LineID: "1", SKU: "SHIRT", Location: "MUC", Quantity: 1}}
	if !reflect.DeepEqual(due, want) {
		t.Errorf("due are %+v, want %+v", due, want)
	}
}

// TestRefundDue follows one line of three units, and what is due for a refund, through each trigger.
func TestRefundDue(t *testing.T) {
	t.Parallel()
	grade := func(n int64, o returns.Outcome) returns.Event {
		return graded("i"+string(o), returns.Grade{LineID: "1", Quantity: n, Outcome: o, Location: map[bool]string{true: "BER1"}[o == returns.OutcomeRestocked]})
	}
	came := received("r1", units("1", 2))
	steps := []struct {
		what                         string
		e                            returns.Event
		approval, receipt, inspected int64
	}{
		{"approved", nil, 3, 0, 0},
		{"two came", came, 3, 2, 0},
		{"one is in processing", grade(1, returns.OutcomeProcessingRequired), 3, 2, 0},
		{"one is as new", grade(1, returns.OutcomeRestocked), 3, 2, 1},
		{"that in processing is another thing", returns.ItemRegraded{
			RegradeID: "g", LineID: "1", Quantity: 1, From: returns.OutcomeProcessingRequired, To: returns.OutcomeWrongItem, Head: at(t0),
		}, 2, 1, 1},
		{"the third is lost", grade(1, returns.OutcomeLostInTransit), 2, 2, 2},
		{"and it is found missing", returns.ItemRegraded{
			RegradeID: "h", LineID: "1", Quantity: 1, From: returns.OutcomeLostInTransit, To: returns.OutcomeMissing, Head: at(t0),
		}, 1, 1, 1},
		{"a person takes it over", returns.ManualRefundRequired{FlagID: "m", Reason: "card closed", Head: at(t0)}, 0, 0, 0},
	}
	for trigger, want := range map[returns.Trigger]func(int) int64{
		returns.TriggerApproval:   func(n int) int64 { return steps[n].approval },
		returns.TriggerReceipt:    func(n int) int64 { return steps[n].receipt },
		returns.TriggerInspection: func(n int) int64 { return steps[n].inspected },
	} {
		a := terms()
		a.Trigger = trigger
		ask := requested(t)
		ask.Lines = ask.Lines[:1]
		r := evolve(ask, approved(a))
		for n, s := range steps {
			if s.e != nil {
				returns.Evolve(r, s.e)
			}
			var got int64
			for _, q := range r.RefundDue().Lines {
				got += q.Quantity
			}
			if got != want(n) {
				t.Errorf("by %s, when %s: %d are due, want %d", trigger, s.what, got, want(n))
			}
		}
	}
}

func TestRefunds(t *testing.T) {
	t.Parallel()
	given := []returns.Event{requested(t), approved(terms()), received("r1", units("1", 3)), graded("i1", returns.Grade{LineID: "1", Quantity: 3, Outcome: returns.OutcomeDamaged})}
	r := evolve(given...)
	event := func(c returns.RecordRefundGranted) returns.Event {
		return returns.RefundGranted{RefundID: c.RefundID, Lines: c.Lines, Shipping: c.Shipping, Fees: c.Fees, Total: c.Total, Head: at(c.Now)}
	}
	with := func(more ...returns.Event) []returns.Event {
		return append(append([]returns.Event{}, given...), more...)
	}
	one := refund(r, "f1", eur(450), amount("1", 1, 1000)) // 1000 + 450 − 500
	small := refund(r, "f1", eur(0), amount("1", 1, 300))  // all of it is fees
	rest := refund(evolve(with(event(small))...), "f2", eur(0), amount("1", 2, 1000))
	change := func(c returns.RecordRefundGranted, f func(*returns.RecordRefundGranted)) returns.RecordRefundGranted {
		f(&c)
		return c
	}
	runRows(t, map[string]row{
		"amounts, delivery, fees":  {given, one, is(event(one)), nil},
		"the same again":           {with(event(one)), one, nil, nil},
		"another under the id":     {with(event(one)), change(one, func(c *returns.RecordRefundGranted) { c.Total = eur(1) }), nil, returns.Conflict{What: returns.WhatRefund, ID: "f1"}},
		"fees take no more":        {given, small, is(event(small)), nil},
		"the rest of the fees":     {with(event(small)), rest, is(event(rest)), nil},
		"more units than are due":  {with(event(one)), refund(r, "f2", eur(0), amount("1", 3, 3000)), nil, returns.RefundExceedsDue{LineID: "1", Requested: 3, Due: 2, Granted: 1}},
		"a line that is not due":   {given, refund(r, "f1", eur(0), amount("2", 1, 1)), nil, returns.RefundExceedsDue{LineID: "2", Requested: 1}},
		"fees forgotten":           {given, change(one, func(c *returns.RecordRefundGranted) { c.Fees, c.Total = eur(0), eur(1450) }), nil, returns.RefundMismatch{Field: "fees", Stated: eur(0), Computed: eur(500)}},
		"a total that is not one":  {given, change(one, func(c *returns.RecordRefundGranted) { c.Total = eur(951) }), nil, returns.RefundMismatch{Field: "total", Stated: eur(951), Computed: eur(950)}},
		"more delivery than said":  {given, refund(r, "f1", eur(451), amount("1", 1, 1000)), nil, returns.ShippingNotRefundable{Requested: eur(451), Possible: eur(450)}},
		"delivery twice":           {with(event(one)), refund(r, "f2", eur(1), amount("1", 1, 1000)), nil, returns.ShippingNotRefundable{Requested: eur(1), Possible: eur(0)}},
		"an amount below zero":     {given, refund(r, "f1", eur(0), amount("1", 1, -1)), nil, domain.InvalidField{Field: "lines[0].amount", Reason: "is negative"}},
		"more than can be counted": {given, change(one, func(c *returns.RecordRefundGranted) { c.Lines = []returns.RefundLine{amount("1", 1, math.MaxInt64)} }), nil, domain.InvalidField{Field: "lines", Reason: "add up to more than can be counted"}},
		"in another currency": {given, change(one, func(c *returns.RecordRefundGranted) {
			c.Lines = []returns.RefundLine{{LineID: "1", Quantity: 1, Amount: money.New(1, "USD")}}
		}), nil, returns.CurrencyMismatch{Field: "lines[0].amount", Expected: "EUR", Actual: "USD"}},
		"by hand, when a person has taken it over": {with(returns.ManualRefundRequired{FlagID: "m", Reason: "x", Head: at(t0)}), one, is(event(one)), nil},
	})
	if due := evolve(with(event(one))...).RefundDue(); due.Fees != eur(0) || due.Shipping != eur(0) || !reflect.DeepEqual(due.Lines, []returns.LineQuantity{units("1", 2)}) {
		t.Errorf("due are %+v", due)
	}
}

func TestEnds(t *testing.T) {
	t.Parallel()
	now := t0.Add(later)
	atOnce := terms()
	atOnce.Trigger, atOnce.Fees = returns.TriggerApproval, nil
	asked, yes := requested(t), approved(atOnce)
	paid := returns.RefundGranted{RefundID: "f1", Lines: []returns.RefundLine{amount("1", 3, 3000), amount("2", 1, 500)}, Total: eur(3500), Head: at(t0)}
	swap := returns.ReplacementLinked{Replacement: otherID, Total: eur(1500), ShipFirst: true, SecurityPayment: "p1", Security: eur(1500), Head: at(t0)}
	recovery := func(lines ...returns.LineQuantity) returns.RecoveryRequired {
		return returns.RecoveryRequired{Lines: lines, Security: eur(0), Head: at(now)}
	}
	secured := recovery(units("1", 3), units("2", 1))
	secured.Replacement, secured.SecurityPayment, secured.Security = otherID, "p1", eur(1500)
	expired := func(lines ...returns.LineQuantity) returns.Event {
		return returns.Expired{Lines: lines, Deadline: terms().ExpiresAt, Head: at(now)}
	}
	shut, expire := returns.Close{ID: returnID, Now: now}, returns.Expire{ID: returnID, Now: now}
	all := received("r1", units("1", 3), units("2", 1))
	mixed := graded("i1", returns.Grade{LineID: "1", Quantity: 2, Outcome: returns.OutcomeDamaged},
		returns.Grade{LineID: "1", Quantity: 1, Outcome: returns.OutcomeMissing}, returns.Grade{LineID: "2", Quantity: 1, Outcome: returns.OutcomeKeepIt})
	shelved := graded("i1", returns.Grade{LineID: "1", Quantity: 3, Outcome: returns.OutcomeRestocked, Location: "BER1"},
		returns.Grade{LineID: "2", Quantity: 1, Outcome: returns.OutcomeWrongItem})
	link := returns.LinkReplacement{ID: returnID, OrderID: otherID, Total: eur(1500), ShipFirst: true, SecurityPayment: "p1", Security: eur(1500), Now: t0}
	other := link
	other.OrderID = "another"
	bare := link
	bare.SecurityPayment, bare.Security = "", eur(0)
	itself := link
	itself.OrderID = orderID
	money := asked
	money.Resolution = returns.ResolutionCredit
	runRows(t, map[string]row{
		"refunded at once, never came":     {is(asked, yes, paid), expire, is(expired(units("1", 3), units("2", 1)), recovery(units("1", 3), units("2", 1))), nil},
		"refunded at once, partly came":    {is(asked, yes, paid, received("r1", units("1", 2))), expire, is(expired(units("1", 1), units("2", 1)), recovery(units("1", 1), units("2", 1))), nil},
		"refunded at once, cancelled":      {is(asked, yes, paid), returns.Cancel{ID: returnID, Now: now}, is(returns.Cancelled{Reason: returns.CancelOther, Head: at(now)}, recovery(units("1", 3), units("2", 1))), nil},
		"refunded at once, one missing":    {is(asked, yes, paid, received("r1", units("1", 2)), mixed), shut, is(returns.Closed{Head: at(now)}, recovery(units("1", 1))), nil},
		"nothing paid, never came":         {is(asked, yes), expire, is(expired(units("1", 3), units("2", 1))), nil},
		"shipped first, never came":        {is(asked, yes, swap), expire, is(expired(units("1", 3), units("2", 1)), secured), nil},
		"closed with units due":            {is(asked, yes, all, shelved), shut, nil, returns.NotSettled{Restock: []returns.RestockLine{{LineID: "1", SKU: "SHIRT", Location: "BER1", Quantity: 3}}, Refund: []returns.LineQuantity{units("1", 3)}}},
		"linked":                           {is(asked, yes), link, is(swap), nil},
		"linked again":                     {is(asked, yes, swap), link, nil, nil},
		"linked to another":                {is(asked, yes, swap), other, nil, returns.Conflict{What: returns.WhatReplacement, ID: otherID}},
		"linked for money":                 {is(money, yes), link, nil, returns.NoReplacement{Resolution: returns.ResolutionCredit}},
		"linked to itself":                 {is(asked, yes), itself, nil, domain.InvalidField{Field: "order_id", Reason: "is the order that is returned"}},
		"shipped first without a security": {is(asked, yes), bare, nil, domain.InvalidField{Field: "security_payment_id", Reason: "is missing"}},
	})
}
