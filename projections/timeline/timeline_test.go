package timeline_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"waybill/domain"
	"waybill/domain/money"
	"waybill/domain/order"
	"waybill/domain/stock"
	"waybill/eventstore"
	"waybill/projections"
	"waybill/projections/historytest"
	"waybill/projections/keyset"
	"waybill/projections/orderdetail"
	"waybill/projections/timeline"
)

// refusals is what a log's outcomes would be.
type refusals []eventstore.Outcome

func (r refusals) OutcomesByKey(_ context.Context, key string, limit int) ([]eventstore.Outcome, error) {
	var found []eventstore.Outcome
	for _, o := range slices.Backward(r) {
		if o.Verdict.Key == key && len(found) < limit {
			found = append(found, o)
		}
	}
	return found, nil
}

// refuse makes refused commands, and one that changed nothing, all over the life of an order.
func refuse(log *historytest.Log, id string) refusals {
	var r refusals
	meta, err := eventstore.EncodeMeta(eventstore.Meta{Key: id, Actor: "key:console", Command: "order.confirm", CorrelationID: "corr", CausationID: "cause"})
	if err != nil {
		panic(err)
	}
	for i, e := range log.Of(id) {
		for j := range i % 3 {
			r = append(r, eventstore.Outcome{
				CommandID: uuid.NewSHA1(uuid.Nil, fmt.Appendf(nil, "%d/%d", i, j)), RecordedAt: e.RecordedAt.Add(time.Duration(j/2) * time.Second),
				Receipt: eventstore.Receipt{First: e.Position, Last: e.Position},
				Verdict: &eventstore.Verdict{
					Refused: true, Code: "invalid-transition", Key: id, Type: "order.confirm", Meta: meta,
					Data: []byte(`{"v":1,"refusal":{"code":"invalid-transition","detail":"order.confirm is not possible on a cancelled order","values":{"n":9007199254740993}}}`),
				},
			})
		}
		r = append(r, eventstore.Outcome{
			CommandID: uuid.New(), RecordedAt: e.RecordedAt, Receipt: eventstore.Receipt{First: e.Position, Last: e.Position},
			Verdict: &eventstore.Verdict{Key: id, Type: "order.tag", Data: []byte("{}")},
		})
	}
	return r
}

func name(e timeline.Entry) string {
	return fmt.Sprintf("%d %s %s%s", e.Position, e.Kind, e.EventID, e.CommandID)
}

// expected is the merged timeline, oldest first.
func expected(log *historytest.Log, r refusals, id string, types []string) []string {
	type place struct {
		position, rank, at int64
		id, name           string
	}
	var places []place
	in := func(typ string) bool { return len(types) == 0 || slices.Contains(types, typ) }
	for _, e := range log.Of(id) {
		entry := timeline.Entry{Position: e.Position, Kind: timeline.KindEvent, EventID: e.ID.String()}
		if e.CommandID != uuid.Nil {
			entry.CommandID = e.CommandID.String()
		}
		if in(e.Type) {
			places = append(places, place{position: e.Position, name: name(entry)})
		}
	}
	for _, o := range r {
		if o.Verdict.Refused && in(o.Verdict.Type) {
			entry := timeline.Entry{Position: o.Receipt.Last, Kind: timeline.KindRefused, CommandID: o.CommandID.String()}
			places = append(places, place{position: o.Receipt.Last, rank: 1, at: o.RecordedAt.UnixMicro(), id: o.CommandID.String(), name: name(entry)})
		}
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.position, b.position), cmp.Compare(a.rank, b.rank), cmp.Compare(a.at, b.at), cmp.Compare(a.id, b.id))
	})
	names := make([]string, len(places))
	for i := range places {
		names[i] = places[i].name
	}
	return names
}

// Pages of any size, in both directions, are together the events and refused commands in the order of the log.
func TestPagesAreTheWholeTimeline(t *testing.T) {
	log := historytest.Random(41, 1_500)
	pool := historytest.Install(t, timeline.Projection{})
	historytest.Apply(t, pool, timeline.Projection{}, log.Events, 100)
	ids := slices.Clone(log.OrderIDs)
	slices.SortStableFunc(ids, func(a, b string) int { return cmp.Compare(len(log.Of(b)), len(log.Of(a))) })
	stockEvents := 0
	for _, id := range ids[:8] {
		refused := refuse(log, id)
		for _, f := range []timeline.Filter{
			{OldestFirst: true, Limit: 1},
			{Limit: 1},
			{OldestFirst: true, Limit: 3},
			{Limit: 3},
			{Limit: 200},
			{Limit: 2, Types: []string{"order.confirm", "order.placed", "stock.reserved"}},
			{Limit: 2, Types: []string{"order.confirm"}, OldestFirst: true},
		} {
			f.OrderID = id
			want := expected(log, refused, id, f.Types)
			if !f.OldestFirst {
				slices.Reverse(want)
			}
			var got []string
			for {
				page, err := timeline.Get(t.Context(), pool, refused, f)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range page.Data {
					got = append(got, name(e))
					if strings.HasPrefix(e.Stream, "stock-") {
						stockEvents++
					}
				}
				if !page.HasMore {
					break
				}
				f.Cursor = page.NextCursor
			}
			if !slices.Equal(got, want) {
				t.Fatalf("order %s, filter %+v:\n%s\nwant\n%s", id, f, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
	}
	if stockEvents == 0 {
		t.Error("no event of stock in any timeline: the history tests too little")
	}
}

func TestEntries(t *testing.T) {
	log := historytest.New(42)
	id := log.Place()
	pool := historytest.Install(t, timeline.Projection{})
	historytest.Apply(t, pool, timeline.Projection{}, log.Events, 1)
	refused := refuse(log, id)
	refused = append(refused, refusals{{
		CommandID: uuid.New(), RecordedAt: log.Now, Receipt: eventstore.Receipt{First: 1, Last: 1},
		Verdict: &eventstore.Verdict{
			Refused: true, Code: "invalid-transition", Key: id, Type: "order.confirm", Meta: log.Events[0].Event.Meta,
			Data: []byte(`{"v":1,"refusal":{"code":"invalid-transition","detail":"order.confirm is not possible on a cancelled order","values":{"n":9007199254740993}}}`),
		},
	}}...)
	page, err := timeline.Get(t.Context(), pool, refused, timeline.Filter{OrderID: id, OldestFirst: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Data) != 2 {
		t.Fatalf("%d entries, want the event and the refused command", len(page.Data))
	}
	placed, confirm := page.Data[0], page.Data[1]
	e := &log.Events[0]
	if placed.Actor != e.Meta.Actor || placed.CausationID != e.Meta.CausationID || placed.CorrelationID != e.Meta.CorrelationID ||
		placed.Command != "order.place" || placed.Version != 1 || !placed.Time.Equal(e.RecordedAt) || placed.Channel != e.Meta.Channel {
		t.Errorf("entry %+v does not say what event %+v does", placed, e)
	}
	if want := "Refused order.confirm: order.confirm is not possible on a cancelled order."; confirm.Text != want || confirm.Code != "invalid-transition" {
		t.Errorf("refused command says %q (%s), want %q", confirm.Text, confirm.Code, want)
	}
	if !strings.Contains(string(confirm.Payload), `"n":9007199254740993`) {
		t.Errorf("payload %s lost a big number", confirm.Payload)
	}
	without, err := timeline.Get(t.Context(), pool, nil, timeline.Filter{OrderID: id})
	if err != nil || len(without.Data) != 1 {
		t.Errorf("without outcomes: %d entries, %v, want 1", len(without.Data), err)
	}
	for f, want := range map[*timeline.Filter]error{
		{OrderID: id, Limit: 1000}:               keyset.ErrBadFilter,
		{OrderID: "a\x00"}:                       keyset.ErrBadFilter,
		{OrderID: id, Cursor: "nonsense"}:        keyset.ErrBadCursor,
		{OrderID: id, Types: make([]string, 99)}: keyset.ErrBadFilter,
	} {
		if _, err := timeline.Get(t.Context(), pool, refused, *f); !errors.Is(err, want) {
			t.Errorf("filter %+v: %v, want %v", *f, err, want)
		}
	}
}

// Personal data is in a page only for who asks for it.
func TestPersonalData(t *testing.T) {
	log := historytest.New(43)
	id := log.Place()
	pool := historytest.Install(t, timeline.Projection{})
	historytest.Apply(t, pool, timeline.Projection{}, log.Events, 1)
	for _, personal := range []bool{false, true} {
		page, err := timeline.Get(t.Context(), pool, nil, timeline.Filter{OrderID: id, Personal: personal})
		if err != nil {
			t.Fatal(err)
		}
		payload, err := json.Marshal(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"Ada Lovelace", "ada@example.org", "12 St James"} {
			if got := strings.Contains(string(payload), secret); got != personal {
				t.Errorf("asked for personal data %t: page holds %q %t", personal, secret, got)
			}
		}
	}
}

// Events stops where it is told to, and what it returns folds into the order as it was then.
func TestEventsUntil(t *testing.T) {
	log := historytest.Random(44, 600)
	pool := historytest.Install(t, timeline.Projection{})
	historytest.Apply(t, pool, timeline.Projection{}, log.Events, 100)
	// Not the first order: before its first event is no position to ask for.
	id := slices.MaxFunc(log.OrderIDs[1:], func(a, b string) int { return cmp.Compare(len(log.Of(a)), len(log.Of(b))) })
	all := log.Of(id)
	read := func(u timeline.Until) []projections.Event {
		t.Helper()
		events, err := timeline.Events(t.Context(), pool, id, u)
		if err != nil {
			t.Fatal(err)
		}
		return events
	}
	same := func(how string, got, want []projections.Event) {
		t.Helper()
		if len(got) != len(want) {
			t.Fatalf("%s: %d events, want %d", how, len(got), len(want))
		}
		for i := range got {
			g, w := got[i], want[i]
			if g.Position != w.Position || g.ID != w.ID || g.CommandID != w.CommandID || g.Meta != w.Meta || string(g.Data) != string(w.Data) ||
				string(g.Event.Meta) != string(w.Event.Meta) || !g.RecordedAt.Equal(w.RecordedAt) || g.Stream != w.Stream || g.Version != w.Version || g.Type != w.Type || g.Schema != w.Schema {
				t.Fatalf("%s: event %+v\nwant %+v", how, g, w)
			}
		}
	}
	same("all", read(timeline.Until{}), all)
	for i, e := range all {
		upTo := all[:i+1]
		same("position", read(timeline.Until{Position: e.Position}), upTo)
		same("time", read(timeline.Until{At: e.RecordedAt}), upTo)
		same("a microsecond before", read(timeline.Until{At: e.RecordedAt.Add(-time.Microsecond)}), all[:i])
		if e.Stream == "order-"+id {
			events := read(timeline.Until{Version: e.Version})
			same("version", events, upTo)
			d, err := orderdetail.Fold(events)
			if err != nil || d.Version != e.Version || d.Position != e.Position {
				t.Errorf("fold up to version %d: version %d, position %d, %v", e.Version, d.Version, d.Position, err)
			}
		}
	}
	same("before it was placed", read(timeline.Until{Position: all[0].Position - 1}), nil)
	same("a version that is still to come", read(timeline.Until{Version: 1_000_000}), all[:lastOwn(all)+1])
}

// lastOwn returns the place of the last event of the order's own stream.
func lastOwn(events []projections.Event) int {
	last := 0
	for i := range events {
		if strings.HasPrefix(events[i].Stream, "order-") {
			last = i
		}
	}
	return last
}

// samples has one event of every registered type.
func samples() []interface{ EventType() string } {
	note := domain.NewPersonal("secret words")
	cents := money.New(1250, "EUR")
	return []interface{ EventType() string }{
		order.Placed{Details: order.Details{Number: "W-1", Channel: "web", Totals: order.Totals{Grand: cents}, Lines: []order.Line{{ID: "1", SKU: "A", Quantity: 3, UnitPrice: "1", Total: cents, Net: cents}}, Attributes: map[string]string{"b": "2", "a": "1"}}, At: 1_700_000_000_000_000},
		order.Confirmed{At: 1},
		order.Rejected{Rejection: order.Rejection{Reason: order.RejectOutOfStock, Shortages: []order.Shortage{{SKU: "A", Location: "BER1", Requested: 5, Available: 1}}}, At: 1},
		order.Expired{Deadline: 1, At: 2},
		order.HoldPlaced{HoldID: "h1", Kind: order.HoldFraud, Blocks: []order.Verb{order.VerbShip}, Until: 9, Note: note, At: 1},
		order.HoldReleased{HoldID: "h1", Note: note, At: 1},
		order.LinesCancelled{CancellationID: "c1", Reason: order.CancelCustomer, Note: note, Lines: []order.CancelledLine{{LineID: "1", Quantity: 1, Credit: cents}}, Credit: cents, At: 1},
		order.Cancelled{CancellationID: "c1", Reason: order.CancelCustomer, Credit: cents, At: 1},
		order.NoteAdded{NoteID: "n1", Text: note, At: 1},
		order.Tagged{Tags: []string{"vip"}, At: 1},
		order.Untagged{Tags: []string{"vip"}, At: 1},
		order.PaymentPositionChanged{PaymentID: "p1", Version: 2, Status: order.PaymentStatePartiallyCaptured, Authorised: cents, Captured: cents, Pending: cents, At: 1},
		order.AnomalyDetected{Anomaly: order.AnomalyLatePayment, PaymentID: "p1", Amount: cents, At: 1},
		order.FulfilmentAssigned{FulfilmentID: "f1", Location: "BER1", Lines: []order.LineQuantity{{LineID: "1", Quantity: 2}}, At: 1},
		order.FulfilmentUnassigned{FulfilmentID: "f1", UnassignmentID: "u1", Lines: []order.LineQuantity{{LineID: "1", Quantity: 1}}, Reason: order.UnassignShort, At: 1},
		order.LinesShipped{FulfilmentID: "f1", ParcelID: "b1", Lines: []order.LineQuantity{{LineID: "1", Quantity: 1}}, At: 1},
		order.LinesDelivered{FulfilmentID: "f1", ParcelID: "b1", Lines: []order.LineQuantity{{LineID: "1", Quantity: 1}}, Assumed: true, At: 1},
		order.Completed{At: 1},
		order.Archived{At: 1},
		order.AmendmentProposed{AmendmentID: "a1", BaseVersion: 1, Ops: []order.AmendOp{{Kind: order.AmendRemoveLine, LineID: "1"}}, Totals: order.Totals{Grand: cents}, BalanceDelta: cents, At: 1},
		order.Amended{AmendmentID: "a1", Before: order.Totals{Grand: cents}, After: order.Totals{Grand: cents}, BalanceDelta: cents, At: 1},
		order.AmendmentWithdrawn{AmendmentID: "a1", At: 1},
		order.ShippingAddressChanged{Address: order.Address{City: note, Country: "DE"}, At: 1},
		order.CustomerLinked{CustomerID: "cust-1", At: 1},
		order.CancellationRequested{CancellationID: "c1", Lines: []order.LineQuantity{{LineID: "1", Quantity: 2}}, Reason: order.CancelStaff, Note: note, At: 1},
		order.CancellationDeclined{CancellationID: "c1", Lines: []order.LineQuantity{{LineID: "1", Quantity: 2}}, Reason: order.DeclinePacked, Final: true, At: 1},
		order.RefundGranted{RefundID: "r1", Basis: order.RefundReturn, Ref: "t1", Lines: []order.RefundLine{{LineID: "1", Quantity: 1, Amount: cents}}, Shipping: cents, Adjustment: cents, Amount: cents, Reason: "too small", At: 1},
		order.RefundSettled{RefundID: "r1", Legs: []order.RefundLeg{{PaymentID: "p1", OperationID: "op1", Amount: cents}}, At: 1},
		order.RefundSettlementFailed{RefundID: "r1", PaymentID: "p1", OperationID: "op1", Code: "declined", At: 1},
		order.ReturnAuthorised{ReturnID: "t1", Lines: []order.LineQuantity{{LineID: "1", Quantity: 2}}, At: 1},
		order.ReturnReleased{ReturnID: "t1", ReleaseID: "x1", Lines: []order.LineQuantity{{LineID: "1", Quantity: 1}}, At: 1},
		order.LinesReturned{ReturnID: "t1", OutcomeID: "g1", Lines: []order.OutcomeLine{{LineID: "1", Quantity: 1, Outcome: order.OutcomeDamaged}}, At: 1},
		stock.Received{MovementID: "m1", Quantity: 9_007_199_254_740_993, At: 1},
		stock.Adjusted{MovementID: "m1", Delta: -2, At: 1},
		stock.Counted{MovementID: "m1", Counted: 4, Delta: -1, At: 1},
		stock.OversoldDetected{OnHand: 1, Reserved: 3, Short: 2, At: 1},
		stock.Reserved{OrderID: "o1", Reservations: []stock.Granted{{ReservationID: "r1", FromStock: 1, Backordered: 1}}, ExpiresAt: 2, At: 1},
		stock.ReservationExtended{OrderID: "o1", ReservationIDs: []string{"r1"}, ExpiresAt: 2, At: 1},
		stock.ReservationConfirmed{OrderID: "o1", ReservationIDs: []string{"r1"}, At: 1},
		stock.ReservationReleased{OrderID: "o1", Parts: []stock.ReleasedPart{{ReservationID: "r1", FromStock: 1, Closed: true}}, At: 1},
		stock.ReservationExpired{OrderID: "o1", ReservationID: "r1", FromStock: 1, At: 1},
		stock.BackorderPolicySet{Limit: 5, At: 1},
		stock.SafetyStockSet{Quantity: 2, At: 1},
		stock.ThresholdSet{Quantity: 2, At: 1},
		stock.MadeUnavailable{MovementID: "m2", Bucket: stock.BucketQualityControl, Quantity: 2, At: 1},
		stock.MadeAvailable{MovementID: "m3", Bucket: stock.BucketQualityControl, Quantity: 1, At: 1},
		stock.TransferredOut{TransferID: "t1", To: "HAM2", Quantity: 2, At: 1},
		stock.TransferredIn{TransferID: "t2", From: "HAM2", Quantity: 1, At: 1},
		stock.Restocked{OrderID: "o1", ReturnID: "ret1", UnitIDs: []string{"1:1"}, Bucket: stock.BucketDamaged, At: 1},
		stock.ReservationAllocated{OrderID: "o1", FulfilmentID: "f1", Parts: []stock.Units{{ReservationID: "r1", Quantity: 2}}, At: 1},
		stock.ReservationDeallocated{OrderID: "o1", FulfilmentID: "f1", Parts: []stock.Units{{ReservationID: "r1", Quantity: 1}}, At: 1},
		stock.AllocationReleased{OrderID: "o1", FulfilmentID: "f1", Parts: []stock.ReleasedPart{{ReservationID: "r1", FromStock: 1}}, At: 1},
		stock.Issued{MovementID: "p1", OrderID: "o1", FulfilmentID: "f1", Parts: []stock.IssuedPart{{ReservationID: "r1", Quantity: 1}}, At: 1},
		stock.BackorderFilled{OrderID: "o1", ReservationID: "r1", Quantity: 1, Waiting: 2, At: 1},
		stock.AnomalyDetected{Kind: stock.AnomalyIssuedUnallocated, OrderID: "o1", FulfilmentID: "f1", ReservationID: "r1", Quantity: 1, At: 1},
		stock.BelowThreshold{Available: 1, Threshold: 2, At: 1},
		stock.Depleted{At: 1},
	}
}

func encode(t *testing.T, ev any) eventstore.Event {
	t.Helper()
	var e eventstore.Event
	var err error
	switch ev := ev.(type) {
	case order.Event:
		e.Stream = "order-o1"
		e.Type, e.Schema, e.Data, err = order.Encode(ev)
	case stock.Event:
		e.Stream = "stock-TSHIRT@BER1"
		e.Type, e.Schema, e.Data, err = stock.Encode(ev)
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Every registered type has a sentence and a payload of its own; the projection asks for all of them.
func TestEveryTypeIsRendered(t *testing.T) {
	rendered := map[string]bool{}
	sentences := map[string]string{}
	for _, ev := range samples() {
		e := encode(t, ev)
		rendered[e.Type] = true
		text := timeline.Sentence(&e)
		if !strings.HasSuffix(text, ".") || strings.Contains(text, "changed") || strings.Contains(text, "secret words") || sentences[text] != "" {
			t.Errorf("%s reads %q (also %s)", e.Type, text, sentences[text])
		}
		sentences[text] = e.Type
		for _, personal := range []bool{false, true} {
			payload := timeline.Payload(&e, personal)
			var fields map[string]any
			if err := json.Unmarshal(payload, &fields); err != nil || len(fields) < 1 {
				t.Errorf("%s: payload %s: %v", e.Type, payload, err)
			}
			if at, ok := fields["at"].(string); !ok || !strings.Contains(at, "T") {
				t.Errorf("%s: payload %s has no time that reads as one", e.Type, payload)
			}
			if strings.Contains(string(payload), "secret words") && !personal {
				t.Errorf("%s: payload %s shows personal data unasked", e.Type, payload)
			}
		}
	}
	for _, typ := range (timeline.Projection{}).Types() {
		if !rendered[typ] {
			t.Errorf("no sample of %s", typ)
		}
	}
	if n := len((timeline.Projection{}).Types()); n != len(rendered) {
		t.Errorf("the projection asks for %d types, %d are registered", n, len(rendered))
	}
}

func TestPayloads(t *testing.T) {
	future, err := domain.Marshal(struct {
		Amount int64           `msgpack:"amount"`
		Name   domain.Personal `msgpack:"name"`
		List   []int64         `msgpack:"list"`
	}{9_007_199_254_740_993, domain.NewPersonal("Ada"), []int64{1, -1}})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		event    eventstore.Event
		personal bool
		payload  string
		text     string
	}{
		"big number": {
			encode(t, stock.Received{MovementID: "m1", Quantity: 9_007_199_254_740_993, At: 1}), false,
			`{"movement_id":"m1","quantity":9007199254740993,"reason":"","ref":"","at":"1970-01-01T00:00:00.000001Z"}`,
			"9007199254740993 units of TSHIRT at BER1 came in.",
		},
		"masked": {
			encode(t, order.NoteAdded{NoteID: "n1", Text: domain.NewPersonal("hi"), At: 1}), false,
			`{"note_id":"n1","text":"[personal]","public":false,"at":"1970-01-01T00:00:00.000001Z"}`, "An internal note was written.",
		},
		"shown": {
			encode(t, order.NoteAdded{NoteID: "n1", Text: domain.NewPersonal(`"hi"`), Public: true, At: 1}), true,
			`{"note_id":"n1","text":"\"hi\"","public":true,"at":"1970-01-01T00:00:00.000001Z"}`, "A note for the customer was written.",
		},
		"unknown type": {
			eventstore.Event{Type: "payment.payment_captured", Schema: 3, Data: future},
			false,
			`{"amount":9007199254740993,"list":[1,-1],"name":"[personal]"}`, "Payment payment captured.",
		},
		"unknown type, shown": {
			eventstore.Event{Type: "payment.captured", Schema: 3, Data: future},
			true,
			`{"amount":9007199254740993,"list":[1,-1],"name":"Ada"}`, "Payment captured.",
		},
		"schema of tomorrow": {
			eventstore.Event{Type: order.TypeConfirmed, Schema: 99, Data: future},
			false,
			`{"amount":9007199254740993,"list":[1,-1],"name":"[personal]"}`, "Order confirmed.",
		},
		"damaged": {eventstore.Event{Type: order.TypeConfirmed, Schema: 1, Data: []byte{0xc1}}, false, `{"data":"wQ=="}`, "Order confirmed."},
		"no map":  {eventstore.Event{Type: "x", Schema: 1, Data: []byte{1}}, false, `{"data":"AQ=="}`, "X."},
		"nothing": {eventstore.Event{}, false, `{"data":null}`, "."},
	} {
		t.Run(name, func(t *testing.T) {
			if got := string(timeline.Payload(&tt.event, tt.personal)); got != tt.payload {
				t.Errorf("payload %s\nwant    %s", got, tt.payload)
			}
			if got := timeline.Sentence(&tt.event); got != tt.text {
				t.Errorf("sentence %q, want %q", got, tt.text)
			}
		})
	}
}

// Whatever bytes an event holds, its payload is a JSON object, and personal envelopes in it stay masked.
func FuzzPayload(f *testing.F) {
	note, err := domain.Marshal(map[string]string{"alg": "none", "text": "secret words"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("order.placed", int16(2), []byte{0x80})
	f.Add("order.note_added", int16(1), append([]byte{0x81, 0xa1, 'x'}, note...))
	f.Add("x.y", int16(1), append([]byte{0x81, 0xa1, 'x'}, note...))
	f.Add("", int16(0), []byte{0xdf, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, typ string, schema int16, data []byte) {
		e := eventstore.Event{Type: typ, Schema: schema, Data: data}
		payload := timeline.Payload(&e, false)
		var fields map[string]any
		if err := json.Unmarshal(payload, &fields); err != nil {
			t.Fatalf("payload %q: %v", payload, err)
		}
		_ = timeline.Sentence(&e)
	})
}
