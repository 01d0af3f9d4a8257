package stock

import "waybill/domain"

// The held reservations form a binary heap: the earliest expiry, then the lowest Seq, is at the root. Each knows its place,
// so that a confirmed or released one is taken out at once and the heap never holds one that has ended.

func earlier(a, b *Reservation) bool {
	if a.ExpiresAt != b.ExpiresAt {
		return a.ExpiresAt < b.ExpiresAt
	}
	return a.Seq < b.Seq
}

func (i *Item) push(r *Reservation) {
	r.heapIndex = len(i.held)
	i.held = append(i.held, r)
	i.up(r.heapIndex)
}

func (i *Item) remove(r *Reservation) {
	at, last := r.heapIndex, len(i.held)-1
	i.swap(at, last)
	i.held[last] = nil
	i.held = i.held[:last]
	if at < last {
		i.fix(at)
	}
}

// fix restores the order after the entry at n has changed.
func (i *Item) fix(n int) {
	i.down(n)
	i.up(n)
}

func (i *Item) up(n int) {
	for n > 0 {
		parent := (n - 1) / 2
		if !earlier(i.held[n], i.held[parent]) {
			return
		}
		i.swap(n, parent)
		n = parent
	}
}

func (i *Item) down(n int) {
	for {
		least := n
		for child := 2*n + 1; child <= 2*n+2 && child < len(i.held); child++ {
			if earlier(i.held[child], i.held[least]) {
				least = child
			}
		}
		if least == n {
			return
		}
		i.swap(n, least)
		n = least
	}
}

func (i *Item) swap(a, b int) {
	i.held[a], i.held[b] = i.held[b], i.held[a]
	i.held[a].heapIndex, i.held[b].heapIndex = a, b
}

// lapses walks the lapsed reservations of an item, the earliest first, without changing the item. The k-th step costs
// O(log k), whatever number of reservations is held.
type lapses struct {
	item     *Item
	now      domain.Time
	frontier []int // places in the heap whose parents were visited: itself a heap by expiry
}

func (i *Item) lapses(now domain.Time) *lapses {
	l := &lapses{item: i, now: now}
	l.visit(0)
	return l
}

// next returns the next lapsed reservation, nil when there is no more.
func (l *lapses) next() *Reservation {
	if len(l.frontier) == 0 {
		return nil
	}
	at, last := l.frontier[0], len(l.frontier)-1
	l.frontier[0] = l.frontier[last]
	l.frontier = l.frontier[:last]
	l.sink()
	l.visit(2*at + 1)
	l.visit(2*at + 2)
	return l.item.held[at]
}

// visit puts the place at on the frontier if its reservation has lapsed.
func (l *lapses) visit(at int) {
	if at >= len(l.item.held) || !l.item.held[at].lapsed(l.now) {
		return
	}
	l.frontier = append(l.frontier, at)
	for n := len(l.frontier) - 1; n > 0 && l.before(n, (n-1)/2); n = (n - 1) / 2 {
		l.frontier[n], l.frontier[(n-1)/2] = l.frontier[(n-1)/2], l.frontier[n]
	}
}

// sink moves the first of the frontier down to where it belongs.
func (l *lapses) sink() {
	for n := 0; ; {
		least := n
		for child := 2*n + 1; child <= 2*n+2 && child < len(l.frontier); child++ {
			if l.before(child, least) {
				least = child
			}
		}
		if least == n {
			return
		}
		l.frontier[n], l.frontier[least] = l.frontier[least], l.frontier[n]
		n = least
	}
}

func (l *lapses) before(a, b int) bool {
	return earlier(l.item.held[l.frontier[a]], l.item.held[l.frontier[b]])
}

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
	for l := i.lapses(now); len(events) < SpareExpiry || freed.FromStock+freed.Backordered < need; {
		r := l.next()
		if r == nil {
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
	for l := i.lapses(now); len(events) < spare || freed < need; {
		r := l.next()
		if r == nil {
			break
		}
		if len(events) < most {
			events = append(events, r.expired(now))
		}
		freed += r.FromStock
	}
	return events, freed
}
