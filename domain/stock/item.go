package stock

import (
	"cmp"
	"iter"
	"maps"
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
	}
	return "state(" + strconv.Itoa(int(s)) + ")"
}

// MarshalJSON writes the name of s.
func (s State) MarshalJSON() ([]byte, error) { return strconv.AppendQuote(nil, s.String()), nil }

// Reservation is an open claim on units: held or confirmed.
type Reservation struct {
	ID          string      `msgpack:"reservation_id,omitempty"`
	OrderID     string      `msgpack:"order_id,omitempty"`
	State       State       `msgpack:"state"`       // StateHeld or StateConfirmed
	Asked       int64       `msgpack:"asked"`       // units it was made for
	FromStock   int64       `msgpack:"from_stock"`  // open units that are covered by what lies there
	Backordered int64       `msgpack:"backordered"` // open units that wait for a receipt
	ExpiresAt   domain.Time `msgpack:"expires_at"`  // of a held one
	Seq         int64       `msgpack:"seq"`         // order of reserving, from 1

	heapIndex int // place in Item.held while it is held
}

// Quantity returns the open units.
func (r *Reservation) Quantity() int64 { return r.FromStock + r.Backordered }

// lapsed reports whether r is held and its time is over.
func (r *Reservation) lapsed(now domain.Time) bool { return r.State == StateHeld && r.ExpiresAt <= now }

// Movement is a physical movement that was recorded, kept so that a repeated one is recognised.
type Movement struct {
	ID       string       `msgpack:"movement_id,omitempty"`
	Kind     MovementKind `msgpack:"kind"`
	Quantity int64        `msgpack:"quantity"` // as asked: received units, delta, or counted units
}

// MovementKind says what moved.
type MovementKind string

// The kinds of movements.
const (
	MovementReceive MovementKind = "receive"
	MovementAdjust  MovementKind = "adjust"
	MovementCount   MovementKind = "count"
)

// Closed is a reservation that has ended.
type Closed struct {
	ID      string      `msgpack:"reservation_id,omitempty"`
	OrderID string      `msgpack:"order_id,omitempty"`
	State   State       `msgpack:"state"` // StateReleased or StateExpired
	At      domain.Time `msgpack:"at"`
}

// Item is the state folded from the events of one SKU at one location. Its zero value is an item that nothing happened to.
// It belongs to whoever folds; the sums are kept running, so nothing is ever added up over all reservations.
type Item struct {
	OnHand         int64       // what lies there by the books; negative only by facts
	Safety         int64       // kept back from new reservations
	Reserved       int64       // units of open reservations that are covered by what lies there
	Backordered    int64       // units of open reservations that wait for a receipt
	BackorderLimit int64       // how many units may wait; 0 for none
	Received       int64       // all that ever came in
	Adjusted       int64       // sum of all adjustments and corrections by counts
	Seq            int64       // of the last reservation made
	UpdatedAt      domain.Time // time of the last event

	open      map[string]*Reservation // by id
	held      []*Reservation          // heap: the one that expires first is at 0
	closed    memory[Closed]
	movements memory[Movement]
}

// Free returns the units that nobody has a claim on: on hand − safety − reserved. It is negative when less lies there than
// is kept back, or when facts took what was promised (then [Item.Oversold] says how much).
func (i *Item) Free() int64 { return i.OnHand - i.Safety - i.Reserved }

// Available returns the units that a new reservation may take from stock. Held reservations count until they are expired.
func (i *Item) Available() int64 { return max(0, i.Free()-i.Backordered) }

// Oversold returns how many promised units are not there: reserved − (on hand − safety), where what is kept back is given up
// no further than to the last unit on hand. No command raises it; facts do.
func (i *Item) Oversold() int64 { return max(0, i.Reserved-max(0, i.OnHand-i.Safety)) }

// NextExpiry returns when the next held reservation lapses, zero if none is held.
func (i *Item) NextExpiry() domain.Time {
	if len(i.held) == 0 {
		return 0
	}
	return i.held[0].ExpiresAt
}

// Open returns how many reservations are held or confirmed.
func (i *Item) Open() int { return len(i.open) }

// Reservation returns a copy of the open reservation with that id; ok is false if there is none.
func (i *Item) Reservation(id string) (r Reservation, ok bool) {
	p, ok := i.open[id]
	if !ok {
		return Reservation{}, false
	}
	r = *p
	r.heapIndex = 0
	return r, true
}

// Reservations returns copies of all open reservations in the order in which they were made.
func (i *Item) Reservations() iter.Seq[Reservation] {
	return func(yield func(Reservation) bool) {
		for _, r := range slices.SortedFunc(maps.Values(i.open), func(a, b *Reservation) int { return cmp.Compare(a.Seq, b.Seq) }) {
			c := *r
			c.heapIndex = 0
			if !yield(c) {
				return
			}
		}
	}
}
