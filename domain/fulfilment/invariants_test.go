package fulfilment_test

import (
	"cmp"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"waybill/domain"
	"waybill/domain/fulfilment"
)

// ledger follows every unit by the events alone.
type ledger struct {
	assigned map[string]int64             // by line, as requested
	reserved map[string]string            // reservation of each line
	back     map[string]int64             // given back to the order
	gone     map[string]int64             // in parcels that have left
	parcels  map[string][]fulfilment.Line // that stand, or have left
	left     map[string]bool              // parcels that have left
	used     map[string]bool              // parcel ids
}

func newLedger() *ledger {
	return &ledger{
		assigned: map[string]int64{}, reserved: map[string]string{}, back: map[string]int64{}, gone: map[string]int64{},
		parcels: map[string][]fulfilment.Line{}, left: map[string]bool{}, used: map[string]bool{},
	}
}

func (l *ledger) record(t *rapid.T, e fulfilment.Event) {
	switch e := any(e).(type) { // the others are no matter here
	case fulfilment.Requested:
		for _, q := range e.Details.Lines {
			l.assigned[q.LineID], l.reserved[q.LineID] = q.Quantity, q.ReservationID
		}
	case fulfilment.Moved:
		clear(l.reserved)
		for _, r := range e.Reservations {
			l.reserved[r.LineID] = r.ReservationID
		}
	case fulfilment.ParcelPacked:
		if l.used[e.ParcelID] {
			t.Fatalf("parcel %s is packed twice", e.ParcelID)
		}
		l.used[e.ParcelID], l.parcels[e.ParcelID] = true, e.Lines
	case fulfilment.ParcelUnpacked:
		l.unpack(t, e.ParcelID)
	case fulfilment.LinesCancelled:
		for _, id := range e.Parcels {
			l.unpack(t, id)
		}
	case fulfilment.ParcelShipped:
		if l.left[e.ParcelID] || !slices.Equal(e.Lines, l.parcels[e.ParcelID]) {
			t.Fatalf("parcel %s leaves with %+v, in it are %+v, left before: %t", e.ParcelID, e.Lines, l.parcels[e.ParcelID], l.left[e.ParcelID])
		}
		l.left[e.ParcelID] = true
		for _, q := range e.Lines {
			l.gone[q.LineID] += q.Quantity
		}
	}
	for _, q := range fulfilment.GivenBack(e) {
		l.back[q.LineID] += q.Quantity
	}
}

func (l *ledger) unpack(t *rapid.T, id string) {
	if l.left[id] || l.parcels[id] == nil {
		t.Fatalf("parcel %s is given up, left: %t, in it are %+v", id, l.left[id], l.parcels[id])
	}
	delete(l.parcels, id)
}

// packed returns the units of a line in parcels that stand or have left.
func (l *ledger) packed(line string) (n int64) {
	for _, lines := range l.parcels {
		for _, q := range lines {
			if q.LineID == line {
				n += q.Quantity
			}
		}
	}
	return n
}

// f1 holds parcels to a partition of the units that were assigned.
type f1 struct{ *ledger }

func (c f1) see(t *rapid.T, s *step) {
	for _, e := range s.events {
		c.record(t, e)
	}
	complete := true
	for line, n := range c.assigned {
		packed := c.packed(line)
		if packed+c.back[line] > n {
			t.Fatalf("line %s has %d units, %d are in parcels and %d went back", line, n, packed, c.back[line])
		}
		complete = complete && packed+c.back[line] == n
		l, ok := s.after.Line(line)
		if !ok || min(l.ToPick(), l.ToPack(), l.ToShip(), l.Shorted, l.Cancelled, l.Shipped) < 0 || l.Packed != packed ||
			l.Shipped != c.gone[line] || l.Shorted+l.Cancelled != c.back[line] ||
			l.ToPick()+l.ToPack()+l.ToShip()+l.Shipped+l.Shorted+l.Cancelled != n {
			t.Fatalf("line %s has the ledger %+v; %d are in parcels, %d have left, %d went back", line, l, packed, c.gone[line], c.back[line])
		}
	}
	if allPacked := s.after.Status() >= fulfilment.StatusPacked && s.after.Status() <= fulfilment.StatusReturned; allPacked && !complete {
		t.Fatalf("the fulfilment is %s, and not all units are in parcels", s.after.Status())
	}
}

func TestF1ParcelsPartitionTheUnits(t *testing.T) {
	t.Parallel()
	walk(t, func() checks { return f1{newLedger()} })
}

// f2 follows holds and cancellations: while one stands, or the gate is closed, no command ships; a fact is told as an anomaly.
type f2 struct {
	holds map[string]domain.Time // until when
	asked bool
}

func (c *f2) see(t *rapid.T, s *step) {
	for _, until := range c.holds {
		if s.now < until {
			c.checkStopped(t, s, fulfilment.AnomalyShippedOnHold)
		}
	}
	if c.asked {
		c.checkStopped(t, s, fulfilment.AnomalyShippedWhileCancelling)
	}
	for _, e := range s.events {
		switch e := any(e).(type) { // the others are no matter here
		case fulfilment.ParcelShipped:
			if g := e.Gate; !g.Open || g.ValidUntil != 0 && s.now >= g.ValidUntil {
				c.checkStopped(t, s, fulfilment.AnomalyShippedPastGate)
			}
		case fulfilment.HoldPlaced:
			c.holds[e.HoldID] = e.Until
		case fulfilment.HoldReleased:
			delete(c.holds, e.HoldID)
		case fulfilment.CancellationRequested:
			c.asked = true
		case fulfilment.LinesCancelled, fulfilment.CancellationDeclined:
			c.asked = false
		}
	}
}

// checkStopped holds a step to: nothing is bought or shipped by a command, and what is gone by a fact is told as an anomaly.
func (*f2) checkStopped(t *rapid.T, s *step, kind fulfilment.AnomalyKind) {
	for _, e := range s.events {
		switch e := any(e).(type) { // the others are no matter here
		case fulfilment.LabelRequested:
			if kind != fulfilment.AnomalyShippedPastGate {
				t.Fatalf("%+v buys a label: %s", s.command, kind)
			}
		case fulfilment.ParcelShipped:
			if _, asked := s.command.(fulfilment.ShipParcel); asked || !e.Reported {
				t.Fatalf("%+v ships: %s", s.command, kind)
			}
			if !slices.ContainsFunc(s.events, func(e fulfilment.Event) bool {
				a, ok := e.(fulfilment.AnomalyDetected)
				return ok && a.Kind == kind
			}) {
				t.Fatalf("%+v is not told as %s: %s", s.command, kind, verdict(s.events, nil))
			}
		}
	}
}

func TestF2NothingShipsPastHoldOrGate(t *testing.T) {
	t.Parallel()
	walk(t, func() checks { return &f2{holds: map[string]domain.Time{}} })
}

// f3 holds what has left to: it is never given back, and a fulfilment that has shipped stays so.
type f3 struct {
	*ledger
	shipped bool
}

func (c *f3) see(t *rapid.T, s *step) {
	for _, e := range s.events {
		switch any(e).(type) { // the others are no matter here
		case fulfilment.CancellationRequested, fulfilment.LinesCancelled, fulfilment.Cancelled:
			if c.shipped {
				t.Fatalf("%+v after everything has left: %s", s.command, verdict(s.events, nil))
			}
		case fulfilment.Shipped:
			c.shipped = true
		}
		c.record(t, e)
		for _, q := range fulfilment.GivenBack(e) {
			if c.back[q.LineID] > c.assigned[q.LineID]-c.gone[q.LineID] {
				t.Fatalf("%+v gives back what has left: %+v", s.command, e)
			}
		}
	}
	if c.shipped && s.after.Status() < fulfilment.StatusShipped || c.shipped && s.after.Status() > fulfilment.StatusReturned {
		t.Fatalf("the fulfilment had shipped and is %s", s.after.Status())
	}
}

func TestF3NothingIsCancelledThatHasLeft(t *testing.T) {
	t.Parallel()
	walk(t, func() checks { return &f3{ledger: newLedger()} })
}

// TestF4TrackingIsOrderedByTheCarriersClock lets the same facts come in two orders: both know the same in the end, which is
// what the carrier's clock says, and every fact is recorded once.
func TestF4TrackingIsOrderedByTheCarriersClock(t *testing.T) {
	t.Parallel()
	order := []fulfilment.TrackingStatus{
		fulfilment.TrackingPreTransit, fulfilment.TrackingInTransit, fulfilment.TrackingException, fulfilment.TrackingOutForDelivery,
		fulfilment.TrackingDeliveryFailed, fulfilment.TrackingAvailableToPickUp, fulfilment.TrackingDelivered,
		fulfilment.TrackingReturnedToSender,
	}
	ends := func(c fulfilment.RecordTracking) int {
		if c.Status == fulfilment.TrackingDelivered || c.Status == fulfilment.TrackingReturnedToSender {
			return 1
		}
		return 0
	}
	rapid.Check(t, func(t *rapid.T) {
		var facts []fulfilment.RecordTracking
		for n := range rapid.IntRange(1, 8).Draw(t, "facts") {
			facts = append(facts, fulfilment.RecordTracking{
				Target: to(100), FactID: string(rune('a' + n)), ParcelID: "p1", Status: drawStatus(t),
				OccurredAt: t0 + domain.Time(rapid.Int64Range(10, 14).Draw(t, "occurred")),
			})
		}
		last := slices.MaxFunc(facts, func(a, b fulfilment.RecordTracking) int {
			return cmp.Or(cmp.Compare(ends(a), ends(b)), cmp.Compare(a.OccurredAt, b.OccurredAt),
				cmp.Compare(slices.Index(order, a.Status), slices.Index(order, b.Status)))
		})
		for range 2 {
			f := new(fulfilment.Fulfilment)
			send(t, f, fulfilment.Request{Target: to(0), Details: details()}, fulfilment.Accept{Target: to(1)},
				fulfilment.Pick{Target: to(2), ReportID: "r1", Lines: units(3, 1)},
				fulfilment.PackParcel{Target: to(3), ParcelID: "p1", Lines: units(3, 1)},
				fulfilment.ShipParcel{Target: to(4), ParcelID: "p1", Gate: open})
			recorded := map[string]int{}
			for _, c := range facts {
				for _, again := range []int{1, 0} { // every fact comes twice
					n := 0
					events := send(t, f, c)
					if again == 0 && len(events) > 0 {
						t.Fatalf("%+v a second time gives %s", c, verdict(events, nil))
					}
					for _, e := range events {
						switch e := any(e).(type) { // the others are no matter here
						case fulfilment.TrackingUpdated, fulfilment.ParcelDelivered, fulfilment.DeliveryFailed, fulfilment.ReturnedToSender:
							n++
						case fulfilment.ParcelShipped:
							t.Fatalf("the parcel has left twice: %+v", e)
						}
					}
					if n != again {
						t.Fatalf("%+v was recorded %d times, want %d", c, n, again)
					}
					recorded[c.FactID] += n
				}
			}
			if len(recorded) != len(facts) {
				t.Fatalf("%d of %d facts were recorded", len(recorded), len(facts))
			}
			if p, _ := f.Parcel("p1"); p.Status != last.Status || p.StatusAt != last.OccurredAt {
				t.Fatalf("the parcel is %s since %s, by the carrier's clock it is %s since %s", p.Status, p.StatusAt, last.Status, last.OccurredAt)
			}
			facts = rapid.Permutation(facts).Draw(t, "another order")
		}
	})
}

// send decides commands that nothing may refuse, and folds what they cause.
func send(t *rapid.T, f *fulfilment.Fulfilment, commands ...fulfilment.Command) (events []fulfilment.Event) {
	for _, c := range commands {
		var err error
		if events, err = fulfilment.Decide(f, c); err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		for _, e := range events {
			fulfilment.Evolve(f, e)
		}
	}
	return events
}

// f5 holds units to: they go back once, with the reservation that they have, and the end of the whole is told when all of
// them have gone back or left, and not before.
type f5 struct{ *ledger }

func (c f5) see(t *rapid.T, s *step) {
	for _, e := range s.events {
		c.record(t, e)
		for _, q := range fulfilment.GivenBack(e) {
			if q.ReservationID != c.reserved[q.LineID] || q.Quantity < 1 {
				t.Fatalf("%+v goes back, the reservation is %q", q, c.reserved[q.LineID])
			}
			if c.back[q.LineID]+c.gone[q.LineID] > c.assigned[q.LineID] {
				t.Fatalf("of %d units of line %s %d went back and %d have left", c.assigned[q.LineID], q.LineID, c.back[q.LineID], c.gone[q.LineID])
			}
		}
	}
	var open, gone int64
	for line := range maps.Keys(c.assigned) {
		open += c.assigned[line] - c.back[line] - c.gone[line]
		gone += c.gone[line]
	}
	var unshipped int64
	for _, q := range s.after.Unshipped() {
		unshipped += q.Quantity
	}
	if unshipped != open {
		t.Fatalf("%d units are unshipped, of those that were assigned %d did neither leave nor go back", unshipped, open)
	}
	var want fulfilment.Status // the first of the statuses that say that nothing is open
	switch {
	case open > 0:
		want = fulfilment.StatusNone
	case gone > 0:
		want = fulfilment.StatusShipped
	default:
		want = fulfilment.StatusRejected
	}
	got := s.after.Status()
	ok := want == fulfilment.StatusNone && got <= fulfilment.StatusPacked ||
		want == fulfilment.StatusShipped && got >= fulfilment.StatusShipped && got <= fulfilment.StatusReturned ||
		want == fulfilment.StatusRejected && got >= fulfilment.StatusRejected
	if !ok {
		t.Fatalf("%d units are open and %d have left, and the fulfilment is %s", open, gone, got)
	}
	for _, e := range s.events {
		switch any(e).(type) { // the others are no matter here
		case fulfilment.Rejected, fulfilment.Cancelled:
			if open+gone > 0 {
				t.Fatalf("%s with %d units open and %d gone", e.EventType(), open, gone)
			}
		}
	}
}

func TestF5UnitsGoBackOnce(t *testing.T) {
	t.Parallel()
	walk(t, func() checks { return f5{newLedger()} })
}

// f6 holds operations on labels to: one effect each, asked for before, and one at a time on a parcel.
type f6 struct {
	parcel  map[string]string // of each operation
	open    map[string]string // by parcel: the operation that has no outcome yet
	effects map[string]int
}

func (c *f6) see(t *rapid.T, s *step) {
	begin := func(op, parcel string) {
		if c.parcel[op] != "" || c.open[parcel] != "" {
			t.Fatalf("operation %s on parcel %s begins; it is of parcel %q, and %q has no outcome yet", op, parcel, c.parcel[op], c.open[parcel])
		}
		c.parcel[op], c.open[parcel] = parcel, op
	}
	end := func(op, parcel string, effects int) {
		if c.effects[op] += effects; c.parcel[op] != parcel || c.effects[op] > 1 {
			t.Fatalf("operation %s on parcel %s has %d effects, it was asked for on parcel %q", op, parcel, c.effects[op], c.parcel[op])
		}
		if c.open[parcel] == op {
			c.open[parcel] = ""
		}
	}
	for _, e := range s.events {
		switch e := any(e).(type) { // the others are no matter here
		case fulfilment.LabelRequested:
			begin(e.OperationID, e.ParcelID)
		case fulfilment.LabelVoidRequested:
			begin(e.OperationID, e.ParcelID)
		case fulfilment.LabelPurchased:
			end(e.OperationID, e.ParcelID, 1)
		case fulfilment.LabelVoided:
			end(e.OperationID, e.ParcelID, 1)
		case fulfilment.LabelFailed:
			end(e.OperationID, e.ParcelID, 0)
		case fulfilment.LabelVoidFailed:
			end(e.OperationID, e.ParcelID, 0)
		case fulfilment.ParcelShipped:
			if !e.Reported && c.open[e.ParcelID] != "" {
				t.Fatalf("parcel %s leaves while operation %s has no outcome", e.ParcelID, c.open[e.ParcelID])
			}
		}
	}
	var unresolved []string
	for _, o := range s.after.UnresolvedLabels() {
		unresolved = append(unresolved, o.ID)
	}
	want := slices.DeleteFunc(slices.Collect(maps.Values(c.open)), func(op string) bool { return op == "" })
	slices.Sort(unresolved)
	slices.Sort(want)
	if !slices.Equal(unresolved, want) {
		t.Fatalf("%v are to be looked up, want %v", unresolved, want)
	}
}

func TestF6OneLabelEffectForEachOperation(t *testing.T) {
	t.Parallel()
	walk(t, func() checks {
		return &f6{parcel: map[string]string{}, open: map[string]string{}, effects: map[string]int{}}
	})
}
