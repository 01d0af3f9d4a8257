package returns_test

import (
	"math"
	"reflect"
	"testing"
	"time"

	"waybill/domain"
	"waybill/domain/money"
	"waybill/domain/returns"
)

// row is one decision: given events, when a command, then events or a refusal.
type row struct {
	given []returns.Event
	when  returns.Command
	then  []returns.Event
	err   error
}

func runRows(t *testing.T, rows map[string]row) {
	t.Helper()
	for name, tt := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events, err := returns.Decide(evolve(tt.given...), tt.when)
			if !reflect.DeepEqual(err, tt.err) {
				t.Fatalf("refused with %#v, want %#v", err, tt.err)
			}
			if !reflect.DeepEqual(events, tt.then) {
				t.Errorf("decided\n%+v, want\n%+v", events, tt.then)
			}
		})
	}
}

// is returns the only thing that a list of events may hold here.
func is(e ...returns.Event) []returns.Event { return e }

func TestRequestAndAnswer(t *testing.T) {
	t.Parallel()
	asked, yes, now := requested(t), approved(terms()), t0+5
	ask := func(change func(*returns.Request)) returns.Request {
		c := request()
		change(&c)
		return c
	}
	approve := func(change func(*returns.Approval)) returns.Approve {
		a := terms()
		change(&a)
		return returns.Approve{ID: returnID, Approval: a, Now: now}
	}
	refusedToken := func(lines ...returns.LineQuantity) error {
		return returns.NotAuthorised{OrderID: orderID, Requested: authorisation().Lines, Authorised: lines}
	}
	plain := asked
	plain.Resolution, plain.Lines, plain.WindowEnds = returns.ResolutionRefund, []returns.Line{{ID: "1", SKU: "SHIRT", Quantity: 1, Reason: returns.ReasonOther}}, 0
	defaults := returns.Approval{
		RMANumber: "R", Authorisation: authorisation(), LabelPolicy: returns.LabelNone, Trigger: returns.TriggerInspection,
		Refundable: returns.DefaultRefundable(), RefundShipping: eur(0), ExpiresAt: now.Add(returns.DefaultExpiry),
	}
	short := returns.Approve{ID: returnID, Approval: returns.Approval{RMANumber: "R", Authorisation: authorisation()}, Now: now}
	runRows(t, map[string]row{
		"what is left out has defaults": {nil, ask(func(c *returns.Request) {
			c.Resolution, c.Lines, c.WindowEnds = "", []returns.Line{{ID: "1", SKU: "SHIRT", Quantity: 1}}, 0
		}), is(plain), nil},
		"in time to the last moment": {nil, ask(func(c *returns.Request) { c.WindowEnds = t0 }), is(func() returns.Event {
			e := asked
			e.WindowEnds = t0
			return e
		}()), nil},
		"too late":                      {nil, ask(func(c *returns.Request) { c.WindowEnds = t0 - 1 }), nil, returns.WindowClosed{WindowEnds: t0 - 1, Now: t0}},
		"the same request again, later": {is(asked), ask(func(c *returns.Request) { c.Now = t0.Add(time.Hour) + 1 }), nil, nil},
		"another request under the id": {
			is(asked), ask(func(c *returns.Request) { c.OrderID = otherID }), nil, returns.Conflict{What: returns.WhatRequest, ID: string(returnID)},
		},
		"no lines":     {nil, ask(func(c *returns.Request) { c.Lines = nil }), nil, domain.InvalidField{Field: "lines", Reason: "are missing"}},
		"a line twice": {nil, ask(func(c *returns.Request) { c.Lines[1].ID = "1" }), nil, domain.InvalidField{Field: "lines[1]", Reason: "repeats 1"}},
		"no units": {
			nil, ask(func(c *returns.Request) { c.Lines[0].Quantity = 0 }), nil, domain.InvalidField{Field: "lines[0].quantity", Reason: "is 0, at least 1 is needed"},
		},
		"too many units": {
			nil, ask(func(c *returns.Request) { c.Lines[0].Quantity = returns.MaxQuantity + 1 }), nil,
			domain.LimitExceeded{Field: "lines[0].quantity", Limit: returns.MaxQuantity, Actual: returns.MaxQuantity + 1, Unit: "units"},
		},
		"no such currency": {
			nil, ask(func(c *returns.Request) { c.Currency = "XQQ" }), nil, domain.InvalidField{Field: "currency", Reason: `"XQQ" is not a currency`},
		},
		"approval by default":     {is(asked), short, is(returns.Approved{Approval: defaults, Head: at(now)}), nil},
		"the same approval again": {is(asked, returns.Approved{Approval: defaults, Head: at(t0)}), short, nil, nil},
		"the token's lines in another order": {is(asked, yes), approve(func(a *returns.Approval) {
			a.Authorisation.Lines = []returns.LineQuantity{units("2", 1), units("1", 3)}
		}), nil, nil},
		"other terms": {
			is(asked, yes), approve(func(a *returns.Approval) { a.Trigger = returns.TriggerReceipt }), nil,
			returns.Conflict{What: returns.WhatApproval, ID: "RMA-1001"},
		},
		"no token": {
			is(asked), approve(func(a *returns.Approval) { a.Authorisation = returns.Authorisation{} }), nil, refusedToken(),
		},
		"a token for another return": {
			is(asked), approve(func(a *returns.Approval) { a.Authorisation.ReturnID = "x" }), nil, refusedToken(authorisation().Lines...),
		},
		"a token of another order": {
			is(asked), approve(func(a *returns.Approval) { a.Authorisation.OrderID = otherID }), nil, refusedToken(authorisation().Lines...),
		},
		"a token for fewer units": {
			is(asked), approve(func(a *returns.Approval) {
				a.Authorisation.Lines = []returns.LineQuantity{units("1", 2), units("2", 1)}
			}), nil,
			refusedToken(units("1", 2), units("2", 1)),
		},
		"expiry in the past": {is(asked), approve(func(a *returns.Approval) { a.ExpiresAt = now }), nil, domain.InvalidField{Field: "expires_at", Reason: "is not after now"}},
		"a fee in another currency": {
			is(asked), approve(func(a *returns.Approval) { a.Fees[0].Amount = money.New(1, "USD") }), nil,
			returns.CurrencyMismatch{Field: "fees[0].amount", Expected: "EUR", Actual: "USD"},
		},
		"a fee below zero": {is(asked), approve(func(a *returns.Approval) { a.Fees[1].Amount = eur(-1) }), nil, domain.InvalidField{Field: "fees[1].amount", Reason: "is negative"}},
		"fees beyond counting": {
			is(asked), approve(func(a *returns.Approval) { a.Fees[0].Amount = eur(math.MaxInt64) }), nil,
			domain.InvalidField{Field: "fees[1].amount", Reason: "makes the fees more than can be counted"},
		},
		"processing is no outcome to refund": {
			is(asked), approve(func(a *returns.Approval) { a.Refundable = []returns.Outcome{returns.OutcomeProcessingRequired} }), nil,
			domain.InvalidField{Field: "refundable[0]", Reason: "is not final"},
		},
		"declined for another reason": {
			is(asked, returns.Declined{Reason: returns.DeclineFraud, Head: at(t0)}),
			returns.Decline{ID: returnID, Now: now},
			nil,
			returns.Conflict{What: returns.WhatDecline, ID: "fraud"},
		},
		"cancelled for another reason": {
			is(asked, returns.Cancelled{Reason: returns.CancelStaff, Head: at(t0)}),
			returns.Cancel{ID: returnID, Now: now},
			nil,
			returns.Conflict{What: returns.WhatCancellation, ID: "staff"},
		},
		"the deadline of the approval counts": {
			is(asked, yes), returns.Expire{ID: returnID, Deadline: now, Now: now}, nil, returns.NotYetDue{Deadline: terms().ExpiresAt, Now: now},
		},
		"a later deadline counts": {
			is(asked, yes),
			returns.Expire{ID: returnID, Deadline: t0.Add(later), Now: t0.Add(later) - 1},
			nil,
			returns.NotYetDue{Deadline: t0.Add(later), Now: t0.Add(later) - 1},
		},
		"a request without deadline does not expire": {
			is(asked), returns.Expire{ID: returnID, Now: now}, nil, domain.InvalidField{Field: "deadline", Reason: "is missing, and the return is not approved"},
		},
		"what did not come expires, the rest stays": {
			is(asked, yes, received("r1", units("1", 2))),
			returns.Expire{ID: returnID, Now: t0.Add(later)},
			is(returns.Expired{Lines: []returns.LineQuantity{units("1", 1), units("2", 1)}, Deadline: terms().ExpiresAt, Head: at(t0.Add(later))}), nil,
		},
		"a flag for another reason": {
			is(asked, returns.ManualRefundRequired{FlagID: "m1", Reason: "a", Head: at(t0)}),
			returns.FlagManualRefund{ID: returnID, FlagID: "m1", Reason: "b", Now: now},
			nil,
			returns.Conflict{What: returns.WhatFlag, ID: "m1"},
		},
	})
}

func TestLabels(t *testing.T) {
	t.Parallel()
	asked, yes, now := requested(t), approved(terms()), t0+5
	noLabel := terms()
	noLabel.LabelPolicy = returns.LabelNone
	ordered := returns.LabelRequested{OperationID: "op1", Carrier: "dhl", Head: at(t0)}
	unknown := returns.LabelOutcomeUnknown{OperationID: "op1", Code: "timeout", Head: at(t0)}
	failed := returns.LabelNotIssued{OperationID: "op1", Code: "address", Head: at(t0)}
	issued := returns.LabelIssued{OperationID: "op1", Carrier: "dhl", LabelRef: "L1", Head: at(now)}
	order := func(id, carrier string) returns.Command {
		return returns.RequestLabel{ID: returnID, OperationID: id, Carrier: carrier, Now: now}
	}
	outcome := func(o returns.LabelOutcome, ref string) returns.Command {
		return returns.RecordLabelOutcome{ID: returnID, OperationID: "op1", Outcome: o, Carrier: "dhl", LabelRef: ref, Code: "timeout", Now: now}
	}
	odd := func(kind returns.AnomalyKind, ref string) returns.Event {
		return returns.AnomalyDetected{Kind: kind, Ref: ref, Head: at(now)}
	}
	cancelled := returns.Cancelled{Reason: returns.CancelStaff, Head: at(t0)}
	runRows(t, map[string]row{
		"the seller gives no label": {
			is(asked, approved(noLabel)), order("op1", ""), nil,
			returns.InvalidTransition{Command: "return.request_label", Status: returns.StatusApproved, Allowed: returns.Allowed(evolve(asked, approved(noLabel)))},
		},
		"one at a time":                     {is(asked, yes, ordered), order("op2", ""), nil, returns.LabelInFlight{OperationID: "op1"}},
		"unknown is still in flight":        {is(asked, yes, ordered, unknown), order("op2", ""), nil, returns.LabelInFlight{OperationID: "op1"}},
		"another after a failure":           {is(asked, yes, ordered, failed), order("op2", ""), is(returns.LabelRequested{OperationID: "op2", Head: at(now)}), nil},
		"the same again":                    {is(asked, yes, ordered), order("op1", "dhl"), nil, nil},
		"the same of another carrier":       {is(asked, yes, ordered), order("op1", "ups"), nil, returns.Conflict{What: returns.WhatLabel, ID: "op1"}},
		"issued":                            {is(asked, yes, ordered), outcome(returns.LabelSucceeded, "L1"), is(issued), nil},
		"issued after all":                  {is(asked, yes, ordered, unknown), outcome(returns.LabelSucceeded, "L1"), is(issued), nil},
		"failed after all":                  {is(asked, yes, ordered, unknown), outcome(returns.LabelFailed, ""), is(returns.LabelNotIssued{OperationID: "op1", Code: "timeout", Head: at(now)}), nil},
		"unknown":                           {is(asked, yes, ordered), outcome(returns.LabelUnknown, ""), is(returns.LabelOutcomeUnknown{OperationID: "op1", Code: "timeout", Head: at(now)}), nil},
		"unknown is no news once known":     {is(asked, yes, ordered, issued), outcome(returns.LabelUnknown, ""), nil, nil},
		"unknown is no news after failure":  {is(asked, yes, ordered, failed), outcome(returns.LabelUnknown, ""), nil, nil},
		"issued twice":                      {is(asked, yes, ordered, issued), outcome(returns.LabelSucceeded, "L1"), nil, nil},
		"issued twice otherwise":            {is(asked, yes, ordered, issued), outcome(returns.LabelSucceeded, "L2"), is(odd(returns.AnomalyLabelContradicted, "op1 succeeded L2")), nil},
		"failed twice":                      {is(asked, yes, ordered, failed), outcome(returns.LabelFailed, ""), nil, nil},
		"failed once issued":                {is(asked, yes, ordered, issued), outcome(returns.LabelFailed, ""), is(odd(returns.AnomalyLabelContradicted, "op1 failed")), nil},
		"issued once failed":                {is(asked, yes, ordered, failed), outcome(returns.LabelSucceeded, "L1"), is(issued, odd(returns.AnomalyLabelContradicted, "op1 succeeded L1")), nil},
		"issued when it is over":            {is(asked, yes, ordered, cancelled), outcome(returns.LabelSucceeded, "L1"), is(issued, odd(returns.AnomalyLabelAfterEnd, "op1")), nil},
		"of an operation that nobody began": {is(asked, yes), outcome(returns.LabelSucceeded, "L1"), is(odd(returns.AnomalyUnknownLabel, "op1 succeeded")), nil},
		"told once": {
			is(asked, yes, ordered, issued, odd(returns.AnomalyLabelContradicted, "op1 failed")), outcome(returns.LabelFailed, ""), nil, nil,
		},
		"issued without a label": {is(asked, yes, ordered), outcome(returns.LabelSucceeded, ""), nil, domain.InvalidField{Field: "label_ref", Reason: "is missing"}},
	})
}

func TestReceipts(t *testing.T) {
	t.Parallel()
	asked, yes, now := requested(t), approved(terms()), t0+5
	receive := func(id string, lines ...returns.LineQuantity) returns.Receive {
		return returns.Receive{ID: returnID, ReceiptID: id, Location: "BER1", Lines: lines, Now: now}
	}
	came := func(id string, lines ...returns.LineQuantity) returns.ItemsReceived {
		e := received(id, lines...)
		e.At = now
		return e
	}
	surplus := func(id string, items ...returns.Unexpected) returns.Event {
		return returns.UnexpectedItemsReceived{ReceiptID: id, Location: "BER1", Items: items, Head: at(now)}
	}
	odd := func(kind returns.AnomalyKind, ref string) returns.Event {
		return returns.AnomalyDetected{Kind: kind, Ref: ref, Head: at(now)}
	}
	shirts := func(n int64) returns.Unexpected { return returns.Unexpected{LineID: "1", SKU: "SHIRT", Quantity: n} }
	extra := returns.Unexpected{SKU: "TOWEL", Quantity: 1, Note: domain.NewPersonal("a towel")}
	mixed := receive("r1", units("1", 4), units("9", 1))
	mixed.Unexpected = []returns.Unexpected{extra}
	lost := graded("i1", returns.Grade{LineID: "1", Quantity: 2, Outcome: returns.OutcomeLostInTransit})
	missing := graded("i1", returns.Grade{LineID: "1", Quantity: 1, Outcome: returns.OutcomeMissing})
	elsewhere := receive("r1", units("1", 1))
	elsewhere.Location = "MUC"
	runRows(t, map[string]row{
		"part":                     {is(asked, yes), receive("r1", units("1", 1)), is(came("r1", units("1", 1))), nil},
		"another part":             {is(asked, yes, received("r1", units("1", 1))), receive("r2", units("1", 2)), is(came("r2", units("1", 2))), nil},
		"the same again":           {is(asked, yes, received("r1", units("1", 1))), receive("r1", units("1", 1)), nil, nil},
		"another under the id":     {is(asked, yes, received("r1", units("1", 1))), receive("r1", units("1", 2)), nil, returns.Conflict{What: returns.WhatReceipt, ID: "r1"}},
		"the id at another place":  {is(asked, yes, received("r1", units("1", 1))), elsewhere, nil, returns.Conflict{What: returns.WhatReceipt, ID: "r1"}},
		"more than was asked for":  {is(asked, yes), receive("r1", units("1", 5)), is(came("r1", units("1", 3)), surplus("r1", shirts(2))), nil},
		"more, and it is repeated": {is(asked, yes, came("r1", units("1", 3)), surplus("r1", shirts(2))), receive("r1", units("1", 5)), nil, nil},
		"all that can be odd at once": {
			is(asked, yes), mixed, is(came("r1", units("1", 3)), surplus("r1", shirts(1), returns.Unexpected{LineID: "9", Quantity: 1}, extra)), nil,
		},
		"odd, and it is repeated": {
			is(asked, yes, came("r1", units("1", 3)), surplus("r1", shirts(1), returns.Unexpected{LineID: "9", Quantity: 1}, extra)), mixed, nil, nil,
		},
		"before it is approved": {
			is(asked), receive("r1", units("1", 1)), is(came("r1", units("1", 1)), odd(returns.AnomalyReceivedBeforeApproval, "r1")), nil,
		},
		"when it is over": {
			is(asked, yes, returns.Cancelled{Reason: returns.CancelOther, Head: at(t0)}), receive("r1", units("1", 1)),
			is(surplus("r1", shirts(1)), odd(returns.AnomalyReceivedAfterEnd, "r1")), nil,
		},
		"what expired": {
			is(asked, yes, received("r1", units("1", 1)), returns.Expired{Lines: []returns.LineQuantity{units("1", 2)}, Head: at(t0)}), receive("r2", units("1", 1)),
			is(surplus("r2", shirts(1))), nil,
		},
		"what was lost": {
			is(asked, yes, lost), receive("r1", units("1", 2)), is(came("r1", units("1", 2)), odd(returns.AnomalyReceivedAfterOutcome, "r1")), nil,
		},
		"what was not lost":                     {is(asked, yes, lost), receive("r1", units("1", 1)), is(came("r1", units("1", 1))), nil},
		"what comes after one that was missing": {is(asked, yes, received("r0", units("1", 2)), missing), receive("r1", units("1", 1)), is(came("r1", units("1", 1))), nil},
		"nothing":                               {is(asked, yes), receive("r1"), nil, domain.InvalidField{Field: "lines", Reason: "are missing"}},
		"a line twice":                          {is(asked, yes), receive("r1", units("1", 1), units("1", 1)), nil, domain.InvalidField{Field: "lines[1]", Reason: "repeats 1"}},
		"sent before it is approved": {
			is(asked),
			returns.RecordTracking{ID: returnID, Carrier: "dhl", TrackingNumber: "JD", Now: now},
			is(returns.InTransit{Carrier: "dhl", TrackingNumber: "JD", Head: at(now)}, odd(returns.AnomalySentBeforeApproval, "dhl JD")), nil,
		},
		"a parcel again": {
			is(asked, yes, returns.InTransit{Carrier: "dhl", TrackingNumber: "JD", Head: at(t0)}),
			returns.RecordTracking{ID: returnID, Carrier: "dhl", TrackingNumber: "JD", Now: now},
			nil, nil,
		},
	})
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	asked, yes, now := requested(t), approved(terms()), t0+5
	two, all := received("r1", units("1", 2)), received("r1", units("1", 3), units("2", 1))
	grade := func(line string, n int64, o returns.Outcome) returns.Grade {
		return returns.Grade{LineID: line, Quantity: n, Outcome: o}
	}
	inspect := func(lines ...returns.Grade) returns.Command {
		return returns.Inspect{ID: returnID, InspectionID: "i1", Lines: lines, Now: now}
	}
	done := func(lines ...returns.Grade) []returns.Event {
		return is(returns.ItemsInspected{InspectionID: "i1", Lines: lines, Head: at(now)})
	}
	shelved := returns.Grade{LineID: "1", Quantity: 2, Outcome: returns.OutcomeRestocked, Location: "BER1"}
	regrade := func(n int64, from, to returns.Outcome) returns.Command {
		return returns.Regrade{ID: returnID, RegradeID: "g1", LineID: "1", Quantity: n, From: from, To: to, Now: now}
	}
	regraded := func(n int64, from, to returns.Outcome, location string) []returns.Event {
		return is(returns.ItemRegraded{RegradeID: "g1", LineID: "1", Quantity: n, From: from, To: to, Location: location, Head: at(now)})
	}
	stocked := returns.Restocked{RestockID: "s1", Lines: []returns.RestockLine{{LineID: "1", SKU: "SHIRT", Location: "BER1", Quantity: 1}}, Head: at(t0)}
	const (
		restocked = returns.OutcomeRestocked
		damaged   = returns.OutcomeDamaged
		missing   = returns.OutcomeMissing
		lost      = returns.OutcomeLostInTransit
		keep      = returns.OutcomeKeepIt
		later     = returns.OutcomeProcessingRequired
	)
	runRows(t, map[string]row{
		"restocked where it came in": {is(asked, yes, two), inspect(grade("1", 2, restocked)), done(shelved), nil},
		"the same again":             {is(asked, yes, two, graded("i1", shelved)), inspect(grade("1", 2, restocked)), nil, nil},
		"another under the id":       {is(asked, yes, two, graded("i1", shelved)), inspect(grade("1", 1, restocked)), nil, returns.Conflict{What: returns.WhatInspection, ID: "i1"}},
		"more than came in": {
			is(asked, yes, two), inspect(grade("1", 3, damaged)), nil,
			returns.OutcomeExceedsReceived{LineID: "1", Outcome: damaged, Requested: 3, Received: 2, Possible: 2},
		},
		"more than came in, in two outcomes": {
			is(asked, yes, two), inspect(grade("1", 1, damaged), grade("1", 2, restocked)), nil,
			returns.OutcomeExceedsReceived{LineID: "1", Outcome: damaged, Requested: 3, Received: 2, Possible: 2},
		},
		"missing beside what came in":       {is(asked, yes, two), inspect(grade("1", 1, missing), grade("1", 2, damaged)), done(grade("1", 1, missing), grade("1", 2, damaged)), nil},
		"missing of what was counted":       {is(asked, yes, all), inspect(grade("1", 1, missing), grade("1", 2, damaged)), done(grade("1", 1, missing), grade("1", 2, damaged)), nil},
		"missing of more than there was":    {is(asked, yes, two), inspect(grade("1", 2, missing), grade("1", 2, damaged)), nil, returns.QuantityExceedsReturn{LineID: "1", Outcome: missing, Requested: 4, Possible: 3}},
		"kept before anything comes":        {is(asked, yes), inspect(grade("1", 3, keep)), done(grade("1", 3, keep)), nil},
		"kept when it is here":              {is(asked, yes, all), inspect(grade("1", 1, keep)), nil, returns.QuantityExceedsReturn{LineID: "1", Outcome: keep, Requested: 1, Possible: 0}},
		"lost what may still come":          {is(asked, yes, two), inspect(grade("1", 1, lost)), done(grade("1", 1, lost)), nil},
		"lost more than may still come":     {is(asked, yes, two), inspect(grade("1", 2, lost)), nil, returns.QuantityExceedsReturn{LineID: "1", Outcome: lost, Requested: 2, Possible: 1}},
		"a line that is not there":          {is(asked, yes, two), inspect(grade("9", 1, damaged)), nil, returns.UnknownLine{LineID: "9"}},
		"a line and outcome twice":          {is(asked, yes, two), inspect(grade("1", 1, damaged), grade("1", 1, damaged)), nil, domain.InvalidField{Field: "lines[1]", Reason: "repeats 1 damaged"}},
		"a shelf for what is damaged":       {is(asked, yes, two), inspect(returns.Grade{LineID: "1", Quantity: 1, Outcome: damaged, Location: "BER1"}), nil, domain.InvalidField{Field: "lines[0].location", Reason: "is given, and no unit goes back into stock"}},
		"graded again":                      {is(asked, yes, two, graded("i1", grade("1", 2, later))), regrade(1, later, restocked), regraded(1, later, restocked, "BER1"), nil},
		"graded again, again":               {is(asked, yes, two, graded("i1", grade("1", 2, later)), regraded(1, later, restocked, "BER1")[0]), regrade(1, later, restocked), nil, nil},
		"graded again otherwise":            {is(asked, yes, two, graded("i1", grade("1", 2, later)), regraded(1, later, restocked, "BER1")[0]), regrade(1, later, damaged), nil, returns.Conflict{What: returns.WhatRegrade, ID: "g1"}},
		"graded again, more than there are": {is(asked, yes, two, graded("i1", grade("1", 1, later))), regrade(2, later, damaged), nil, returns.OutcomeExceedsGraded{LineID: "1", Outcome: later, Requested: 2, Graded: 1}},
		"graded again, not in stock yet":    {is(asked, yes, two, graded("i1", shelved), stocked), regrade(1, restocked, damaged), regraded(1, restocked, damaged, "BER1"), nil},
		"graded again, in stock":            {is(asked, yes, two, graded("i1", shelved), stocked), regrade(2, restocked, damaged), nil, returns.AlreadyRestocked{LineID: "1", Location: "BER1", Requested: 2, Possible: 1}},
		"found, and not here": {
			is(asked, yes, graded("i1", grade("1", 1, lost))), regrade(1, lost, restocked), nil,
			returns.OutcomeExceedsReceived{LineID: "1", Outcome: restocked, Requested: 1},
		},
		"found, and here": {
			is(asked, yes, graded("i1", grade("1", 3, lost)), two), regrade(1, lost, restocked), regraded(1, lost, restocked, "BER1"), nil,
		},
		"a late one does not block the others": {
			is(asked, yes, received("r0", units("1", 1)), graded("i0", grade("1", 2, lost)), received("r1", units("1", 1))),
			inspect(grade("1", 1, damaged)), done(grade("1", 1, damaged)), nil,
		},
		"another outcome is another": {is(asked, yes, two), regrade(1, damaged, damaged), nil, domain.InvalidField{Field: "to", Reason: "is the outcome that the units have"}},
	})
}
