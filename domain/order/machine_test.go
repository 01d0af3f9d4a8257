package order_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"waybill/domain"
	"waybill/domain/order"
)

// later is how long after t0 the commands of these tests arrive: after everything else, and after the deadline of the order.
const later = 7_200_000_000

// inLifecycle returns an order in lifecycle l.
func inLifecycle(tb testing.TB, l order.Lifecycle) *order.Order {
	tb.Helper()
	p := placed(tb, details())
	switch l {
	case order.LifecycleNone:
		return new(order.Order)
	case order.LifecyclePending:
		return evolve(p)
	case order.LifecycleConfirmed:
		return evolve(p, order.Confirmed{At: t0})
	case order.LifecycleRejected:
		return evolve(p, order.Rejected{Rejection: order.Rejection{Reason: order.RejectFraud}, At: t0})
	case order.LifecycleExpired:
		return evolve(p, order.Expired{Deadline: t0, At: t0})
	case order.LifecycleCancelled:
		return cancelled(tb, evolve(p))
	case order.LifecycleCompleted:
		o := evolve(p, order.Confirmed{At: t0})
		ship(tb, o, "f0", 3)
		do(tb, o, order.RecordDelivered{ID: orderID, FulfilmentID: "f0", ParcelID: "b0", Now: t0})
		do(tb, o, order.RecordPaymentPosition{ID: orderID, Position: position("p0", 1, order.PaymentStateCaptured, 3485, 3485, 0), Now: t0})
		do(tb, o, order.Complete{ID: orderID, Now: t0})
		return o
	case order.LifecycleCancelling:
		o := evolve(p, order.Confirmed{At: t0})
		do(tb, o, order.RecordPaymentPosition{ID: orderID, Position: position("p0", 1, order.PaymentStateAuthorised, 3485, 0, 0), Now: t0})
		do(tb, o, order.Cancel{ID: orderID, CancellationID: "c0", Now: t0})
		return o
	}
	tb.Fatalf("no order in lifecycle %s", l)
	return nil
}

// ship hands n units of line 1 out to a fulfilment, which sends them in parcel b0.
func ship(tb testing.TB, o *order.Order, fulfilment string, n int64) {
	tb.Helper()
	do(tb, o, order.AssignFulfilment{ID: orderID, FulfilmentID: fulfilment, Location: "BER1", Lines: one(n), Now: t0})
	do(tb, o, order.RecordShipped{ID: orderID, FulfilmentID: fulfilment, ParcelID: "b0", Lines: one(n), Now: t0})
}

func cancelled(tb testing.TB, o *order.Order) *order.Order {
	tb.Helper()
	events, err := order.Decide(o, order.Cancel{ID: orderID, CancellationID: "c0", Now: t0})
	if err != nil {
		tb.Fatal(err)
	}
	for _, e := range events {
		order.Evolve(o, e)
	}
	return o
}

// commands returns one of every command, such that only the state can refuse it.
func commands() []order.Command {
	now := t0 + later
	return []order.Command{
		order.Place{ID: orderID, Details: details(), Now: now},
		order.Confirm{ID: orderID, Now: now},
		order.Reject{ID: orderID, Rejection: order.Rejection{Reason: order.RejectFraud}, Now: now},
		order.Expire{ID: orderID, Now: now},
		order.PlaceHold{ID: orderID, HoldID: "h1", Kind: order.HoldFraud, Now: now},
		order.ReleaseHold{ID: orderID, HoldID: "h1", Now: now},
		order.Cancel{ID: orderID, CancellationID: "c1", Now: now},
		order.AddNote{ID: orderID, NoteID: "n1", Text: domain.NewPersonal("hello"), Now: now},
		order.Tag{ID: orderID, Tags: []string{"vip"}, Now: now},
		order.Untag{ID: orderID, Tags: []string{"gift"}, Now: now},
		order.RecordPaymentPosition{ID: orderID, Position: position("p1", 1, order.PaymentStateAuthorised, 3485, 0, 0), Now: now},
		order.AssignFulfilment{ID: orderID, FulfilmentID: "f1", Location: "BER1", Lines: one(1), Now: now},
		order.UnassignFulfilment{ID: orderID, FulfilmentID: "f1", UnassignmentID: "u1", Reason: order.UnassignRejected, Now: now},
		order.RecordShipped{ID: orderID, FulfilmentID: "f9", ParcelID: "b1", Lines: one(1), Now: now},
		order.RecordDelivered{ID: orderID, FulfilmentID: "f9", ParcelID: "b2", Lines: one(1), Now: now},
		order.Complete{ID: orderID, Now: now},
		order.Archive{ID: orderID, Now: now},
		order.CompleteCancellation{ID: orderID, CancellationID: "c0", Now: now},
		order.DeclineCancellation{ID: orderID, CancellationID: "c0", Now: now},
		order.ChangeShippingAddress{ID: orderID, Address: order.Address{Lines: []domain.Personal{domain.NewPersonal("1 High Street")}}, Now: now},
		order.LinkCustomer{ID: orderID, CustomerID: "17850", Now: now},
		order.ProposeAmendment{
			ID: orderID, AmendmentID: "a1", BaseVersion: 1, Now: now, Totals: more(details().Totals, 100),
			Ops: []order.AmendOp{{Kind: order.AmendAddSurcharge, Surcharge: &order.Surcharge{ID: "x", Amount: eur(100), Total: eur(100)}}},
		},
		order.AcceptAmendment{ID: orderID, AmendmentID: "a9", Now: now},
		order.WithdrawAmendment{ID: orderID, AmendmentID: "a9", Now: now},
		order.GrantRefund{ID: orderID, RefundID: "r1", Basis: order.RefundGoodwill, Adjustment: eur(100), Now: now},
		order.RecordRefundSettled{ID: orderID, RefundID: "r9", Legs: []order.RefundLeg{{PaymentID: "p1", OperationID: "op1", Amount: eur(100)}}, Now: now},
		order.RecordRefundFailed{ID: orderID, RefundID: "r9", PaymentID: "p1", OperationID: "op1", Now: now},
		order.AuthoriseReturn{ID: orderID, ReturnID: "t1", Lines: one(1), Now: now},
		order.ReleaseReturn{ID: orderID, ReturnID: "t9", ReleaseID: "x1", Now: now},
		order.RecordReturnOutcome{ID: orderID, ReturnID: "t9", OutcomeID: "g1", Lines: []order.OutcomeLine{{LineID: "1", Quantity: 1, Outcome: order.OutcomeDamaged}}, Now: now},
	}
}

// more returns totals with a surcharge more.
func more(t order.Totals, surcharge int64) order.Totals {
	t.Surcharge.Minor += surcharge
	t.Grand.Minor += surcharge
	return t
}

// one returns n units of line 1.
func one(n int64) []order.LineQuantity { return []order.LineQuantity{{LineID: "1", Quantity: n}} }

// verdict names what a decision came to: the types of its events, "done", or the code of its refusal.
func verdict(events []order.Event, err error) string {
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
		types[i] = strings.TrimPrefix(e.EventType(), "order.")
	}
	return strings.Join(types, " ")
}

// TestEveryCommandInEveryLifecycle is the state machine: each row a lifecycle, each column a command.
func TestEveryCommandInEveryLifecycle(t *testing.T) {
	t.Parallel()
	const (
		bad  = "invalid-transition"
		gone = "order-not-found"
		dup  = "order-already-placed"
		done = "done"
		hold = "hold_placed"
		unk  = "unknown-hold"
		all  = "lines_cancelled cancelled"
	)
	const (
		pos  = "payment_position_changed"
		late = "payment_position_changed anomaly_detected"
	)
	const (
		noFul = "unknown-fulfilment"
		odd   = "anomaly_detected"
		arch  = "archived"
	)
	more := map[order.Lifecycle][]string{
		//                          position assign unassign shipped delivered complete archive
		order.LifecycleNone:       {gone, gone, gone, gone, gone, gone, gone},
		order.LifecyclePending:    {pos, bad, noFul, odd, odd, bad, bad},
		order.LifecycleConfirmed:  {pos, "fulfilment_assigned", noFul, odd, odd, "order-not-settled", bad},
		order.LifecycleCompleted:  {pos, bad, noFul, odd, odd, done, arch},
		order.LifecycleRejected:   {late, bad, noFul, odd, odd, bad, arch},
		order.LifecycleExpired:    {late, bad, noFul, odd, odd, bad, arch},
		order.LifecycleCancelling: {pos, bad, noFul, odd, odd, bad, bad},
		order.LifecycleCancelled:  {late, bad, noFul, odd, odd, bad, arch},
	}
	const (
		noRef = "unknown-refund"
		noRet = "unknown-return"
	)
	back := map[order.Lifecycle][]string{
		//                          refund settled failed return release outcome
		order.LifecycleNone:       {gone, gone, gone, gone, gone, gone},
		order.LifecyclePending:    {bad, noRef, noRef, bad, noRet, noRet},
		order.LifecycleConfirmed:  {"refund-exceeds-entitlement", noRef, noRef, "quantity-exceeds-shipped", noRet, noRet},
		order.LifecycleCompleted:  {"refund_granted", noRef, noRef, "return_authorised", noRet, noRet},
		order.LifecycleRejected:   {bad, noRef, noRef, bad, noRet, noRet},
		order.LifecycleExpired:    {bad, noRef, noRef, bad, noRet, noRet},
		order.LifecycleCancelling: {bad, noRef, noRef, bad, noRet, noRet},
		order.LifecycleCancelled:  {bad, noRef, noRef, bad, noRet, noRet},
	}
	const (
		noCan = "unknown-cancellation"
		noAm  = "unknown-amendment"
	)
	ends := map[order.Lifecycle][]string{
		//                          complete decline address customer amend accept withdraw
		order.LifecycleNone:       {gone, gone, gone, gone, gone, gone, gone},
		order.LifecyclePending:    {noCan, noCan, "shipping_address_changed", done, "amendment_proposed", noAm, noAm},
		order.LifecycleConfirmed:  {noCan, noCan, "shipping_address_changed", done, "amendment_proposed", noAm, noAm},
		order.LifecycleCompleted:  {noCan, noCan, bad, done, bad, noAm, noAm},
		order.LifecycleRejected:   {noCan, noCan, bad, done, bad, noAm, noAm},
		order.LifecycleExpired:    {noCan, noCan, bad, done, bad, noAm, noAm},
		order.LifecycleCancelling: {all, "cancellation_declined", bad, done, bad, noAm, noAm},
		order.LifecycleCancelled:  {done, "cancellation-closed", bad, done, bad, noAm, noAm},
	}
	table := map[order.Lifecycle][]string{
		//                          place     confirm      reject      expire     hold  release cancel note          tag       untag
		order.LifecycleNone:       {"placed", gone, gone, gone, gone, gone, gone, gone, gone, gone},
		order.LifecyclePending:    {dup, "confirmed", "rejected", "expired", hold, unk, all, "note_added", "tagged", "untagged"},
		order.LifecycleConfirmed:  {dup, done, bad, bad, hold, unk, all, "note_added", "tagged", "untagged"},
		order.LifecycleCompleted:  {dup, done, bad, bad, bad, unk, bad, "note_added", "tagged", "untagged"},
		order.LifecycleRejected:   {dup, bad, done, bad, bad, unk, bad, "note_added", "tagged", "untagged"},
		order.LifecycleExpired:    {dup, bad, bad, done, bad, unk, bad, "note_added", "tagged", "untagged"},
		order.LifecycleCancelling: {dup, bad, bad, bad, hold, unk, done, "note_added", "tagged", "untagged"},
		order.LifecycleCancelled:  {dup, bad, bad, bad, bad, unk, done, "note_added", "tagged", "untagged"},
	}
	if len(table) != len(order.Lifecycles())+1 {
		t.Fatalf("the table has %d rows, there are %d lifecycles and none", len(table), len(order.Lifecycles()))
	}
	for l, row := range table {
		row = slices.Concat(row, more[l], ends[l], back[l])
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			for n, c := range commands() {
				o := inLifecycle(t, l)
				before := fmt.Sprintf("%+v", o)
				events, err := order.Decide(o, c)
				got := verdict(events, err)
				if got != row[n] {
					t.Errorf("%s gives %q (%v), want %q", c.CommandType(), got, err, row[n])
				}
				if fmt.Sprintf("%+v", o) != before {
					t.Errorf("deciding %s changed the order", c.CommandType())
				}
				if slices.Contains(order.Allowed(o), c.CommandType()) != (len(events) > 0) {
					t.Errorf("%s gives %q, but allowed are %v", c.CommandType(), got, order.Allowed(o))
				}
				for _, e := range events {
					order.Evolve(o, e)
				}
				if len(events) == 0 || c.CommandType() == order.CommandPlace {
					continue
				}
				if again, err := order.Decide(o, c); len(again) > 0 || err != nil {
					t.Errorf("%s a second time gives %q (%v), want nothing", c.CommandType(), verdict(again, err), err)
				}
			}
		})
	}
}

// TestDecisions are the rows that need more than a lifecycle: given events, when a command, then events or a refusal.
func TestDecisions(t *testing.T) {
	t.Parallel()
	p := placed(t, details())
	now := t0 + 5
	shipHold := order.HoldPlaced{HoldID: "h1", Kind: order.HoldFraud, Blocks: []order.Verb{order.VerbCapture, order.VerbShip}, At: t0}
	block := func(id string, v order.Verb, until domain.Time) order.Event {
		return order.HoldPlaced{HoldID: id, Kind: order.HoldManual, Blocks: []order.Verb{v}, Until: until, At: t0}
	}
	cut := order.LinesCancelled{
		CancellationID: "c1", Reason: order.CancelOther, Lines: []order.CancelledLine{{LineID: "1", Quantity: 1, Credit: eur(870)}},
		Credit: eur(870), At: now,
	}
	cancel := func(id string, lines ...order.LineQuantity) order.Cancel {
		return order.Cancel{ID: orderID, CancellationID: id, Lines: lines, Now: now}
	}
	one := one(1)[0]
	note := order.NoteAdded{NoteID: "n1", Text: domain.NewPersonal("a"), At: t0}
	tests := map[string]struct {
		given []order.Event
		when  order.Command
		then  []order.Event
		err   error
	}{
		"a hold on confirm stops it": {
			[]order.Event{p, block("h1", order.VerbConfirm, 0), block("h2", order.VerbConfirm, 0)},
			order.Confirm{ID: orderID, Now: now},
			nil,
			order.HoldActive{Verb: order.VerbConfirm, Holds: []string{"h1", "h2"}},
		},
		"one of two holds released still stops": {
			[]order.Event{p, block("h1", order.VerbConfirm, 0), block("h2", order.VerbConfirm, 0), order.HoldReleased{HoldID: "h1", At: t0}},
			order.Confirm{ID: orderID, Now: now},
			nil,
			order.HoldActive{Verb: order.VerbConfirm, Holds: []string{"h2"}},
		},
		"a hold stops until it runs out": {
			[]order.Event{p, block("h1", order.VerbConfirm, now+1)},
			order.Confirm{ID: orderID, Now: now},
			nil,
			order.HoldActive{Verb: order.VerbConfirm, Holds: []string{"h1"}},
		},
		"a hold that has run out stops nothing": {
			[]order.Event{p, block("h1", order.VerbConfirm, now)}, order.Confirm{ID: orderID, Now: now}, []order.Event{order.Confirmed{At: now}}, nil,
		},
		"a hold on shipping does not stop confirm": {
			[]order.Event{p, shipHold}, order.Confirm{ID: orderID, Now: now}, []order.Event{order.Confirmed{At: now}}, nil,
		},
		"a hold on cancel stops it": {
			[]order.Event{p, block("h1", order.VerbCancel, 0)}, cancel("c1"), nil, order.HoldActive{Verb: order.VerbCancel, Holds: []string{"h1"}},
		},
		"the same hold again is done": {
			[]order.Event{p, shipHold}, order.PlaceHold{ID: orderID, HoldID: "h1", Kind: order.HoldFraud, Now: now}, nil, nil,
		},
		"another hold under the id is refused": {
			[]order.Event{p, shipHold},
			order.PlaceHold{ID: orderID, HoldID: "h1", Kind: order.HoldAddress, Now: now},
			nil,
			order.HoldConflict{HoldID: "h1", Kind: order.HoldFraud, Blocks: shipHold.Blocks},
		},
		"a released hold does not come back": {
			[]order.Event{p, shipHold, order.HoldReleased{HoldID: "h1", At: now}},
			order.PlaceHold{ID: orderID, HoldID: "h1", Kind: order.HoldFraud, Now: now},
			nil,
			order.HoldConflict{HoldID: "h1", Kind: order.HoldFraud, Blocks: shipHold.Blocks, ReleasedAt: now},
		},
		"a hold in the past is refused": {
			[]order.Event{p},
			order.PlaceHold{ID: orderID, HoldID: "h1", Kind: order.HoldFraud, Until: now, Now: now},
			nil,
			domain.InvalidField{Field: "until", Reason: "is not after now"},
		},
		"a hold is released": {
			[]order.Event{p, shipHold}, order.ReleaseHold{ID: orderID, HoldID: "h1", Now: now}, []order.Event{order.HoldReleased{HoldID: "h1", At: now}}, nil,
		},
		"releasing twice is done": {
			[]order.Event{p, shipHold, order.HoldReleased{HoldID: "h1", At: now}}, order.ReleaseHold{ID: orderID, HoldID: "h1", Now: now}, nil, nil,
		},
		"a release on a closed order": {
			[]order.Event{p, shipHold, order.Expired{At: t0}},
			order.ReleaseHold{ID: orderID, HoldID: "h1", Now: now},
			[]order.Event{order.HoldReleased{HoldID: "h1", At: now}},
			nil,
		},
		"units of a line are cancelled":       {[]order.Event{p}, cancel("c1", one), []order.Event{cut}, nil},
		"the same cancellation again is done": {[]order.Event{p, cut}, cancel("c1", one), nil, nil},
		"another cancellation under the id is refused": {
			[]order.Event{p, cut},
			cancel("c1", order.LineQuantity{LineID: "1", Quantity: 2}),
			nil,
			order.CancellationConflict{CancellationID: "c1", Lines: []order.LineQuantity{one}},
		},
		"the whole under the id of a part is refused": {
			[]order.Event{p, cut}, cancel("c1"), nil, order.CancellationConflict{CancellationID: "c1", Lines: []order.LineQuantity{one}},
		},
		"more than is open is refused": {
			[]order.Event{p, cut}, cancel("c2", order.LineQuantity{LineID: "1", Quantity: 3}), nil, order.QuantityExceedsOpen{LineID: "1", Requested: 3, Open: 2},
		},
		"an unknown line is refused": {[]order.Event{p}, cancel("c1", order.LineQuantity{LineID: "9", Quantity: 1}), nil, order.UnknownLine{LineID: "9"}},
		"no units are refused": {
			[]order.Event{p}, cancel("c1", order.LineQuantity{LineID: "1"}), nil, domain.InvalidField{Field: "lines[0].quantity", Reason: "is 0, at least 1 is needed"},
		},
		"a line twice is refused": {[]order.Event{p}, cancel("c1", one, one), nil, domain.InvalidField{Field: "lines[1]", Reason: "repeats the id 1"}},
		"the rest closes the order": {
			[]order.Event{p, cut},
			cancel("c2", order.LineQuantity{LineID: "3", Quantity: 1000}, order.LineQuantity{LineID: "2", Quantity: 1}, order.LineQuantity{LineID: "1", Quantity: 2}),
			[]order.Event{
				order.LinesCancelled{
					CancellationID: "c2", Reason: order.CancelOther, At: now, Credit: eur(1875),
					Lines: []order.CancelledLine{{LineID: "1", Quantity: 2, Credit: eur(1740)}, {LineID: "2", Quantity: 1, Credit: eur(0)}, {LineID: "3", Quantity: 1000, Credit: eur(135)}},
				},
				order.Cancelled{CancellationID: "c2", Reason: order.CancelOther, Credit: eur(740), At: now},
			},
			nil,
		},
		"a deadline in the future is not due": {
			[]order.Event{p}, order.Expire{ID: orderID, Deadline: now + 1, Now: now}, nil, order.NotYetDue{Deadline: now + 1, Now: now},
		},
		"a deadline is due when it comes": {
			[]order.Event{p}, order.Expire{ID: orderID, Deadline: now, Now: now}, []order.Event{order.Expired{Deadline: now, At: now}}, nil,
		},
		"pay_by is the deadline": {
			[]order.Event{p}, order.Expire{ID: orderID, Now: now}, nil, order.NotYetDue{Deadline: p.Details.PaymentTerms.PayBy, Now: now},
		},
		"a rejection for another reason is refused": {
			[]order.Event{p, order.Rejected{Rejection: order.Rejection{Reason: order.RejectFraud}}},
			order.Reject{ID: orderID, Rejection: order.Rejection{Reason: order.RejectOutOfStock}, Now: now},
			nil,
			order.RejectionConflict{Reason: order.RejectFraud, Requested: order.RejectOutOfStock},
		},
		"another note under the id is refused": {
			[]order.Event{p, note}, order.AddNote{ID: orderID, NoteID: "n1", Text: domain.NewPersonal("b"), Now: now}, nil, order.NoteConflict{NoteID: "n1"},
		},
		"an empty note is refused": {
			[]order.Event{p}, order.AddNote{ID: orderID, NoteID: "n1", Now: now}, nil, domain.InvalidField{Field: "text", Reason: "is missing"},
		},
		"only new tags are recorded, sorted": {
			[]order.Event{p}, order.Tag{ID: orderID, Tags: []string{"z", "gift", "a", "z"}, Now: now}, []order.Event{order.Tagged{Tags: []string{"a", "z"}, At: now}}, nil,
		},
		"only tags that are there are taken off": {
			[]order.Event{p}, order.Untag{ID: orderID, Tags: []string{"z", "gift"}, Now: now}, []order.Event{order.Untagged{Tags: []string{"gift"}, At: now}}, nil,
		},
		"no tags are refused": {[]order.Event{p}, order.Tag{ID: orderID, Now: now}, nil, domain.InvalidField{Field: "tags", Reason: "are missing"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events, err := order.Decide(evolve(tt.given...), tt.when)
			if !reflect.DeepEqual(err, tt.err) {
				t.Fatalf("refused with %#v, want %#v", err, tt.err)
			}
			if !reflect.DeepEqual(events, tt.then) {
				t.Errorf("decided\n%+v, want\n%+v", events, tt.then)
			}
		})
	}
}

func TestShippedUnitsNeedAReturn(t *testing.T) {
	t.Parallel()
	o := inLifecycle(t, order.LifecycleConfirmed)
	o.Lines[0].Shipped = 2
	for name, tt := range map[string]struct {
		lines []order.LineQuantity
		want  error
	}{
		"whole": {nil, order.AlreadyShipped{LineID: "1", Requested: 3, Open: 1, Shipped: 2}},
		"line":  {[]order.LineQuantity{{LineID: "1", Quantity: 2}}, order.AlreadyShipped{LineID: "1", Requested: 2, Open: 1, Shipped: 2}},
	} {
		_, err := order.Decide(o, order.Cancel{ID: orderID, CancellationID: "c1", Lines: tt.lines, Now: t0})
		if !reflect.DeepEqual(err, tt.want) {
			t.Errorf("%s: refused with %#v, want %#v", name, err, tt.want)
		}
	}
	events, err := order.Decide(o, order.Cancel{ID: orderID, CancellationID: "c1", Lines: []order.LineQuantity{{LineID: "1", Quantity: 1}}, Now: t0})
	if got := verdict(events, err); got != "lines_cancelled" {
		t.Errorf("the open unit: %s (%v)", got, err)
	}
}

func TestDerivedStatuses(t *testing.T) {
	t.Parallel()
	o := inLifecycle(t, order.LifecyclePending)
	if got := o.FulfilmentStatus(t0); got != order.FulfilmentUnfulfilled {
		t.Errorf("pending: %s", got)
	}
	order.Evolve(o, order.HoldPlaced{HoldID: "h", Kind: order.HoldFraud, Blocks: []order.Verb{order.VerbShip}, Until: t0 + 2, At: t0})
	if got := o.FulfilmentStatus(t0 + 1); got != order.FulfilmentOnHold {
		t.Errorf("held: %s", got)
	}
	if got := o.FulfilmentStatus(t0 + 2); got != order.FulfilmentUnfulfilled {
		t.Errorf("hold ran out: %s", got)
	}
	if got := cancelled(t, o).FulfilmentStatus(t0); got != order.FulfilmentCancelled {
		t.Errorf("cancelled: %s", got)
	}
	if got := o.Due(); got != eur(0) {
		t.Errorf("a cancelled order costs %s", got)
	}
	if got := o.PaymentStatus(); got != order.PaymentNotPaid {
		t.Errorf("payment: %s", got)
	}
}

func TestStreamNames(t *testing.T) {
	t.Parallel()
	if id, ok := order.ParseStream(order.Stream(orderID)); !ok || id != orderID {
		t.Errorf("got %q, %t", id, ok)
	}
	for _, s := range []string{"", "order-", "stock-A@B", "orders-1"} {
		if id, ok := order.ParseStream(s); ok {
			t.Errorf("%q names order %q", s, id)
		}
	}
}
