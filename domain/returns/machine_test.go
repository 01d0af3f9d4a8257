package returns_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill/domain"
	"waybill/domain/returns"
)

// later is how long after t0 the commands of these tests arrive: after everything else, and after the deadline of the approval.
const later = 48 * time.Hour

// inStatus returns a return in status s, folded from events.
func inStatus(tb testing.TB, s returns.Status) *returns.Return {
	tb.Helper()
	asked, yes := requested(tb), approved(terms())
	all := received("r0", units("1", 3), units("2", 1))
	damaged := graded("i0", returns.Grade{LineID: "1", Quantity: 3, Outcome: returns.OutcomeWrongItem},
		returns.Grade{LineID: "2", Quantity: 1, Outcome: returns.OutcomeMissing})
	switch s {
	case returns.StatusNone:
		return new(returns.Return)
	case returns.StatusRequested:
		return evolve(asked)
	case returns.StatusApproved:
		return evolve(asked, yes)
	case returns.StatusInTransit:
		return evolve(asked, yes, returns.InTransit{Carrier: "dhl", TrackingNumber: "JD00", Head: at(t0)})
	case returns.StatusPartiallyReceived:
		return evolve(asked, yes, received("r0", units("1", 2)))
	case returns.StatusReceived:
		return evolve(asked, yes, all)
	case returns.StatusInspected:
		return evolve(asked, yes, all, damaged)
	case returns.StatusClosed:
		return evolve(asked, yes, all, damaged, returns.Closed{Head: at(t0)})
	case returns.StatusDeclined:
		return evolve(asked, returns.Declined{Reason: returns.DeclineOther, Head: at(t0)})
	case returns.StatusCancelled:
		return evolve(asked, yes, returns.Cancelled{Reason: returns.CancelOther, Head: at(t0)})
	case returns.StatusExpired:
		return evolve(asked, yes, returns.Expired{Lines: authorisation().Lines, Deadline: t0, Head: at(t0)})
	}
	tb.Fatalf("no return in status %s", s)
	return nil
}

// commands returns one of every command, such that only the state can refuse it.
func commands() []returns.Command {
	now := t0.Add(later)
	ask, say := request(), terms()
	say.ExpiresAt = now.Add(time.Hour)
	return []returns.Command{
		ask,
		returns.Approve{ID: returnID, Approval: say, Now: now},
		returns.Decline{ID: returnID, Now: now},
		returns.RequestLabel{ID: returnID, OperationID: "op1", Now: now},
		returns.RecordLabelOutcome{ID: returnID, OperationID: "op9", Outcome: returns.LabelFailed, Now: now},
		returns.RecordTracking{ID: returnID, Carrier: "dhl", TrackingNumber: "JD01", Now: now},
		returns.Receive{ID: returnID, ReceiptID: "r1", Location: "BER1", Lines: []returns.LineQuantity{units("1", 1)}, Now: now},
		returns.Inspect{ID: returnID, InspectionID: "i1", Lines: []returns.Grade{{LineID: "1", Quantity: 1, Outcome: returns.OutcomeMissing}}, Now: now},
		returns.Regrade{ID: returnID, RegradeID: "g1", LineID: "1", Quantity: 1, From: returns.OutcomeWrongItem, To: returns.OutcomeDamaged, Now: now},
		returns.RecordRestocked{ID: returnID, RestockID: "s1", Lines: []returns.RestockLine{{LineID: "1", Location: "BER1", Quantity: 1}}, Now: now},
		returns.RecordRefundGranted{
			ID: returnID, RefundID: "f1", Lines: []returns.RefundLine{{LineID: "1", Quantity: 1, Amount: eur(1000)}}, Fees: eur(500), Total: eur(500), Now: now,
		},
		returns.LinkReplacement{ID: returnID, OrderID: otherID, Total: eur(1500), Now: now},
		returns.FlagManualRefund{ID: returnID, FlagID: "m1", Reason: "the card is closed", Now: now},
		returns.Close{ID: returnID, Now: now},
		returns.Cancel{ID: returnID, Now: now},
		returns.Expire{ID: returnID, Deadline: now, Now: now},
	}
}

// verdict names what a decision came to: the types of its events, "done", or the code of its refusal.
func verdict(events []returns.Event, err error) string {
	if err != nil {
		if r, ok := errors.AsType[domain.Refusal](err); ok {
			return r.RefusalCode()
		}
		return "fault: " + err.Error()
	}
	if len(events) == 0 {
		return "done"
	}
	types := make([]string, len(events))
	for i, e := range events {
		types[i] = strings.TrimPrefix(e.EventType(), "return.")
	}
	return strings.Join(types, " ")
}

// TestEveryCommandInEveryStatus is the state machine: each row a status, each column a command.
func TestEveryCommandInEveryStatus(t *testing.T) {
	t.Parallel()
	const (
		bad   = "invalid-return-transition"
		gone  = "return-not-found"
		con   = "return-conflict"
		done  = "done"
		here  = "return-already-received"
		noDue = "return-restock-exceeds-due"
		noPay = "return-refund-exceeds-due"
		odd   = "anomaly_detected"
		flag  = "manual_refund_required"
		label = "label_requested"
		link  = "replacement_linked"
		go1   = "in_transit"
		go2   = "in_transit anomaly_detected"
		got   = "items_received"
		got2  = "items_received anomaly_detected"
		more  = "unexpected_items_received"
		more2 = "unexpected_items_received anomaly_detected"
		grade = "items_inspected"
	)
	table := map[returns.Status][]string{
		// request approve decline label outcome tracking receive inspect regrade restocked refund link flag close cancel expire
		returns.StatusNone:              {"requested", gone, gone, gone, gone, gone, gone, gone, gone, gone, gone, gone, gone, gone, gone, gone},
		returns.StatusRequested:         {done, "approved", "declined", bad, odd, go2, got2, bad, bad, noDue, bad, bad, flag, bad, "cancelled", "expired"},
		returns.StatusApproved:          {done, con, bad, label, odd, go1, got, grade, bad, noDue, noPay, link, flag, bad, "cancelled", "expired"},
		returns.StatusInTransit:         {done, con, bad, label, odd, go1, got, grade, bad, noDue, noPay, link, flag, bad, bad, "expired"},
		returns.StatusPartiallyReceived: {done, con, bad, label, odd, go1, got, grade, bad, noDue, noPay, link, flag, bad, here, "expired"},
		returns.StatusReceived:          {done, con, bad, bad, odd, go1, more, grade, bad, noDue, noPay, link, flag, bad, here, here},
		returns.StatusInspected:         {done, con, bad, bad, odd, go1, more, bad, "item_regraded", noDue, noPay, link, flag, "closed", here, here},
		returns.StatusClosed:            {done, con, bad, bad, odd, go2, more2, bad, bad, noDue, noPay, bad, flag, done, bad, bad},
		returns.StatusDeclined:          {done, bad, done, bad, odd, go2, more2, bad, bad, noDue, bad, bad, flag, bad, bad, bad},
		returns.StatusCancelled:         {done, con, bad, bad, odd, go2, more2, bad, bad, noDue, bad, bad, flag, bad, done, bad},
		returns.StatusExpired:           {done, con, bad, bad, odd, go2, more2, bad, bad, noDue, bad, bad, flag, bad, bad, done},
	}
	if len(table) != len(returns.Statuses())+1 {
		t.Fatalf("the table has %d rows, there are %d statuses and none", len(table), len(returns.Statuses()))
	}
	refused := []string{bad, gone, con, done, here, noDue, noPay}
	for s, row := range table {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			if got := inStatus(t, s).Status(); got != s {
				t.Fatalf("the status is %s", got)
			}
			for n, c := range commands() {
				r := inStatus(t, s)
				before := fmt.Sprintf("%+v", r)
				events, err := returns.Decide(r, c)
				got := verdict(events, err)
				if got != row[n] {
					t.Errorf("%s gives %q (%v), want %q", c.CommandType(), got, err, row[n])
				}
				if fmt.Sprintf("%+v", r) != before {
					t.Errorf("deciding %s changed the return", c.CommandType())
				}
				if slices.Contains(returns.Allowed(r), c.CommandType()) == slices.Contains(refused, got) {
					t.Errorf("%s gives %q, but allowed are %v", c.CommandType(), got, returns.Allowed(r))
				}
				for _, e := range events {
					returns.Evolve(r, e)
				}
				if again, err := returns.Decide(r, c); len(events) > 0 && (len(again) > 0 || err != nil) {
					t.Errorf("%s a second time gives %q (%v), want nothing", c.CommandType(), verdict(again, err), err)
				}
			}
		})
	}
}

// TestRefusedTransitionSaysWhatIsPossible looks at the values of the refusal.
func TestRefusedTransitionSaysWhatIsPossible(t *testing.T) {
	t.Parallel()
	_, err := returns.Decide(inStatus(t, returns.StatusDeclined), returns.Close{ID: returnID, Now: t0})
	want := returns.InvalidTransition{Command: "return.close", Status: returns.StatusDeclined, Allowed: []string{
		"return.record_label_outcome", "return.record_tracking", "return.receive", "return.flag_manual_refund",
	}}
	if !reflect.DeepEqual(err, want) {
		t.Errorf("refused with %#v, want %#v", err, want)
	}
}

func TestStatusNames(t *testing.T) {
	t.Parallel()
	var names []string
	for _, s := range append(returns.Statuses(), returns.StatusNone, returns.Status(99)) {
		names = append(names, s.String())
	}
	if got, want := strings.Join(names, " "), "requested approved in_transit partially_received received inspected closed "+
		"declined cancelled expired none status(99)"; got != want {
		t.Errorf("got %s", got)
	}
	if b, err := returns.StatusInTransit.MarshalJSON(); err != nil || string(b) != `"in_transit"` {
		t.Errorf("got %s (%v)", b, err)
	}
}

func TestStreamNames(t *testing.T) {
	t.Parallel()
	if id, ok := returns.ParseStream(returns.Stream(returnID)); !ok || id != returnID {
		t.Errorf("got %q, %t", id, ok)
	}
	for _, s := range []string{"", "return-", "stock-A@B", "order-1", "returns-1"} {
		if id, ok := returns.ParseStream(s); ok {
			t.Errorf("%q names return %q", s, id)
		}
	}
}
