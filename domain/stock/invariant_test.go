package stock_test

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"waybill/domain"
	"waybill/domain/stock"
)

// TestS1PromisesNeverExceedWhatIsThere: covered units lie there and can be sold, allocated ones most of all, unless a fact has
// taken them; and no more units begin to wait than the policy allows.
func TestS1PromisesNeverExceedWhatIsThere(t *testing.T) {
	underRandomCommands(t, func(t *rapid.T, s step) {
		if isFact(s.command) {
			return
		}
		was, is := s.before, s.after
		if is.Oversold() > was.Oversold() {
			t.Fatalf("%T promised %d units that are not there: %+v", s.command, is.Oversold()-was.Oversold(), is.Sums)
		}
		lies := func(i *stock.Item) int64 { return max(0, i.OnHand-i.Unavailable.Total()) }
		if is.Allocated > lies(is) && is.Allocated-lies(is) > was.Allocated-lies(was) {
			t.Fatalf("%T allocated units that are not there: %+v", s.command, is.Sums)
		}
		if is.Backordered > was.Backordered && is.Backordered > is.BackorderLimit {
			t.Fatalf("%T made %d units wait, the limit is %d", s.command, is.Backordered, is.BackorderLimit)
		}
	})
}

// TestS2EachUnitEndsOnce: of what was reserved, each unit is issued, released or expired once, or is open.
func TestS2EachUnitEndsOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		i, now := new(stock.Item), t0
		made, ended := map[string]int64{}, map[string]int64{}
		for n := range rapid.IntRange(30, 90).Draw(t, "commands") {
			now += domain.Time(rapid.Int64Range(0, 20).Draw(t, "pause"))
			c := drawCommand(t, i, n, now)
			events, err := stock.Decide(i, c)
			if err == nil && rapid.Bool().Draw(t, "twice") { // two who know nothing of each other ask for the same
				for _, e := range events {
					stock.Evolve(i, e)
				}
				count(events, made, ended)
				if events, err = stock.Decide(i, c); err != nil {
					events = nil
				}
			}
			for _, e := range events {
				stock.Evolve(i, e)
			}
			count(events, made, ended)
			for id, quantity := range made {
				open, _ := i.Reservation(id)
				if ended[id]+open.Quantity() != quantity {
					t.Fatalf("after %T %d of %d units of %s have ended, %d are open", c, ended[id], quantity, id, open.Quantity())
				}
			}
		}
	})
}

// count adds up how many units of reservations were made, and how many have ended, by what the events say.
func count(events []stock.Event, made, ended map[string]int64) {
	for _, e := range events {
		switch e := e.(type) {
		case stock.Reserved:
			for _, g := range e.Reservations {
				made[g.ReservationID] += g.FromStock + g.Backordered
			}
		case stock.ReservationReleased:
			for _, p := range e.Parts {
				ended[p.ReservationID] += p.FromStock + p.Backordered
			}
		case stock.AllocationReleased:
			for _, p := range e.Parts {
				ended[p.ReservationID] += p.FromStock
			}
		case stock.Issued:
			for _, p := range e.Parts {
				ended[p.ReservationID] += p.Quantity
			}
		case stock.ReservationExpired:
			ended[e.ReservationID] += e.FromStock + e.Backordered
		case stock.Received, stock.Adjusted, stock.Counted, stock.MadeUnavailable, stock.MadeAvailable, stock.TransferredOut,
			stock.TransferredIn, stock.Restocked, stock.OversoldDetected, stock.AnomalyDetected, stock.BelowThreshold, stock.Depleted,
			stock.BackorderPolicySet, stock.SafetyStockSet, stock.ThresholdSet, stock.ReservationExtended, stock.ReservationConfirmed,
			stock.ReservationAllocated, stock.ReservationDeallocated, stock.BackorderFilled:
		}
	}
}

// TestS3ReservingAgainIsHarmless: the same reservation again does nothing, or is refused if it has ended; another one under
// its id is a conflict.
func TestS3ReservingAgainIsHarmless(t *testing.T) {
	underRandomCommands(t, func(t *rapid.T, s step) {
		c, ok := s.command.(stock.Reserve)
		if !ok || s.err != nil {
			return
		}
		if events, err := stock.Decide(s.after, c); len(events) > 0 || err != nil {
			t.Fatalf("again: %+v, %v", events, err)
		}
		other := c
		other.Reservations = slices.Clone(c.Reservations)
		other.Reservations[0].Quantity++
		if events, err := stock.Decide(s.after, other); len(events) > 0 || !isRefusal[stock.ReservationConflict](err) {
			t.Fatalf("one unit more under the same id: %+v, %v", events, err)
		}
		other = c
		other.OrderID = "somebody"
		if events, err := stock.Decide(s.after, other); len(events) > 0 || !isRefusal[stock.ReservationConflict](err) {
			t.Fatalf("for another order: %+v, %v", events, err)
		}
	})
}

func isRefusal[R error](err error) bool {
	_, ok := errors.AsType[R](err)
	return ok
}

// TestTakingBackAgainIsHarmless: what took units away from a fulfilment does nothing when it is repeated, and takes no other
// units under its id.
func TestTakingBackAgainIsHarmless(t *testing.T) {
	underRandomCommands(t, func(t *rapid.T, s step) {
		if len(s.events) == 0 || !slices.Contains([]string{stock.TypeReservationDeallocated, stock.TypeAllocationReleased}, s.events[0].EventType()) {
			return
		}
		var other, otherwise stock.Command
		switch c := s.command.(type) { //nolint:gochecksumtype // the others take nothing away from a fulfilment
		case stock.Deallocate:
			otherwise = stock.Release(c)
			c.Parts = []stock.Part{{ReservationID: c.Parts[0].ReservationID, Quantity: stock.MaxQuantity}}
			other = c
		case stock.Release:
			otherwise = stock.Deallocate(c)
			c.Parts = []stock.Part{{ReservationID: c.Parts[0].ReservationID, Quantity: stock.MaxQuantity}}
			other = c
		}
		if events, err := stock.Decide(s.after, s.command); len(events) > 0 || err != nil {
			t.Fatalf("%+v again: %+v, %v", s.command, events, err)
		}
		for _, c := range []stock.Command{other, otherwise} {
			if events, err := stock.Decide(s.after, c); len(events) > 0 || !isRefusal[stock.DeallocationConflict](err) {
				t.Fatalf("%+v after %+v: %+v, %v", c, s.command, events, err)
			}
		}
	})
}

// TestS4PartsSplitAndNeverOverConsume: a verb that names units of a reservation takes those, and leaves the others; it takes
// no more than there are of their kind.
func TestS4PartsSplitAndNeverOverConsume(t *testing.T) {
	underRandomCommands(t, func(t *rapid.T, s step) {
		named := func(id string) (was, is stock.Reservation) {
			was, _ = s.before.Reservation(id)
			is, _ = s.after.Reservation(id)
			return was, is
		}
		of := func(r stock.Reservation, fulfilment string) stock.Allocation {
			for _, a := range r.Allocations {
				if a.FulfilmentID == fulfilment {
					return a
				}
			}
			return stock.Allocation{}
		}
		switch c := s.command.(type) { //nolint:gochecksumtype // the others name no units
		case stock.Allocate:
			was, is := named(c.Parts[0].ReservationID)
			if moved := is.Allocated - was.Allocated; len(s.events) > 0 && (moved != c.Parts[0].Quantity || is.Unallocated() != was.Unallocated()-moved || is.Unallocated() < 0) {
				t.Fatalf("%+v made %+v of %+v", c, is, was)
			}
		case stock.Deallocate:
			was, is := named(c.Parts[0].ReservationID)
			has := of(was, c.FulfilmentID)
			taken := cmp.Or(c.Parts[0].Quantity, min(has.Open, has.Open+has.Issued-c.Parts[0].Keep))
			if len(s.events) > 0 && (taken > has.Open || of(is, c.FulfilmentID).Open != has.Open-taken || is.Unallocated() != was.Unallocated()+taken) {
				t.Fatalf("%+v made %+v of %+v", c, is, was)
			}
		case stock.Issue:
			was, is := named(c.Parts[0].ReservationID)
			if s.err != nil || len(s.events) == 0 || was.OrderID != c.OrderID || was.State == stock.StateHeld {
				return // a held one may lapse in the same commit
			}
			taken := min(c.Parts[0].Quantity, of(was, c.FulfilmentID).Open)
			filled := int64(0) // lapsed reservations may have given more back than the fact took, in the same commit
			for _, e := range s.events {
				if f, ok := e.(stock.BackorderFilled); ok && f.ReservationID == was.ID {
					filled += f.Quantity
				}
			}
			if is.Quantity() != was.Quantity()-taken || is.Unallocated() != was.Unallocated()+filled && is.Quantity() > 0 {
				t.Fatalf("%+v made %+v of %+v", c, is, was)
			}
			if s.after.OnHand != s.before.OnHand-c.Parts[0].Quantity {
				t.Fatalf("%+v left %d of %d on hand", c, s.after.OnHand, s.before.OnHand)
			}
		case stock.Release:
			was, is := named(c.Parts[0].ReservationID)
			if len(s.events) > 0 && was.OrderID == c.OrderID && c.Parts[0].Quantity > 0 && is.Quantity() != was.Quantity()-c.Parts[0].Quantity {
				t.Fatalf("%+v made %+v of %+v", c, is, was)
			}
			if s.err == nil && c.FulfilmentID == "" && is.Allocated != was.Allocated {
				t.Fatalf("%+v took units of a fulfilment: %+v of %+v", c, is, was)
			}
		}
	})
}

// TestS5FactsAreRecordedAndOversellingIsTold: a fact is never refused for what was promised. If it takes promised units, that
// is told, with the newest reservations that belong to no fulfilment.
func TestS5FactsAreRecordedAndOversellingIsTold(t *testing.T) {
	underRandomCommands(t, func(t *rapid.T, s step) {
		if !isFact(s.command) {
			return
		}
		switch {
		case s.err == nil:
		case isRefusal[domain.InvalidField](s.err), isRefusal[stock.MovementConflict](s.err), isRefusal[stock.RestockConflict](s.err):
			return // malformed, or known as something else
		case isRefusal[stock.QuantityExceedsOnHand](s.err):
			return // units can be put aside as long as there are some
		default:
			t.Fatalf("%+v was refused: %v", s.command, s.err)
		}
		at := slices.IndexFunc(s.events, func(e stock.Event) bool { return e.EventType() == stock.TypeOversoldDetected })
		if s.after.Oversold() > s.before.Oversold() && at < 0 {
			t.Fatalf("%+v oversold %d units and nobody was told", s.command, s.after.Oversold())
		}
		if at < 0 {
			return
		}
		told := s.events[at].(stock.OversoldDetected)
		if told.Short != s.after.Oversold() {
			t.Fatalf("%+v, but %d units are short", told, s.after.Oversold())
		}
		if want := victims(s.after, told.Short); !reflect.DeepEqual(told.Victims, want) {
			t.Fatalf("proposed %+v, want %+v", told.Victims, want)
		}
	})
}

// victims finds them the long way round.
func victims(i *stock.Item, short int64) []stock.Victim {
	var found []stock.Victim
	for _, r := range slices.Backward(slices.Collect(i.Reservations())) {
		if quantity := min(short, r.FromStock-r.Allocated); quantity > 0 {
			found = append(found, stock.Victim{ReservationID: r.ID, OrderID: r.OrderID, Quantity: quantity})
			short -= quantity
		}
	}
	return found
}

// TestS6ALapsedReservationHasNoClaim: with the sweeper stopped, what lapsed reservations held can be reserved, and they
// themselves can no longer be confirmed or extended.
func TestS6ALapsedReservationHasNoClaim(t *testing.T) {
	underRandomCommands(t, func(t *rapid.T, s step) {
		var lapsed, claims int64
		for r := range s.after.Reservations() {
			if r.State != stock.StateHeld || r.ExpiresAt > s.now {
				continue
			}
			lapsed++
			claims += r.Quantity()
			for _, c := range []stock.Command{
				stock.Confirm{Key: shirt, OrderID: r.OrderID, ReservationIDs: []string{r.ID}, Now: s.now},
				stock.Extend{Key: shirt, OrderID: r.OrderID, ReservationIDs: []string{r.ID}, ExpiresAt: s.now + 9, Now: s.now},
			} {
				if events, err := stock.Decide(s.after, c); !isRefusal[stock.ReservationLapsed](err) {
					t.Fatalf("%T of %+v at %s: %+v, %v", c, r, s.now, events, err)
				}
			}
		}
		possible := s.after.Free() - s.after.Backordered + claims
		if lapsed == 0 || possible <= 0 {
			return
		}
		fresh := reserve("late", s.now, ask("late", possible))
		if _, err := stock.Decide(s.after, fresh); err != nil {
			t.Fatalf("%d units that only %d lapsed reservations hold are refused: %v", possible, lapsed, err)
		}
		fresh.Reservations[0].Quantity++
		if _, err := stock.Decide(s.after, fresh); !isRefusal[stock.InsufficientStock](err) {
			t.Fatalf("one unit more than %d: %v", possible, err)
		}
	})
}

// TestBackordersAreFilledInOrder: whatever happens, units that are free go to who was confirmed first, then reserved first;
// nobody waits behind who came later, and no confirmed reservation waits while there are free units.
func TestBackordersAreFilledInOrder(t *testing.T) {
	underCommands(t, drawScarce, func(t *rapid.T, s step) {
		var line []stock.Reservation
		for r := range s.after.Reservations() {
			if r.State != stock.StateHeld && r.Backordered > 0 {
				line = append(line, r)
			}
		}
		name := s.command.CommandType()
		waited := false // somebody did, while there were free units
		for r := range s.before.Reservations() {
			waited = waited || r.State != stock.StateHeld && r.Backordered > 0 && s.before.Free() > 0
		}
		bounded := name == stock.CommandReserve || name == stock.CommandConfirm // these fill SpareFill reservations at most
		if len(s.events) > 0 && len(line) > 0 && s.after.Free() > 0 && !bounded && !waited {
			t.Fatalf("%T left %d units free, and %+v wait", s.command, s.after.Free(), line)
		}
		var filled []stock.Reservation
		for _, e := range s.events {
			if f, ok := e.(stock.BackorderFilled); ok {
				r, _ := s.after.Reservation(f.ReservationID)
				filled = append(filled, r)
			}
		}
		first := func(a, b stock.Reservation) int {
			return cmp.Or(cmp.Compare(a.ConfirmedAt, b.ConfirmedAt), cmp.Compare(a.Seq, b.Seq))
		}
		if !slices.IsSortedFunc(filled, first) {
			t.Fatalf("filled out of order: %+v", filled)
		}
		for _, f := range filled {
			for _, w := range line {
				if w.ID != f.ID && first(w, f) < 0 {
					t.Fatalf("%+v was filled before %+v", f, w)
				}
			}
		}
	})
}

// TestFewAndNone: it is said when the last available unit goes, and when fewer are left than the threshold, and only then.
func TestFewAndNone(t *testing.T) {
	underRandomCommands(t, func(t *rapid.T, s step) {
		was, is := s.before, s.after
		want := ""
		switch {
		case is.Available() == 0 && was.Available() > 0:
			want = stock.TypeDepleted
		case is.Available() < is.Threshold && was.Available() >= was.Threshold:
			want = stock.TypeBelowThreshold
		}
		var got []string
		for _, e := range s.events {
			if typ := e.EventType(); typ == stock.TypeDepleted || typ == stock.TypeBelowThreshold {
				got = append(got, typ)
			}
		}
		if strings.Join(got, " ") != want {
			t.Fatalf("%T from %d to %d available (threshold %d): said %q, want %q", s.command, was.Available(), is.Available(), is.Threshold, got, want)
		}
	})
}

// TestEveryNameIsListed holds the lists of names to the events.
func TestEveryNameIsListed(t *testing.T) {
	t.Parallel()
	var want []string
	for _, e := range samples() {
		want = append(want, e.EventType())
	}
	got := stock.EventTypes()
	slices.Sort(want)
	slices.Sort(got)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("listed are %v, want %v", got, want)
	}
}
