package processes

import (
	"fmt"
	"slices"
	"strings"

	"waybill/commands"
	"waybill/domain/order"
	"waybill/domain/stock"
)

// What is given back is said as what is kept, never as what goes: a crash may take back that an event was handled, and
// have a timer handled before it the next time. The units that go would then be other ones, or go twice.

// cancelled gives the units of cancelled lines back.
func (t *placementTurn) cancelled(lines []order.CancelledLine) {
	parts := map[stock.Key][]stock.Part{}
	left := int64(0)
	for n := range t.s.Lines {
		l := &t.s.Lines[n]
		for _, c := range lines {
			if c.LineID != l.LineID {
				continue
			}
			l.Quantity -= min(c.Quantity, l.Quantity)
			if l.NoStock {
				continue
			}
			key := stock.Key{SKU: l.SKU, Location: l.Location}
			parts[key] = append(parts[key], stock.Part{ReservationID: t.reservation(*l), Keep: l.Quantity})
		}
		left += l.Quantity
	}
	if t.s.Reserved && !t.s.Closed {
		t.release(parts, "cancelled")
	}
	if left == 0 && t.s.Waiting != "" {
		t.close()
	}
}

// trim gives back what was reserved beyond what is left of the lines. There is such a thing only if the stock was
// reserved in an earlier run of this turn, which did not know yet of units that were cancelled.
func (t *placementTurn) trim(events []commands.Caused) {
	granted := map[string]int64{}
	for i := range events {
		if e, ok := events[i].Event.(stock.Reserved); ok {
			for _, g := range e.Reservations {
				granted[g.ReservationID] = g.FromStock + g.Backordered
			}
		}
	}
	parts := map[stock.Key][]stock.Part{}
	for _, l := range t.s.Lines {
		if id := t.reservation(l); !l.NoStock && granted[id] > l.Quantity {
			key := stock.Key{SKU: l.SKU, Location: l.Location}
			parts[key] = append(parts[key], stock.Part{ReservationID: id, Keep: l.Quantity})
		}
	}
	t.release(parts, "cancelled")
}

func (t *placementTurn) releaseAll(reason string) {
	if !t.s.Reserved {
		return
	}
	parts := map[stock.Key][]stock.Part{}
	for _, i := range t.items() {
		for _, id := range t.reservations(i.lines) {
			parts[i.Key] = append(parts[i.Key], stock.Part{ReservationID: id})
		}
	}
	t.s.Reserved = false
	t.release(parts, reason)
}

// release gives units back, each item by itself: what one item refuses, because it is over, must not keep the others. The
// step names the attempt and the units that are kept: in another run of the turn they may differ, and then it is
// another command.
func (t *placementTurn) release(parts map[stock.Key][]stock.Part, reason string) {
	keys := make([]stock.Key, 0, len(parts))
	for k := range parts {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b stock.Key) int { return strings.Compare(a.Stream(), b.Stream()) })
	for _, k := range keys {
		kept := int64(0)
		for _, p := range parts[k] {
			kept += p.Keep
		}
		c := stock.Release{Key: k, OrderID: t.s.OrderID, Parts: parts[k], Reason: reason, Now: t.now}
		step := fmt.Sprintf("release-%d-%s-%d", t.s.Attempt, k.Stream(), kept)
		t.r.Commands = append(t.r.Commands, Command{Step: step, Type: stock.CommandRelease, Steps: []commands.Step{commands.Stock(c)}})
	}
}
