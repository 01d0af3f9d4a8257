package verify

import (
	"time"

	"github.com/google/uuid"

	"waybill/domain/stock"
	"waybill/eventstore"
)

// walk goes through the log in order.
type walk struct {
	i1, i2, i3, i7 *check

	next     int64            // position that comes next
	recorded time.Time        // of the event before
	heads    map[string]int64 // version of each stream
	commits  int64

	items     map[string]*item
	movements int64
}

// item is the stock of one SKU at one place, folded a second time by plain sums.
type item struct {
	stock.Item
	received, adjusted, left int64
}

func (w *walk) event(e *eventstore.Event) {
	if e.Position != w.next {
		w.i2.violated("after position %d comes %d", w.next-1, e.Position)
	}
	w.next = e.Position + 1
	if want := w.heads[e.Stream] + 1; e.Version != want {
		w.i2.violated("stream %s has version %d at position %d, where %d should be", e.Stream, e.Version, e.Position, want)
	}
	w.heads[e.Stream] = e.Version
	if e.RecordedAt.Before(w.recorded) {
		w.i3.violated("position %d was recorded at %s, before the one ahead of it (%s)", e.Position, e.RecordedAt, w.recorded)
	}
	w.recorded = e.RecordedAt
	if e.CommandID != uuid.Nil {
		w.commits++
	} else if e.Position == 1 {
		w.i1.violated("position 1 begins no commit")
	}
	if _, err := e.Metadata(); err != nil {
		w.i1.violated("position %d: %v", e.Position, err)
	}
	if _, _, ok := stock.ParseStream(e.Stream); ok {
		w.stock(e)
	}
}

// stock folds a movement and looks at the item after it.
func (w *walk) stock(e *eventstore.Event) {
	body, err := stock.Decode(e.Type, e.Schema, e.Data)
	if err != nil {
		w.i7.violated("position %d: %v", e.Position, err)
		return
	}
	if w.items == nil {
		w.items = map[string]*item{}
	}
	i, ok := w.items[e.Stream]
	if !ok {
		i = &item{}
		w.items[e.Stream] = i
	}
	before := i.Oversold()
	stock.Evolve(&i.Item, body)
	w.movements++
	fact := false
	switch m := body.(type) {
	case stock.Received:
		i.received += m.Quantity
		fact = true
	case stock.Adjusted:
		i.adjusted += m.Delta
		fact = true
	case stock.Counted:
		i.adjusted += m.Delta
		fact = true
	case stock.Restocked:
		i.received += int64(len(m.UnitIDs))
		fact = true
	case stock.TransferredIn:
		i.received += m.Quantity
		fact = true
	case stock.TransferredOut:
		i.left += m.Quantity
	case stock.Issued:
		for _, p := range m.Parts {
			i.left += p.Quantity + p.Unallocated
			fact = fact || p.Unallocated > 0
		}
	case stock.MadeUnavailable:
		fact = true
	case stock.Reserved, stock.ReservationConfirmed, stock.ReservationExtended, stock.ReservationReleased, stock.ReservationExpired,
		stock.ReservationAllocated, stock.ReservationDeallocated, stock.AllocationReleased, stock.BackorderFilled, stock.MadeAvailable,
		stock.BackorderPolicySet, stock.SafetyStockSet, stock.ThresholdSet, stock.OversoldDetected, stock.AnomalyDetected,
		stock.BelowThreshold, stock.Depleted: // promises, rules for them, and findings
	}
	if i.OnHand != i.received+i.adjusted-i.left {
		w.i7.violated("%s at position %d: %d on hand, %d came in, adjusted %d, %d left", e.Stream, e.Position, i.OnHand, i.received, i.adjusted, i.left)
	}
	if over := i.Oversold(); over > before && !fact {
		w.i7.violated("%s at position %d: %s promised %d units that are not there", e.Stream, e.Position, e.Type, over-before)
	}
	if i.Reserved < i.Allocated || i.Allocated < 0 || i.Backordered < 0 {
		w.i7.violated("%s at position %d: %d reserved, %d of them allocated, %d backordered", e.Stream, e.Position, i.Reserved, i.Allocated, i.Backordered)
	}
}

// end compares running sums with what they sum up, once for each item.
func (w *walk) end() {
	for stream, i := range w.items {
		var fromStock, backordered, allocated int64
		for r := range i.Reservations() {
			fromStock += r.FromStock
			backordered += r.Backordered
			allocated += r.Allocated
		}
		if fromStock != i.Reserved || backordered != i.Backordered || allocated != i.Allocated {
			w.i7.violated("%s: reservations add up to %d (%d allocated) and %d backordered, the item says %d (%d) and %d",
				stream, fromStock, allocated, backordered, i.Reserved, i.Allocated, i.Backordered)
		}
	}
}
