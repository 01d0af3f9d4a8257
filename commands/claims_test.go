package commands_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"

	"waybill/commands"
	"waybill/domain/order"
	"waybill/eventstore"
)

func placeRef(ref, fingerprint string) commands.Command {
	p := place(newOrder())
	p.Details.SourceRef = ref
	c := commands.OnOrder(newID(), p)
	c.Fingerprint = []byte(fingerprint)
	return c
}

func TestTheSameSourceOrderIsPlacedOnce(t *testing.T) {
	t.Parallel()
	for name, open := range logs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := open(t)
			b := newBus(t, log)
			first := placeRef("123", "a")
			original := must(t, b, first)

			same := placeRef("123", "a")
			want := again(original)
			want.CommandID = same.ID
			for _, bus := range []*commands.Bus{b, b, newBus(t, log)} {
				if got := must(t, bus, same); !reflect.DeepEqual(got, want) {
					t.Errorf("same order under another command: %+v\nwant %+v", got, want)
				}
			}
			if got, err := b.Outcome(t.Context(), same.ID); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("Outcome = %+v, %v\nwant %+v", got, err, want)
			}
			if got := must(t, b, first); !reflect.DeepEqual(got, again(original)) {
				t.Errorf("the first command again: %+v", got)
			}

			differs := placeRef("123", "b")
			for _, bus := range []*commands.Bus{b, newBus(t, log)} {
				refused := refusalOf(t, bus, differs, "duplicate-source-ref")
				var values commands.DuplicateSourceRef
				if err := json.Unmarshal(refused.Values, &values); err != nil || string(values.OrderID) != first.Key || values.SourceRef != "123" {
					t.Errorf("values %s, want order %s", refused.Values, first.Key)
				}
			}
			elsewhere := placeRef("123", "b")
			p := place(newOrder())
			p.Details.SourceRef, p.Details.Channel = "123", "amazon-de"
			elsewhere.Steps = []commands.Step{commands.Order(p)}
			must(t, b, elsewhere) // another channel has references of its own
			if got := head(t, log); got != 2 {
				t.Errorf("log has %d events, want 2", got)
			}
		})
	}
}

func TestTheSameSourceOrderAtOnce(t *testing.T) {
	t.Parallel()
	for name, open := range logs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := open(t)
			buses := []*commands.Bus{newBus(t, log), newBus(t, log)}
			ids := make([]string, 40)
			var wg sync.WaitGroup
			for i := range ids {
				wg.Go(func() {
					r, err := buses[i%2].Execute(t.Context(), placeRef("9", "a"))
					if err != nil {
						t.Errorf("place: %v", err)
						return
					}
					ids[i] = r.Streams[0].Stream
				})
			}
			wg.Wait()
			for _, id := range ids {
				if id != ids[0] {
					t.Fatalf("orders %q, want one", ids)
				}
			}
		})
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for name, open := range logs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := open(t)
			counter := &commands.MemoryCounter{}
			b := newBus(t, log, func(c *commands.Config) { c.Numbers = commands.NewBlocks(counter) })
			numberOf := func(r commands.Result) string {
				placed, ok := r.Events[0].Event.(order.Placed)
				if !ok {
					t.Errorf("first event is %T", r.Events[0].Event)
				}
				return placed.Details.Number
			}
			if got := numberOf(must(t, b, placeCommand(newOrder()))); got != "WEB-100001" {
				t.Errorf("first number %q", got)
			}
			chosen := commands.OnOrder(newID(), withNumber(place(newOrder()), "WEB-100002"))
			must(t, b, chosen)
			if got := numberOf(must(t, b, placeCommand(newOrder()))); got != "WEB-100003" {
				t.Errorf("number %q, want the one after the number that somebody chose", got)
			}
			twice := commands.OnOrder(newID(), withNumber(place(newOrder()), "WEB-100002"))
			refused := refusalOf(t, b, twice, "duplicate-order-number")
			if !strings.Contains(string(refused.Values), chosen.Key) {
				t.Errorf("values %s do not name order %s", refused.Values, chosen.Key)
			}
			own := receive("MUG", 1)
			own.Claims = []string{"shipment:7"}
			must(t, b, own)
			other := receive("MUG", 1)
			other.Claims = own.Claims
			if r := refusalOf(t, b, other, "claim-taken"); !strings.Contains(r.Detail, "shipment:7") {
				t.Errorf("detail %q does not name the claim", r.Detail)
			}
		})
	}
}

func TestWithoutNumbersAnOrderMustBringItsOwn(t *testing.T) {
	t.Parallel()
	b := newBus(t, eventstore.NewMemory(), func(c *commands.Config) { c.Numbers = nil })
	if _, err := b.Execute(t.Context(), placeCommand(newOrder())); !errors.Is(err, commands.ErrInvalid) {
		t.Errorf("error %v, want ErrInvalid", err)
	}
	must(t, b, commands.OnOrder(newID(), withNumber(place(newOrder()), "A-1")))
}

// brokenCounter fails now and then.
type brokenCounter struct {
	commands.MemoryCounter
	fails bool
}

var errCounter = errors.New("counter is away")

func (c *brokenCounter) Take(ctx context.Context, name string, n int64) (int64, error) {
	if c.fails {
		return 0, errCounter
	}
	return c.MemoryCounter.Take(ctx, name, n)
}

func TestBlocksOutliveACounterThatFails(t *testing.T) {
	t.Parallel()
	counter := &brokenCounter{fails: true}
	n := commands.NewBlocks(counter)
	if _, err := n.Next(t.Context(), "web"); !errors.Is(err, errCounter) {
		t.Errorf("error %v, want that of the counter", err)
	}
	counter.fails = false
	seen := map[string]bool{}
	for range 200 {
		for _, channel := range []string{"web", "Web!", "ärger", ""} {
			number, err := n.Next(t.Context(), channel)
			if err != nil || seen[number] {
				t.Fatalf("number %q of %q, %v: want a new one", number, channel, err)
			}
			seen[number] = true
		}
	}
	if !seen["WEB-100001"] || !seen["RGER-100001"] || !seen["ORDER-100001"] {
		t.Errorf("the first numbers are missing")
	}
}

func TestClaimKeysAreUnambiguousAndShort(t *testing.T) {
	t.Parallel()
	seen := map[string][2]string{}
	for _, pair := range [][2]string{
		{"a", "b/c"},
		{"a/b", "c"},
		{"a%2Fb", "c"},
		{"a%", "2Fb/c"},
		{"a", "b%2Fc"},
		{"a", strings.Repeat("x", 300)},
		{"a", strings.Repeat("x", 301)},
		{"%sha256", "x"},
	} {
		key := commands.SourceClaim(pair[0], pair[1])
		if old, ok := seen[key]; ok || len(key) > eventstore.MaxStreamName {
			t.Errorf("%q gives %q, as %q does", pair, key, old)
		}
		seen[key] = pair
	}
}
