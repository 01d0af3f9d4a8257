package processes_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"waybill/commands"
	"waybill/domain"
	"waybill/domain/order"
	"waybill/domain/stock"
	"waybill/processes"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// placed is an order with line 1 (3 × A), line 2 (1 × B) and line 3 (2 × A), and a line that is not goods.
func placed(change func(*order.Details)) processes.Event {
	d := order.Details{
		ReservePolicy: order.ReserveOnOrder,
		PaymentTerms:  order.PaymentTerms{Kind: order.PaymentOffline},
		Lines: []order.Line{
			{ID: "1", SKU: "A", Quantity: 3, RequiresShipping: true},
			{ID: "2", SKU: "B", Quantity: 1, RequiresShipping: true, Location: "BER"},
			{ID: "3", SKU: "A", Quantity: 2, RequiresShipping: true, AllowBackorder: true},
			{ID: "4", SKU: "GIFT-CARD", Quantity: 1},
		},
	}
	if change != nil {
		change(&d)
	}
	return processes.Event{Body: order.Placed{OrderID: "o1", Details: d, At: domain.TimeOf(t0)}, Now: t0}
}

func accepted(step string) processes.Input { return processes.Accepted{Key: "o1", Step: step, Now: t0} }

func refused(step, code, state string) processes.Input {
	values, _ := json.Marshal(map[string]any{"sku": "A", "location": "MAIN", "requested": 5, "available": 4})
	return processes.Refused{Key: "o1", Step: step, Now: t0, Refusal: &commands.Refused{Code: code, State: state, Detail: "because", Values: values}}
}

func fired(name string, after time.Duration) processes.Input {
	return processes.Fired{Key: "o1", Name: name, Due: t0.Add(after), Now: t0.Add(after)}
}

func event(body any) processes.Input { return processes.Event{Body: body, Now: t0} }

func cancelled(lines ...order.CancelledLine) processes.Input {
	return event(order.LinesCancelled{Lines: lines})
}

// told is a reaction in words.
func told(r processes.Reaction) string {
	var words []string
	for _, c := range r.Commands {
		words = append(words, fmt.Sprintf("%s(%d)", c.Step, len(c.Steps)))
	}
	for _, t := range r.Timers {
		words = append(words, fmt.Sprintf("%s+%s", t.Name, t.Due.Sub(t0)))
	}
	for _, n := range r.Cancel {
		words = append(words, "-"+n)
	}
	if r.Waiting.For != "" {
		words = append(words, "waits:"+r.Waiting.For)
	}
	if r.Done {
		words = append(words, "done")
	}
	return strings.Join(words, " ")
}

func TestPlacement(t *testing.T) {
	t.Parallel()
	prepaid := func(d *order.Details) { d.PaymentTerms.Kind = order.PaymentPrepaid }
	hold := order.HoldActive{}.RefusalCode()
	tests := map[string][]struct {
		in   processes.Input
		want string
	}{
		"straight through": {
			{placed(nil), "reserve-1(2)"},
			{accepted("reserve-1"), "confirm-1(3)"},
			{accepted("confirm-1"), "-reservation -hold done"},
		},
		"placed twice": {
			{placed(nil), "reserve-1(2)"},
			{accepted("reserve-1"), "confirm-1(3)"},
			{accepted("confirm-1"), "-reservation -hold done"},
			{placed(nil), "done"},
		},
		"nothing to reserve": {
			{placed(func(d *order.Details) { d.ReservePolicy = order.ReserveNone }), "confirm-0(1)"},
			{accepted("confirm-0"), "-reservation -hold done"},
		},
		"not enough stock": {
			{placed(nil), "reserve-1(2)"},
			{refused("reserve-1", "insufficient-stock", ""), "reject-1(1)"},
			{accepted("reject-1"), "-reservation -hold done"},
		},
		"cancelled before stock was found short": {
			{placed(nil), "reserve-1(2)"},
			{refused("reserve-1", "insufficient-stock", ""), "reject-1(1)"},
			{refused("reject-1", "invalid-transition", "cancelled"), "-reservation -hold done"},
		},
		"cancelled before it was confirmed": {
			{placed(nil), "reserve-1(2)"},
			{accepted("reserve-1"), "confirm-1(3)"},
			{refused("confirm-1", "invalid-transition", "cancelled"), "release-1-stock-A@MAIN-0(1) release-1-stock-B@BER-0(1) -reservation -hold done"},
			{accepted("release-1-stock-A@MAIN-0"), "done"},
			{refused("release-1-stock-B@BER-0", "reservation-closed", ""), "done"},
			{cancelled(order.CancelledLine{LineID: "1", Quantity: 3}, order.CancelledLine{LineID: "2", Quantity: 1}), "done"},
		},
		"a line is cancelled after it was confirmed": {
			{placed(nil), "reserve-1(2)"},
			{accepted("reserve-1"), "confirm-1(3)"},
			{accepted("confirm-1"), "-reservation -hold done"},
			{cancelled(order.CancelledLine{LineID: "1", Quantity: 2}), "release-1-stock-A@MAIN-1(1) done"},
		},
		"reservation lapsed once": {
			{placed(nil), "reserve-1(2)"},
			{accepted("reserve-1"), "confirm-1(3)"},
			{refused("confirm-1", "reservation-expired", ""), "reserve-2(2)"},
			{accepted("reserve-2"), "confirm-2(3)"},
			{accepted("confirm-2"), "-reservation -hold done"},
		},
		"reservation lapses for ever": {
			{placed(nil), "reserve-1(2)"},
			{accepted("reserve-1"), "confirm-1(3)"},
			{refused("confirm-1", "reservation-expired", ""), "reserve-2(2)"},
			{accepted("reserve-2"), "confirm-2(3)"},
			{refused("confirm-2", "reservation-expired", ""), "reserve-3(2)"},
			{accepted("reserve-3"), "confirm-3(3)"},
			{refused("confirm-3", "reservation-expired", ""), "reject-3(1)"},
		},
		"a hold is told of after the refusal that it caused": {
			{placed(nil), "reserve-1(2)"},
			{accepted("reserve-1"), "confirm-1(3)"},
			{refused("confirm-1", hold, ""), "reservation+15m0s waits:hold"},
			{event(order.HoldPlaced{HoldID: "h", Blocks: []order.Verb{order.VerbConfirm}, Until: domain.TimeOf(t0.Add(time.Minute))}), "hold+1m0s waits:hold"},
			{fired("hold", time.Minute), "confirm-1(3)"},
		},
		"of two holds the longer one is released": {
			{placed(nil), "reserve-1(2)"},
			{event(order.HoldPlaced{HoldID: "far", Blocks: []order.Verb{order.VerbConfirm}, Until: domain.TimeOf(t0.Add(time.Hour))}), ""},
			{event(order.HoldPlaced{HoldID: "near", Blocks: []order.Verb{order.VerbConfirm}, Until: domain.TimeOf(t0.Add(time.Minute))}), ""},
			{accepted("reserve-1"), "confirm-1(3)"},
			{refused("confirm-1", hold, ""), "reservation+15m0s hold+1m0s waits:hold"},
			{event(order.HoldReleased{HoldID: "far"}), "confirm-1(3)"},
			{refused("confirm-1", hold, ""), "reservation+15m0s hold+1m0s waits:hold"},
			{fired("hold", time.Minute), "confirm-1(3)"},
		},
		"of two holds the shorter one ends first": {
			{placed(func(d *order.Details) { d.ReservePolicy = order.ReserveNone }), "confirm-0(1)"},
			{event(order.HoldPlaced{HoldID: "far", Blocks: []order.Verb{order.VerbConfirm}, Until: domain.TimeOf(t0.Add(time.Hour))}), ""},
			{event(order.HoldPlaced{HoldID: "near", Blocks: []order.Verb{order.VerbConfirm}, Until: domain.TimeOf(t0.Add(time.Minute))}), ""},
			{refused("confirm-0", hold, ""), "hold+1m0s waits:hold"},
			{fired("hold", time.Minute), "confirm-0(1)"},
			{processes.Refused{Key: "o1", Step: "confirm-0", Now: t0.Add(time.Minute), Refusal: &commands.Refused{Code: hold}}, "hold+1h0m0s waits:hold"},
		},
		"all goods of a held order are cancelled, and a line that is none is left": {
			{placed(nil), "reserve-1(2)"},
			{accepted("reserve-1"), "confirm-1(3)"},
			{refused("confirm-1", hold, ""), "reservation+15m0s waits:hold"},
			{cancelled(order.CancelledLine{LineID: "1", Quantity: 3}, order.CancelledLine{LineID: "2", Quantity: 1}, order.CancelledLine{LineID: "3", Quantity: 2}), "release-1-stock-A@MAIN-0(1) release-1-stock-B@BER-0(1) waits:hold"},
			{fired("reservation", 15*time.Minute), "yield-1(1) waits:hold"},
			{refused("yield-1", hold, "pending"), "waits:hold"},
			{event(order.HoldReleased{HoldID: "h"}), "confirm-1(1)"},
			{accepted("confirm-1"), "-reservation -hold done"},
		},
		"all goods of an unpaid order are cancelled, and a line that is none is left": {
			{placed(func(d *order.Details) {
				d.ReservePolicy, d.PaymentTerms = order.ReserveOnPayment, order.PaymentTerms{Kind: order.PaymentPrepaid, PayBy: domain.TimeOf(t0.Add(time.Minute))}
			}), "reservation+1m0s waits:payment"},
			{cancelled(order.CancelledLine{LineID: "1", Quantity: 3}, order.CancelledLine{LineID: "2", Quantity: 1}, order.CancelledLine{LineID: "3", Quantity: 2}), "waits:payment"},
			{fired("reservation", time.Minute), "expire-0(1) waits:payment"},
			{accepted("expire-0"), "-reservation -hold done"},
		},
		"a held order without goods is cancelled": {
			{placed(func(d *order.Details) { d.Lines = d.Lines[3:] }), "confirm-0(1)"},
			{refused("confirm-0", hold, ""), "waits:hold"},
			{cancelled(order.CancelledLine{LineID: "4", Quantity: 1}), "-reservation -hold done"},
		},
		"a hold is released in time": {
			{placed(nil), "reserve-1(2)"},
			{event(order.HoldPlaced{HoldID: "h", Blocks: []order.Verb{order.VerbConfirm}}), ""},
			{accepted("reserve-1"), "confirm-1(3)"},
			{refused("confirm-1", hold, "pending"), "reservation+15m0s waits:hold"},
			{event(order.HoldReleased{HoldID: "h"}), "confirm-1(3)"},
			{accepted("confirm-1"), "-reservation -hold done"},
		},
		"a hold outlasts the reservation": {
			{placed(nil), "reserve-1(2)"},
			{accepted("reserve-1"), "confirm-1(3)"},
			{refused("confirm-1", hold, "pending"), "reservation+15m0s waits:hold"},
			{fired("reservation", 15*time.Minute), "yield-1(3) waits:hold"},
			{refused("yield-1", hold, "pending"), "lapse-1(2) waits:hold"},
			{accepted("lapse-1"), "waits:hold"},
			{event(order.HoldReleased{HoldID: "h"}), "reserve-2(2)"},
		},
		"confirmed, and the crash that took the memory of it lasted": {
			{placed(nil), "reserve-1(2)"},
			{accepted("reserve-1"), "confirm-1(3)"},
			{refused("confirm-1", hold, "pending"), "reservation+15m0s waits:hold"},
			{fired("reservation", time.Hour), "yield-1(3) waits:hold"},
			{accepted("yield-1"), "-reservation -hold done"},
		},
		"reserved in an earlier run, before units were cancelled": {
			{placed(nil), "reserve-1(2)"},
			{cancelled(order.CancelledLine{LineID: "1", Quantity: 2}), ""},
			{processes.Accepted{Key: "o1", Step: "reserve-1", Now: t0, Result: commands.Result{Events: []commands.Caused{
				{Event: stock.Reserved{OrderID: "o1", Reservations: []stock.Granted{{ReservationID: "o1:1:1", FromStock: 3}, {ReservationID: "o1:3:1", FromStock: 1, Backordered: 1}}}},
			}}}, "release-1-stock-A@MAIN-1(1) confirm-1(3)"},
		},
		"a hold ends by itself": {
			{placed(nil), "reserve-1(2)"},
			{event(order.HoldPlaced{HoldID: "h", Blocks: []order.Verb{order.VerbConfirm}, Until: domain.TimeOf(t0.Add(time.Hour))}), ""},
			{accepted("reserve-1"), "confirm-1(3)"},
			{refused("confirm-1", hold, "pending"), "reservation+15m0s hold+1h0m0s waits:hold"},
			{fired("hold", time.Hour), "confirm-1(3)"},
		},
		"wants money first, which does not come": {
			{placed(prepaid), "reserve-1(2)"},
			{accepted("reserve-1"), "reservation+15m0s waits:payment"},
			{fired("reservation", 15*time.Minute), "expire-1(3) waits:payment"},
			{accepted("expire-1"), "-reservation -hold done"},
			{fired("reservation", 15*time.Minute), "done"},
		},
		"wants money by a day": {
			{placed(func(d *order.Details) { prepaid(d); d.PaymentTerms.PayBy = domain.TimeOf(t0.Add(72 * time.Hour)) }), "reserve-1(2)"},
			{accepted("reserve-1"), "reservation+72h0m0s waits:payment"},
		},
		"clock runs ahead of the reservation": {
			{placed(prepaid), "reserve-1(2)"},
			{accepted("reserve-1"), "reservation+15m0s waits:payment"},
			{fired("reservation", 15*time.Minute), "expire-1(3) waits:payment"},
			{refused("expire-1", "reservation-not-due", "pending"), "reservation+1s waits:payment"},
		},
		"cancelled while it waits for money": {
			{placed(prepaid), "reserve-1(2)"},
			{accepted("reserve-1"), "reservation+15m0s waits:payment"},
			{cancelled(order.CancelledLine{LineID: "1", Quantity: 3}, order.CancelledLine{LineID: "2", Quantity: 1}, order.CancelledLine{LineID: "3", Quantity: 2}, order.CancelledLine{LineID: "4", Quantity: 1}), "release-1-stock-A@MAIN-0(1) release-1-stock-B@BER-0(1) -reservation -hold done"},
			{fired("reservation", 15*time.Minute), "done"},
		},
	}
	for name, turns := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := processes.Adapt(processes.Placement{})
			var state []byte
			for i, turn := range turns {
				next, r, err := p.React(state, turn.in)
				if err != nil {
					t.Fatalf("input %d: %v", i, err)
				}
				if got := told(r); got != turn.want {
					t.Fatalf("input %d: got %q, want %q", i, got, turn.want)
				}
				state = next
			}
		})
	}
}

func TestPlacementHasNoAnswer(t *testing.T) {
	t.Parallel()
	p := processes.Adapt(processes.Placement{})
	state, _, err := p.React(nil, placed(nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.React(state, refused("confirm-1", "something-new", "")); err == nil {
		t.Error("a refusal that nobody foresaw was passed over")
	}
	if _, _, err := p.React(state, event(order.Confirmed{})); err == nil {
		t.Error("an event that was not asked for was passed over")
	}
	if _, _, err := p.React([]byte{0xc1}, placed(nil)); err == nil {
		t.Error("a state that cannot be read was passed over")
	}
}
