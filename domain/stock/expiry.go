package stock

import "waybill/domain"

// expired returns the event that ends r.
func (r *Reservation) expired(now domain.Time) ReservationExpired {
	return ReservationExpired{
		OrderID: r.OrderID, ReservationID: r.ID, FromStock: r.FromStock, Backordered: r.Backordered,
		ExpiresAt: r.ExpiresAt, At: now,
	}
}

// expireClaims returns the events that end lapsed reservations, the earliest first, and what they let go of: as many as
// are needed to let go of need units, and otherwise up to SpareExpiry.
func (i *Item) expireClaims(now domain.Time, need int64) ([]Event, Granted) {
	if next := i.NextExpiry(); next == 0 || next > now {
		return nil, Granted{}
	}
	var events []Event
	var freed Granted
	for r := range i.held.until(now) {
		if len(events) >= SpareExpiry && freed.FromStock+freed.Backordered >= need {
			break
		}
		events = append(events, r.expired(now))
		freed.FromStock += r.FromStock
		freed.Backordered += r.Backordered
	}
	return events, freed
}

// expire is [Item.expireClaims] for those who need units that lie there: need and freed count those alone. It ends spare
// reservations without need, and most of them at all: beyond that freed counts what has lapsed and is left to be expired.
func (i *Item) expire(now domain.Time, need int64, spare, most int) (events []Event, freed int64) {
	if next := i.NextExpiry(); next == 0 || next > now {
		return nil, 0
	}
	for r := range i.held.until(now) {
		if len(events) >= spare && freed >= need {
			break
		}
		if len(events) < most {
			events = append(events, r.expired(now))
		}
		freed += r.FromStock
	}
	return events, freed
}
