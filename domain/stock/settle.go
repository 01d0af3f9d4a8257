package stock

import (
	"cmp"
	"math"
	"slices"

	"waybill/domain"
)

// settleFact completes the decision about physical facts. If they take units that are promised, lapsed reservations, which
// promise nothing, are expired first where that helps: up to FactExpiry of them, since a fact must fit one commit. More of
// them count for nothing all the same, and stay until a later command expires them.
func (i *Item) settleFact(now domain.Time, facts ...Event) []Event {
	after := i.after(facts)
	if after.Oversold() <= i.Oversold() {
		return i.settle(now, FactFill, facts)
	}
	events, freed := i.expire(now, after.Oversold(), SpareExpiry, FactExpiry)
	events = append(events, facts...)
	after.Reserved -= freed
	if short := after.Oversold(); short > 0 {
		events = append(events, OversoldDetected{
			OnHand: after.OnHand, Unavailable: after.Unavailable.Total(), Safety: after.Safety, Reserved: after.Reserved,
			Short: short, Victims: i.victims(short, now), At: now,
		})
	}
	return i.settle(now, FactFill, events)
}

// settle completes a decision with what it means: units that it leaves free are given to reservations that wait, most of
// them at most, and it is said when few units, or none, are left to sell.
func (i *Item) settle(now domain.Time, most int, events []Event) []Event {
	if len(events) == 0 {
		return nil
	}
	after := i.after(events)
	if after.Backordered > 0 && after.Free() > 0 {
		events = i.fill(now, after.Free(), most, events)
	}
	// Filling leaves the available units as they are: what waits had a claim on them before.
	switch available := after.Available(); {
	case available == 0 && i.Available() > 0:
		return append(events, Depleted{At: now})
	case available < after.Threshold && i.Available() >= i.Threshold:
		return append(events, BelowThreshold{Available: available, Threshold: after.Threshold, At: now})
	}
	return events
}

// fill appends to events, which leave free units behind, what is given of them to confirmed reservations that wait: in the
// order of their confirmation, then of their making.
//
// The first in line gets what there is, even if that is not all it waits for. If it were skipped until all of it is there,
// small orders would overtake it for ever; if everybody had to wait until then, units would lie idle that somebody waits for.
// So nobody is overtaken, nothing lies idle, and a partly filled reservation can be shipped in part.
func (i *Item) fill(now domain.Time, free int64, most int, events []Event) []Event {
	decided := events
	give := func(r *Reservation) bool {
		waits := r.Backordered - givenBack(decided, r.ID)
		if quantity := min(waits, free); quantity > 0 {
			events = append(events, BackorderFilled{
				OrderID: r.OrderID, ReservationID: r.ID, Quantity: quantity, Waiting: waits - quantity, At: now,
			})
			free -= quantity
			most--
		}
		return free > 0 && most > 0
	}
	for r := range i.waiting.until(math.MaxInt64) {
		if !give(r) {
			return events
		}
	}
	for _, r := range i.confirmedBy(decided) { // they stand behind those who wait already
		if !give(r) {
			return events
		}
	}
	return events
}

// givenBack returns how many waiting units of a reservation are released by events.
func givenBack(events []Event, id string) int64 {
	for _, e := range events {
		released, ok := e.(ReservationReleased)
		if !ok {
			continue
		}
		for n := range released.Parts {
			if p := &released.Parts[n]; p.ReservationID == id {
				return p.Backordered
			}
		}
	}
	return 0
}

// confirmedBy returns the reservations that events confirm, in the order in which they were made.
func (i *Item) confirmedBy(events []Event) []*Reservation {
	var rs []*Reservation
	for _, e := range events {
		if confirmed, ok := e.(ReservationConfirmed); ok {
			for _, id := range confirmed.ReservationIDs {
				rs = append(rs, i.open[id])
			}
		}
	}
	slices.SortFunc(rs, func(a, b *Reservation) int { return cmp.Compare(a.Seq, b.Seq) })
	return rs
}

// victims proposes who gives up units that are not there: the newest reservations first, as many as it takes or MaxVictims.
// Units that are allocated stay with their fulfilment; somebody may be packing them.
func (i *Item) victims(short int64, now domain.Time) []Victim {
	var proposed []Victim
	for r := i.newest; r != nil && short > 0 && len(proposed) < MaxVictims; r = r.older {
		quantity := min(r.Unallocated(), short)
		if quantity <= 0 || r.lapsed(now) {
			continue
		}
		proposed = append(proposed, Victim{ReservationID: r.ID, OrderID: r.OrderID, Quantity: quantity})
		short -= quantity
	}
	return proposed
}
