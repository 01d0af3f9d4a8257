package stock

import (
	"iter"
	"slices"
	"strconv"

	"waybill/domain"
)

// State is where a reservation stands.
type State uint8

// The states of a reservation. The zero State is a reservation nobody made.
const (
	StateNone State = iota
	StateHeld
	StateConfirmed
	StateReleased
	StateExpired
	StateAllocated
	StateIssued
)

// String returns the stable snake_case name of s.
func (s State) String() string {
	switch s {
	case StateNone:
		return "none"
	case StateHeld:
		return "held"
	case StateConfirmed:
		return "confirmed"
	case StateReleased:
		return "released"
	case StateExpired:
		return "expired"
	case StateAllocated:
		return "allocated"
	case StateIssued:
		return "issued"
	}
	return "state(" + strconv.Itoa(int(s)) + ")"
}

// MarshalJSON writes the name of s.
func (s State) MarshalJSON() ([]byte, error) { return strconv.AppendQuote(nil, s.String()), nil }

// Reservation is an open claim on units: held, confirmed, or allocated when all of its units are.
type Reservation struct {
	ID          string       `msgpack:"reservation_id,omitempty"`
	OrderID     string       `msgpack:"order_id,omitempty"`
	State       State        `msgpack:"state"`                  // StateHeld, StateConfirmed or StateAllocated
	Asked       int64        `msgpack:"asked"`                  // units it was made for
	FromStock   int64        `msgpack:"from_stock"`             // open units that are covered by what lies there, allocated ones among them
	Backordered int64        `msgpack:"backordered"`            // open units that wait for a receipt
	Allocated   int64        `msgpack:"allocated,omitempty"`    // open units that belong to a fulfilment
	Issued      int64        `msgpack:"issued,omitempty"`       // units that have left
	Allocations []Allocation `msgpack:"allocations,omitempty"`  // in order of allocating, ended ones among them
	Issues      []Movement   `msgpack:"issues,omitempty"`       // the last IssuesOfOne in which units have left
	ExpiresAt   domain.Time  `msgpack:"expires_at"`             // of a held one
	ConfirmedAt domain.Time  `msgpack:"confirmed_at,omitempty"` // of one that is confirmed or allocated
	Seq         int64        `msgpack:"seq"`                    // order of reserving, from 1

	place        int          // in Item.held, or in Item.waiting
	older, newer *Reservation // its neighbours among all open ones
}

// Allocation is what a fulfilment was given of a reservation.
type Allocation struct {
	FulfilmentID string  `msgpack:"fulfilment_id,omitempty"`
	Asked        int64   `msgpack:"asked"`            // units it was made for
	Open         int64   `msgpack:"open"`             // units that are neither issued nor taken back; 0 when it has ended
	Issued       int64   `msgpack:"issued,omitempty"` // units that have left with the fulfilment
	Taken        []Taken `msgpack:"taken,omitempty"`  // how the others were taken back, in order
}

// Quantity returns the open units.
func (r *Reservation) Quantity() int64 { return r.FromStock + r.Backordered }

// Unallocated returns the covered units that belong to no fulfilment.
func (r *Reservation) Unallocated() int64 { return r.FromStock - r.Allocated }

// allocation returns what was allocated of r to a fulfilment, nil if nothing ever was.
func (r *Reservation) allocation(fulfilmentID string) *Allocation {
	return allocationOf(r.Allocations, fulfilmentID)
}

func allocationOf(as []Allocation, fulfilmentID string) *Allocation {
	for n := range as {
		if as[n].FulfilmentID == fulfilmentID {
			return &as[n]
		}
	}
	return nil
}

// public returns a copy of r for others.
func (r *Reservation) public() Reservation {
	c := *r
	c.Allocations, c.Issues = slices.Clone(r.Allocations), slices.Clone(r.Issues)
	for n := range c.Allocations {
		c.Allocations[n].Taken = slices.Clone(c.Allocations[n].Taken)
	}
	c.place, c.older, c.newer = 0, nil, nil
	return c
}

// lapsed reports whether r is held and its time is over.
func (r *Reservation) lapsed(now domain.Time) bool { return r.State == StateHeld && r.ExpiresAt <= now }

// Movement is a physical movement that was recorded, kept so that a repeated one is recognised.
type Movement struct {
	ID       string       `msgpack:"movement_id,omitempty"` // of an issue: behind the fulfilment's
	Kind     MovementKind `msgpack:"kind"`
	Quantity int64        `msgpack:"quantity"`         // as asked: received units, delta, or counted units
	Detail   string       `msgpack:"detail,omitempty"` // the bucket, or the other location
}

// MovementKind says what moved.
type MovementKind string

// The kinds of movements.
const (
	MovementReceive         MovementKind = "receive"
	MovementAdjust          MovementKind = "adjust"
	MovementCount           MovementKind = "count"
	MovementMakeUnavailable MovementKind = "make_unavailable"
	MovementMakeAvailable   MovementKind = "make_available"
	MovementTransferOut     MovementKind = "transfer_out"
	MovementTransferIn      MovementKind = "transfer_in"
	MovementIssue           MovementKind = "issue"
)

// Closed is a reservation that has ended.
type Closed struct {
	ID      string      `msgpack:"reservation_id,omitempty"`
	OrderID string      `msgpack:"order_id,omitempty"`
	State   State       `msgpack:"state"` // StateReleased, StateExpired or StateIssued: how its last units ended
	At      domain.Time `msgpack:"at"`

	Allocations []Allocation `msgpack:"allocations,omitempty"` // those that units were taken of
}

// Sums are what an item counts. Every event says by its count method what it means for them, so that a decision knows
// what it leaves behind without touching a reservation.
type Sums struct {
	OnHand         int64   `msgpack:"on_hand"`         // what lies there by the books; negative only by facts
	Unavailable    Buckets `msgpack:"unavailable"`     // units on hand that cannot be sold
	Safety         int64   `msgpack:"safety"`          // kept back from new reservations
	Reserved       int64   `msgpack:"reserved"`        // units of open reservations that are covered by what lies there
	Allocated      int64   `msgpack:"allocated"`       // those of them that belong to a fulfilment
	Backordered    int64   `msgpack:"backordered"`     // units of open reservations that wait for a receipt
	BackorderLimit int64   `msgpack:"backorder_limit"` // how many units may wait; 0 for none
	Threshold      int64   `msgpack:"threshold"`       // fewer available units than this are said to be few; 0 for none
	Received       int64   `msgpack:"received"`        // all that ever came in
	Adjusted       int64   `msgpack:"adjusted"`        // sum of all adjustments and corrections by counts
	Restocked      int64   `msgpack:"restocked"`       // all that ever came back from customers
	TransferredIn  int64   `msgpack:"transferred_in"`  // all that ever came from other locations
	TransferredOut int64   `msgpack:"transferred_out"` // all that ever went to other locations
	Issued         int64   `msgpack:"issued"`          // all that ever went to customers
}

// Free returns the units that nobody has a claim on: on hand − unavailable − safety − reserved. It is negative when less lies
// there than is kept back, or when facts took what was promised (then [Sums.Oversold] says how much).
func (s *Sums) Free() int64 { return s.OnHand - s.Unavailable.Total() - s.Safety - s.Reserved }

// Available returns the units that a new reservation may take from stock. Held reservations count until they are expired.
func (s *Sums) Available() int64 { return max(0, s.Free()-s.Backordered) }

// Oversold returns how many promised units are not there: reserved − (on hand − unavailable − safety), where what is kept back
// is given up no further than to the last unit that can be sold. No command raises it; facts do.
func (s *Sums) Oversold() int64 {
	return max(0, s.Reserved-max(0, s.OnHand-s.Unavailable.Total()-s.Safety))
}

// Allocatable returns the units that lie there, can be sold, and belong to no fulfilment yet.
func (s *Sums) Allocatable() int64 { return max(0, s.OnHand-s.Unavailable.Total()-s.Allocated) }

// after returns the sums as events leave them.
func (s *Sums) after(events []Event) Sums {
	after := *s
	for _, e := range events {
		e.count(&after)
	}
	return after
}

// Item is the state folded from the events of one SKU at one location. Its zero value is an item that nothing happened to.
// It belongs to whoever folds; the sums are kept running, so nothing is ever added up over all reservations.
type Item struct {
	Sums

	Seq       int64       // of the last reservation made
	UpdatedAt domain.Time // time of the last event

	open           map[string]*Reservation // by id
	oldest, newest *Reservation            // the ends of a list of the open ones, by Seq
	held           queue                   // the held ones, by expiry
	waiting        queue                   // the confirmed ones with units that wait, by the time of confirming
	closed         memory[Closed]
	movements      memory[Movement]
	issues         memory[Movement]
	restocked      memory[restockedUnit]
}

// NextExpiry returns when the next held reservation lapses, zero if none is held.
func (i *Item) NextExpiry() domain.Time {
	if len(i.held) == 0 {
		return 0
	}
	return i.held[0].ExpiresAt
}

// Open returns how many reservations are open.
func (i *Item) Open() int { return len(i.open) }

// Reservation returns a copy of the open reservation with that id; ok is false if there is none.
func (i *Item) Reservation(id string) (r Reservation, ok bool) {
	p, ok := i.open[id]
	if !ok {
		return Reservation{}, false
	}
	return p.public(), true
}

// Reservations returns copies of all open reservations in the order in which they were made.
func (i *Item) Reservations() iter.Seq[Reservation] {
	return func(yield func(Reservation) bool) {
		for r := i.oldest; r != nil; r = r.newer {
			if !yield(r.public()) {
				return
			}
		}
	}
}

// enlist makes r, the newest of all, an open reservation.
func (i *Item) enlist(r *Reservation) {
	if i.open == nil {
		i.open = make(map[string]*Reservation)
	}
	i.open[r.ID] = r
	r.older, i.newest = i.newest, r
	if r.older == nil {
		i.oldest = r
	} else {
		r.older.newer = r
	}
	i.enqueue(r)
}

// close takes r, which has no open unit any more and is in no queue, out of the open ones and remembers how it ended.
func (i *Item) close(r *Reservation, how State, at domain.Time) {
	delete(i.open, r.ID)
	if r.older == nil {
		i.oldest = r.newer
	} else {
		r.older.newer = r.newer
	}
	if r.newer == nil {
		i.newest = r.older
	} else {
		r.newer.older = r.older
	}
	for _, m := range r.Issues {
		i.rememberIssue(m)
	}
	i.closed.add(r.ID, Closed{ID: r.ID, OrderID: r.OrderID, State: how, At: at, Allocations: r.remembered()}, ClosedMemory, closedID)
}

// queueOf returns where r stands in line, nil if it stands in none.
func (i *Item) queueOf(r *Reservation) *queue {
	switch {
	case r.State == StateHeld:
		return &i.held
	case r.Backordered > 0:
		return &i.waiting
	}
	return nil
}

func (i *Item) enqueue(r *Reservation) {
	if q := i.queueOf(r); q != nil {
		q.push(r)
	}
}

// change takes r out of its queue, changes it, and closes it as ended if no unit of it is left, or puts it where it belongs now.
func (i *Item) change(r *Reservation, at domain.Time, ended State, to func()) {
	if q := i.queueOf(r); q != nil {
		q.remove(r)
	}
	to()
	if r.Quantity() <= 0 {
		i.close(r, ended, at)
		return
	}
	if r.State != StateHeld {
		r.State = StateConfirmed
		if r.Allocated == r.Quantity() {
			r.State = StateAllocated
		}
	}
	i.enqueue(r)
}
