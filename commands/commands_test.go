package commands_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"waybill/commands"
	"waybill/domain/order"
	"waybill/domain/stock"
	"waybill/eventstore"
)

// again is what a result looks like when the command is sent again.
func again(r commands.Result) commands.Result {
	r.Replayed = true
	return r
}

func TestSendingACommandAgainAnswersTheFirstOutcome(t *testing.T) {
	t.Parallel()
	for name, open := range logs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := open(t)
			b := newBus(t, log)
			c := placeCommand(newOrder())
			first := must(t, b, c)
			if first.Replayed || len(first.Events) != 1 || first.Events[0].Position != first.Position || len(first.Streams) != 1 {
				t.Fatalf("first outcome %+v", first)
			}
			must(t, b, commands.OnOrder(newID(), order.Confirm{ID: order.ID(c.Key), Now: now})) // the state moves on
			position := head(t, log)
			for name, bus := range map[string]*commands.Bus{"same bus": b, "another bus": newBus(t, log)} {
				if got := must(t, bus, c); !reflect.DeepEqual(got, again(first)) {
					t.Errorf("%s: second outcome %+v\nwant %+v", name, got, again(first))
				}
				if got, err := bus.Outcome(t.Context(), c.ID); err != nil || !reflect.DeepEqual(got, again(first)) {
					t.Errorf("%s: Outcome = %+v, %v\nwant %+v", name, got, err, again(first))
				}
			}
			if got := head(t, log); got != position {
				t.Errorf("the log grew from %d to %d", position, got)
			}
		})
	}
}

func TestSendingACommandAtOnceManyTimes(t *testing.T) {
	t.Parallel()
	for name, open := range logs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := open(t)
			buses := []*commands.Bus{newBus(t, log), newBus(t, log)}
			c := placeCommand(newOrder())
			c.Steps = []commands.Step{commands.Order(withNumber(place(order.ID(c.Key)), "W-1"))}
			var wg sync.WaitGroup
			var fresh atomic.Int64
			for i := range 50 {
				wg.Go(func() {
					r, err := buses[i%2].Execute(t.Context(), c)
					switch {
					case err == nil && !r.Replayed:
						fresh.Add(1)
					case err != nil && !errors.Is(err, commands.ErrInFlight):
						t.Errorf("execute: %v", err)
					}
				})
			}
			wg.Wait()
			if fresh.Load() != 1 || head(t, log) != 1 {
				t.Errorf("%d fresh outcomes, log of %d events; want 1 and 1", fresh.Load(), head(t, log))
			}
		})
	}
}

func withNumber(p order.Place, number string) order.Place {
	p.Details.Number = number
	return p
}

func TestKeyReuse(t *testing.T) {
	t.Parallel()
	for name, open := range logs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := open(t)
			b := newBus(t, log)
			accepted, refused := placeCommand(newOrder()), commands.OnOrder(newID(), order.Confirm{ID: newOrder(), Now: now})
			accepted.Fingerprint, refused.Fingerprint = []byte("a"), []byte("a")
			must(t, b, accepted)
			mustRefuse(t, b, refused, "order-not-found")
			for _, c := range []commands.Command{accepted, refused} {
				c.Fingerprint = []byte("b")
				if r, err := b.Execute(t.Context(), c); !errors.Is(err, commands.ErrKeyReused) {
					t.Errorf("%s under a used id = %+v, %v; want ErrKeyReused", c.Type, r, err)
				}
				c.Fingerprint = nil
				if _, err := b.Execute(t.Context(), c); errors.Is(err, commands.ErrKeyReused) {
					t.Errorf("%s without a fingerprint: %v", c.Type, err)
				}
			}
		})
	}
}

func TestARefusalIsStoredAndReturnedAgain(t *testing.T) {
	t.Parallel()
	for name, open := range logs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := open(t)
			b := newBus(t, log)
			must(t, b, receive("MUG", 1))
			c := reserve(2, "MUG")
			first := refusalOf(t, b, c, "insufficient-stock")
			var values stock.InsufficientStock
			if err := json.Unmarshal(first.Values, &values); err != nil || values.Available != 1 || values.Requested != 2 || values.SKU != "MUG" {
				t.Errorf("values %s, %v; want 1 available, 2 requested", first.Values, err)
			}
			if first.Replayed || first.Stream != "stock-MUG@BER1" || first.Version != 1 || first.Position != 1 || first.CommandID != c.ID {
				t.Errorf("refusal %+v", first)
			}
			must(t, b, receive("MUG", 10)) // now it would be accepted
			want := *first
			want.Replayed = true
			for _, bus := range []*commands.Bus{b, newBus(t, log)} {
				if got := refusalOf(t, bus, c, first.Code); !reflect.DeepEqual(*got, want) {
					t.Errorf("second answer %+v\nwant %+v", *got, want)
				}
				_, err := bus.Outcome(t.Context(), c.ID)
				if got, ok := errors.AsType[*commands.Refused](err); !ok || !reflect.DeepEqual(*got, want) {
					t.Errorf("Outcome %+v\nwant %+v", err, want)
				}
			}
			o, ok, err := log.Outcome(t.Context(), c.ID)
			if err != nil || !ok || o.Verdict == nil || o.Verdict.Key != c.Key || o.Verdict.Code != first.Code || o.Verdict.Type != c.Type {
				t.Errorf("stored outcome %+v, %t, %v", o, ok, err)
			}
		})
	}
}

func TestARefusalTellsWhatIsAllowed(t *testing.T) {
	t.Parallel()
	b := newBus(t, eventstore.NewMemory())
	c := placeCommand(newOrder())
	must(t, b, c)
	id := order.ID(c.Key)
	must(t, b, commands.OnOrder(newID(), order.Cancel{ID: id, CancellationID: "1", Now: now}))
	r := refusalOf(t, b, commands.OnOrder(newID(), order.Confirm{ID: id, Now: now}), "invalid-transition")
	if r.State != "cancelled" || len(r.Allowed) == 0 {
		t.Errorf("state %q, allowed %q; want cancelled and something", r.State, r.Allowed)
	}
}

func TestNothingLeftToDoIsAnOutcomeToo(t *testing.T) {
	t.Parallel()
	for name, open := range logs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := open(t)
			b := newBus(t, log)
			first := receive("MUG", 5)
			must(t, b, first)
			c := first
			c.ID = newID() // the same movement in another command
			r := must(t, b, c)
			want := commands.Result{
				CommandID: c.ID, Position: 1, Epoch: r.Epoch,
				Streams: []commands.StreamVersion{{Stream: "stock-MUG@BER1", Version: 1}},
			}
			if !reflect.DeepEqual(r, want) {
				t.Errorf("outcome %+v\nwant %+v", r, want)
			}
			must(t, b, receive("MUG", 5))
			if got := must(t, b, c); !reflect.DeepEqual(got, again(want)) {
				t.Errorf("second outcome %+v\nwant %+v", got, again(want))
			}
		})
	}
}

func TestDryRun(t *testing.T) {
	t.Parallel()
	for name, open := range logs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := open(t)
			b := newBus(t, log)
			must(t, b, receive("MUG", 5))
			c := reserve(3, "MUG")
			c.DryRun = true
			for range 3 { // nothing is used up
				r := must(t, b, c)
				if !r.DryRun || len(r.Events) != 1 || r.Events[0].Type != stock.TypeReserved || r.Events[0].Version != 2 || r.Position != 0 || r.Events[0].ID != uuid.Nil {
					t.Fatalf("dry run %+v", r)
				}
			}
			more := reserve(6, "MUG")
			more.DryRun = true
			if r := refusalOf(t, b, more, "insufficient-stock"); !r.DryRun {
				t.Errorf("refusal %+v does not say that it was a dry run", r)
			}
			placed := placeCommand(newOrder())
			placed.DryRun = true
			must(t, b, placed)
			expected := int64(7)
			c.Expected = &expected
			if _, err := b.Execute(t.Context(), c); !isVersion(err, 1) {
				t.Errorf("dry run at version 7: %v, want a VersionError that says 1", err)
			}
			if got := head(t, log); got != 1 {
				t.Errorf("log has %d events, want 1", got)
			}
			for _, id := range []uuid.UUID{c.ID, more.ID, placed.ID} {
				if _, err := b.Outcome(t.Context(), id); !errors.Is(err, commands.ErrUnknownCommand) {
					t.Errorf("outcome of a dry run: %v, want ErrUnknownCommand", err)
				}
			}
			c.DryRun, c.Expected = false, nil
			must(t, b, c) // the id was not used up
		})
	}
}

func isVersion(err error, actual int64) bool {
	v, ok := errors.AsType[*commands.VersionError](err)
	return ok && v.Actual == actual
}

func TestExpectedVersion(t *testing.T) {
	t.Parallel()
	for name, open := range logs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := open(t)
			b, other := newBus(t, log), newBus(t, log)
			c := placeCommand(newOrder())
			zero, one, two := int64(0), int64(1), int64(2)
			c.Expected = &zero
			first := must(t, b, c)
			id := order.ID(c.Key)
			if got := must(t, b, c); !reflect.DeepEqual(got, again(first)) { // the stream has moved, by this very command
				t.Errorf("sent again: %+v\nwant %+v", got, again(first))
			}
			wrong := commands.OnOrder(newID(), order.Confirm{ID: id, Now: now})
			wrong.Expected = &zero
			if _, err := b.Execute(t.Context(), wrong); !isVersion(err, 1) {
				t.Errorf("at version 0: %v, want a VersionError that says 1", err)
			}
			wrong.Expected = &two
			if _, err := b.Execute(t.Context(), wrong); !isVersion(err, 1) {
				t.Errorf("at version 2: %v, want a VersionError that says 1", err)
			}
			wrong.Expected = &one
			must(t, b, wrong) // the id was not used up

			// What the other bus does is not known to this one's cache.
			must(t, other, commands.OnOrder(newID(), order.Tag{ID: id, Tags: []string{"gift"}, Now: now}))
			stale := commands.OnOrder(newID(), order.Tag{ID: id, Tags: []string{"late"}, Now: now})
			stale.Expected = &two
			if _, err := b.Execute(t.Context(), stale); !isVersion(err, 3) {
				t.Errorf("at version 2: %v, want a VersionError that says 3", err)
			}
			three := int64(3)
			must(t, other, commands.OnOrder(newID(), order.Tag{ID: id, Tags: []string{"big"}, Now: now}))
			four := int64(4)
			stale.Expected = &three
			if _, err := b.Execute(t.Context(), stale); !isVersion(err, 4) {
				t.Errorf("at version 3: %v, want a VersionError that says 4", err)
			}
			stale.Expected = &four
			must(t, b, stale)
		})
	}
}

func TestManyStepsAreOneCommit(t *testing.T) {
	t.Parallel()
	for name, open := range logs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := open(t)
			b := newBus(t, log)
			id := newOrder()
			c := commands.Command{ID: newID(), Type: "order.place", Steps: []commands.Step{
				commands.Order(place(id)),
				commands.Stock(stock.Receive{Key: stock.Key{SKU: "MUG", Location: "BER1"}, MovementID: "m1", Quantity: 2, Now: now}),
				commands.Order(order.Confirm{ID: id, Now: now}), // sees that the order was placed
			}}
			r := must(t, b, c)
			want := []commands.StreamVersion{{Stream: order.Stream(id), Version: 2}, {Stream: "stock-MUG@BER1", Version: 1}}
			if !reflect.DeepEqual(r.Streams, want) || len(r.Events) != 3 || r.Events[1].Type != order.TypeConfirmed {
				t.Errorf("outcome %+v", r)
			}
			if got := must(t, b, c); !reflect.DeepEqual(got, again(r)) {
				t.Errorf("second outcome %+v\nwant %+v", got, again(r))
			}
			// One step that is refused refuses all, and leaves nothing of the others in the cache.
			broken := commands.Command{ID: newID(), Type: "order.tag", Steps: []commands.Step{
				commands.Order(order.Tag{ID: id, Tags: []string{"gift"}, Now: now}),
				commands.Order(order.ReleaseHold{ID: id, HoldID: "none", Now: now}),
			}}
			mustRefuse(t, b, broken, "unknown-hold")
			tagged := must(t, b, commands.OnOrder(newID(), order.Tag{ID: id, Tags: []string{"gift"}, Now: now}))
			if len(tagged.Events) != 1 || tagged.Events[0].Version != 3 {
				t.Errorf("tag after a refused tag: %+v", tagged)
			}
		})
	}
}

func TestEventsCarryWhereTheyComeFrom(t *testing.T) {
	t.Parallel()
	log := eventstore.NewMemory()
	b := newBus(t, log)
	must(t, b, receive("MUG", 5))
	c := reserve(1, "MUG")
	c.Actor, c.Channel, c.CorrelationID, c.CausationID = "key:shop", "web", "corr", "cause"
	c.Traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	r := must(t, b, c)
	events, err := log.ReadLog(t.Context(), 1, 10)
	if err != nil {
		t.Fatal(err)
	}
	first, err := events[0].Metadata()
	if err != nil || first.Key != "stock-MUG@BER1" || first.CorrelationID == "" || first.CorrelationID != first.CausationID {
		t.Errorf("metadata of a receipt %+v, %v", first, err)
	}
	m, err := events[1].Metadata()
	want := eventstore.Meta{
		Key: c.Key, Command: "stock.reserve", Actor: c.Actor, Channel: c.Channel, CorrelationID: "corr", CausationID: "cause", Traceparent: c.Traceparent,
	}
	if err != nil || m != want {
		t.Errorf("metadata %+v, %v\nwant %+v", m, err, want)
	}
	if id := r.Events[0].ID; events[1].ID != id || id.Version() != 7 || events[1].CommandID != c.ID {
		t.Errorf("event id %s in the log, %s in the result, command %s", events[1].ID, id, events[1].CommandID)
	}
}

func TestReserveGroupsLinesOfOneItem(t *testing.T) {
	t.Parallel()
	b := newBus(t, eventstore.NewMemory())
	must(t, b, receive("A", 3))
	must(t, b, receive("B", 3))
	r := must(t, b, reserve(1, "B", "A", "B"))
	if len(r.Events) != 2 || r.Streams[0].Stream != "stock-A@BER1" {
		t.Errorf("outcome %+v; want one event an item, sorted", r)
	}
	mustRefuse(t, b, reserve(2, "A", "A"), "insufficient-stock") // 2 are left, 4 are asked for
	mustRefuse(t, b, reserve(2, "A", "B"), "insufficient-stock") // all or nothing
	must(t, b, reserve(2, "A"))
}

func TestInvalidCommands(t *testing.T) {
	t.Parallel()
	b := newBus(t, eventstore.NewMemory())
	negative := int64(-1)
	for name, change := range map[string]func(*commands.Command){
		"zero id":        func(c *commands.Command) { c.ID = uuid.Nil },
		"no type":        func(c *commands.Command) { c.Type = "" },
		"strange type":   func(c *commands.Command) { c.Type = "Order Place" },
		"no steps":       func(c *commands.Command) { c.Steps = nil },
		"empty step":     func(c *commands.Command) { c.Steps = []commands.Step{{}} },
		"too many steps": func(c *commands.Command) { c.Steps = make([]commands.Step, commands.MaxSteps+1) },
		"no order":       func(c *commands.Command) { c.Steps = []commands.Step{commands.Order(order.Confirm{})} },
		"no SKU":         func(c *commands.Command) { c.Steps = []commands.Step{commands.Stock(stock.Receive{})} },
		"long stream": func(c *commands.Command) {
			c.Steps[0] = commands.Order(order.Confirm{ID: order.ID(strings.Repeat("x", 300))})
		},
		"bad stream":        func(c *commands.Command) { c.Steps[0] = commands.Order(order.Confirm{ID: "a\x00"}) },
		"two orders":        func(c *commands.Command) { c.Steps = append(c.Steps, commands.Order(place(newOrder()))) },
		"negative version":  func(c *commands.Command) { c.Expected = &negative },
		"long actor":        func(c *commands.Command) { c.Actor = strings.Repeat("x", 300) },
		"actor not text":    func(c *commands.Command) { c.Actor = "\xff" },
		"empty claim":       func(c *commands.Command) { c.Claims = []string{""} },
		"claim twice":       func(c *commands.Command) { c.Claims = []string{"a", "a"} },
		"too many claims":   func(c *commands.Command) { c.Claims = make([]string, commands.MaxClaims+1) },
		"large fingerprint": func(c *commands.Command) { c.Fingerprint = make([]byte, 300) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := placeCommand(newOrder())
			change(&c)
			if _, err := b.Execute(t.Context(), c); !errors.Is(err, commands.ErrInvalid) {
				t.Errorf("error %v, want ErrInvalid", err)
			}
		})
	}
}

func TestInvalidConfig(t *testing.T) {
	t.Parallel()
	for _, cfg := range []commands.Config{
		{},
		{Log: eventstore.NewMemory(), Attempts: -1},
		{Log: eventstore.NewMemory(), CacheEntries: -1},
		{Log: eventstore.NewMemory(), CacheBytes: -1},
		{Log: eventstore.NewMemory(), SnapshotEvery: -1},
	} {
		if _, err := commands.New(cfg); err == nil {
			t.Errorf("New(%+v): no error", cfg)
		}
	}
}

func TestAnEndedContextLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	log := eventstore.NewMemory()
	b := newBus(t, log)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := placeCommand(newOrder())
	if _, err := b.Execute(ctx, c); !errors.Is(err, context.Canceled) || errors.Is(err, eventstore.ErrOutcomeUnknown) {
		t.Errorf("error %v, want context.Canceled and a known outcome", err)
	}
	if head(t, log) != 0 {
		t.Error("something was stored")
	}
	must(t, b, c)
}
