package returns_test

import (
	"errors"
	"testing"

	"waybill/domain"
	"waybill/domain/money"
	"waybill/domain/returns"
)

// The scenarios that are numbered here are those of the order engine's list of acceptance scenarios, as far as a return alone can
// tell them.

// story sends commands to one return.
type story struct {
	*testing.T
	r *returns.Return
}

// do carries c out, and wants these events of it.
func (s story) do(c returns.Command, want string) {
	s.Helper()
	events, err := returns.Decide(s.r, c)
	if got := verdict(events, err); got != want {
		s.Fatalf("%s gives %q (%v), want %q", c.CommandType(), got, err, want)
	}
	for _, e := range events {
		returns.Evolve(s.r, e)
	}
}

// TestScenario44PartialReturnOfADiscountedLine: three shirts at 1000 with a discount of 100 over the line. One unit was cancelled
// before it was captured; one is returned, and gives back exactly what is recorded for it.
func TestScenario44PartialReturnOfADiscountedLine(t *testing.T) {
	t.Parallel()
	discounts, err := money.Allocate(eur(100), []int64{1, 1, 1})
	if err != nil {
		t.Fatal(err)
	}
	unit := func(n int) int64 { return 1000 - discounts[n].Minor } // 966, 967, 967
	captured := unit(0) + unit(1)
	if captured != 1933 {
		t.Fatalf("captured %d", captured)
	}
	s := story{t, new(returns.Return)}
	s.do(returns.Request{ID: returnID, OrderID: orderID, Currency: "EUR", Lines: []returns.Line{{ID: "A", SKU: "SHIRT", Quantity: 1}}, Now: t0}, "requested")
	s.do(returns.Approve{ID: returnID, Approval: returns.Approval{RMANumber: "R1", Authorisation: returns.Authorisation{
		OrderID: orderID, ReturnID: returnID, Lines: []returns.LineQuantity{units("A", 1)},
	}}, Now: t0}, "approved")
	s.do(refund(s.r, "f0", eur(0), amount("A", 1, unit(0))), "return-refund-exceeds-due") // not before it is inspected
	s.do(returns.Receive{ID: returnID, ReceiptID: "r1", Location: "BER1", Lines: []returns.LineQuantity{units("A", 1)}, Now: t0}, "items_received")
	s.do(refund(s.r, "f0", eur(0), amount("A", 1, unit(0))), "return-refund-exceeds-due")
	s.do(returns.Inspect{ID: returnID, InspectionID: "i1", Lines: []returns.Grade{{LineID: "A", Quantity: 1, Outcome: returns.OutcomeRestocked}}, Now: t0}, "items_inspected")
	s.do(returns.Close{ID: returnID, Now: t0}, "return-not-settled")
	s.do(refund(s.r, "f1", eur(0), amount("A", 1, unit(0))), "refund_granted")
	s.do(returns.RecordRestocked{ID: returnID, RestockID: "s1", Lines: s.r.RestockDue(), Now: t0}, "restocked")
	if s.r.Granted != eur(966) || captured-s.r.Granted.Minor != unit(1) {
		t.Errorf("granted %s of %d: what stays is not what the customer keeps", s.r.Granted, captured)
	}
	s.do(refund(s.r, "f2", eur(0), amount("A", 2, unit(1)+unit(2))), "return-refund-exceeds-due")
	s.do(returns.Close{ID: returnID, Now: t0}, "closed")
	s.do(refund(s.r, "f2", eur(0), amount("A", 2, unit(1)+unit(2))), "return-refund-exceeds-due")
}

// TestScenario46TwoReturnsForOneUnit: the order hands a shipped unit out once, so the second return has nothing to be approved with.
func TestScenario46TwoReturnsForOneUnit(t *testing.T) {
	t.Parallel()
	token := returns.Authorisation{OrderID: orderID, ReturnID: "first", Lines: []returns.LineQuantity{units("A", 1)}}
	first, second := story{t, new(returns.Return)}, story{t, new(returns.Return)}
	for id, s := range map[returns.ID]story{"first": first, "second": second} {
		s.do(returns.Request{ID: id, OrderID: orderID, Currency: "EUR", Lines: []returns.Line{{ID: "A", SKU: "SHIRT", Quantity: 1}}, Now: t0}, "requested")
	}
	approve := func(id returns.ID, a returns.Authorisation) returns.Command {
		return returns.Approve{ID: id, Approval: returns.Approval{RMANumber: "R-" + string(id), Authorisation: a}, Now: t0}
	}
	first.do(approve("first", token), "approved")
	second.do(approve("second", token), "return-not-authorised")
	second.do(approve("second", returns.Authorisation{OrderID: orderID, ReturnID: "second"}), "return-not-authorised")
	_, err := returns.Decide(second.r, approve("second", token))
	if r, ok := errors.AsType[returns.NotAuthorised](err); !ok || r.OrderID != orderID || len(r.Requested) != 1 {
		t.Errorf("refused with %#v", err)
	}
	second.do(returns.Decline{ID: "second", Reason: returns.DeclineNotAuthorised, Now: t0}, "declined")
	if len(second.r.RefundDue().Lines)+len(second.r.RestockDue()) > 0 {
		t.Error("something is due for the declined return")
	}
}

// TestScenario47DamagedAndMissing: of two units one comes damaged and one is missing. Nothing goes back into stock, the policy says
// what is refunded, and both stand there as what they are.
func TestScenario47DamagedAndMissing(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		came       int64 // as counted when the parcel came in
		refundable []returns.Outcome
		want       int64 // units that are refunded
	}{
		"the customer broke it":         {1, []returns.Outcome{returns.OutcomeRestocked}, 0},
		"the usual policy":              {1, nil, 1},
		"it was counted, and is empty":  {2, nil, 1},
		"the seller stands up for both": {1, []returns.Outcome{returns.OutcomeDamaged, returns.OutcomeMissing}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := story{t, new(returns.Return)}
			s.do(returns.Request{ID: returnID, OrderID: orderID, Currency: "EUR", Lines: []returns.Line{{ID: "A", SKU: "SHIRT", Quantity: 2}}, Now: t0}, "requested")
			s.do(returns.Approve{ID: returnID, Approval: returns.Approval{RMANumber: "R1", Refundable: tt.refundable, Authorisation: returns.Authorisation{
				OrderID: orderID, ReturnID: returnID, Lines: []returns.LineQuantity{units("A", 2)},
			}}, Now: t0}, "approved")
			s.do(returns.Receive{ID: returnID, ReceiptID: "r1", Location: "BER1", Lines: []returns.LineQuantity{units("A", tt.came)}, Now: t0}, "items_received")
			s.do(returns.Inspect{ID: returnID, InspectionID: "i1", Lines: []returns.Grade{
				{LineID: "A", Quantity: 1, Outcome: returns.OutcomeMissing}, {LineID: "A", Quantity: 1, Outcome: returns.OutcomeDamaged},
			}, Now: t0}, "items_inspected")
			if got := s.r.RestockDue(); len(got) > 0 {
				t.Errorf("due for stock are %+v", got)
			}
			s.do(returns.RecordRestocked{ID: returnID, RestockID: "s1", Lines: []returns.RestockLine{{LineID: "A", Location: "BER1", Quantity: 1}}, Now: t0}, "return-restock-exceeds-due")
			if got := s.r.RefundDue().Lines; tt.want > 0 {
				if len(got) != 1 || got[0].Quantity != tt.want {
					t.Fatalf("due for a refund are %+v, want %d", got, tt.want)
				}
				s.do(refund(s.r, "f1", eur(0), amount("A", tt.want, 1000*tt.want)), "refund_granted")
			}
			l, _ := s.r.Line("A")
			if l.Count(returns.OutcomeDamaged) != 1 || l.Count(returns.OutcomeMissing) != 1 {
				t.Errorf("outcomes are %+v", l.Outcomes)
			}
			s.do(refund(s.r, "f2", eur(0), amount("A", 1, 1000)), "return-refund-exceeds-due")
			s.do(returns.Close{ID: returnID, Now: t0}, "closed")
		})
	}
}

// exchange tells of a unit of 1000 that is exchanged for one of 1500, up to the approval.
func exchange(t *testing.T, trigger returns.Trigger) story {
	t.Helper()
	s := story{t, new(returns.Return)}
	s.do(returns.Request{
		ID: returnID, OrderID: orderID, Currency: "EUR", Lines: []returns.Line{{ID: "A", SKU: "SHIRT", Quantity: 1}}, Resolution: returns.ResolutionExchange, Now: t0,
	}, "requested")
	s.do(returns.Approve{ID: returnID, Approval: returns.Approval{RMANumber: "R1", Trigger: trigger, Authorisation: returns.Authorisation{
		OrderID: orderID, ReturnID: returnID, Lines: []returns.LineQuantity{units("A", 1)},
	}}, Now: t0}, "approved")
	return s
}

// balance returns what the customer owes for the replacement beyond what the return gives.
func (s story) balance() money.Money {
	s.Helper()
	b, ok := s.r.ReplacementBalance()
	if !ok {
		s.Fatal("there is no replacement")
	}
	return b
}

// TestScenario53ExchangeForMore: a unit of 1000 is exchanged for one of 1500. The linked order is due 500 once the return has given
// its part; when it ships first and the goods never come, the security is to be taken, once.
func TestScenario53ExchangeForMore(t *testing.T) {
	t.Parallel()
	link := returns.LinkReplacement{ID: returnID, OrderID: otherID, Total: eur(1500), Now: t0}
	t.Run("the goods come", func(t *testing.T) {
		t.Parallel()
		s := exchange(t, returns.TriggerReceipt)
		s.do(link, "replacement_linked")
		s.do(link, "done") // the id is recorded once
		if got := s.balance(); got != eur(1500) {
			t.Errorf("%s are due before anything is granted", got)
		}
		s.do(returns.Receive{ID: returnID, ReceiptID: "r1", Location: "BER1", Lines: []returns.LineQuantity{units("A", 1)}, Now: t0}, "items_received")
		s.do(refund(s.r, "f1", eur(0), amount("A", 1, 1000)), "refund_granted")
		if got := s.balance(); got != eur(500) {
			t.Errorf("%s are due", got)
		}
		s.do(returns.Inspect{ID: returnID, InspectionID: "i1", Lines: []returns.Grade{{LineID: "A", Quantity: 1, Outcome: returns.OutcomeDamaged}}, Now: t0}, "items_inspected")
		s.do(returns.Close{ID: returnID, Now: t0}, "closed")
	})
	t.Run("they never come, and nothing has shipped", func(t *testing.T) {
		t.Parallel()
		s := exchange(t, returns.TriggerReceipt)
		s.do(link, "replacement_linked")
		s.do(returns.Expire{ID: returnID, Now: t0.Add(returns.DefaultExpiry)}, "expired")
	})
	t.Run("they never come, and the replacement has shipped", func(t *testing.T) {
		t.Parallel()
		first := link
		first.ShipFirst, first.SecurityPayment, first.Security = true, "pay-1", eur(1000)
		s := exchange(t, returns.TriggerReceipt)
		s.do(first, "replacement_linked")
		late := t0.Add(returns.DefaultExpiry)
		events, err := returns.Decide(s.r, returns.Expire{ID: returnID, Now: late})
		if got := verdict(events, err); got != "expired recovery_required" {
			t.Fatalf("got %s (%v)", got, err)
		}
		recovery := events[1].(returns.RecoveryRequired)
		if recovery.SecurityPayment != "pay-1" || recovery.Security != eur(1000) || recovery.Replacement != otherID || recovery.Lines[0] != units("A", 1) {
			t.Errorf("to be recovered is %+v", recovery)
		}
		for _, e := range events {
			returns.Evolve(s.r, e)
		}
		s.do(returns.Expire{ID: returnID, Now: late + 1}, "done") // the timer fires twice
		s.do(returns.Receive{ID: returnID, ReceiptID: "r1", Location: "BER1", Lines: []returns.LineQuantity{units("A", 1)}, Now: late + 2},
			"unexpected_items_received anomaly_detected")
		s.do(refund(s.r, "f1", eur(0), amount("A", 1, 1000)), "invalid-return-transition")
	})
}

// TestTwoTriggersRefundOnce: storefront and warehouse both see the receipt and both want to refund it. The second is refused, so a
// commit that also holds the order's grant does not happen.
func TestTwoTriggersRefundOnce(t *testing.T) {
	t.Parallel()
	s := exchange(t, returns.TriggerReceipt)
	s.do(returns.Receive{ID: returnID, ReceiptID: "r1", Location: "BER1", Lines: []returns.LineQuantity{units("A", 1)}, Now: t0}, "items_received")
	storefront, warehouse := refund(s.r, "f-web", eur(0), amount("A", 1, 1000)), refund(s.r, "f-wms", eur(0), amount("A", 1, 1000))
	s.do(storefront, "refund_granted")
	s.do(warehouse, "return-refund-exceeds-due")
	s.do(storefront, "done")
	_, err := returns.Decide(s.r, warehouse)
	if _, ok := errors.AsType[domain.Refusal](err); !ok {
		t.Errorf("got %v, want a refusal", err)
	}
}
