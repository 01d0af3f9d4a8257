package fulfilment

import (
	"slices"

	"waybill/domain"
)

// Line is a number of units of one line of the order.
type Line struct {
	LineID        string `msgpack:"line_id,omitempty"`
	SKU           string `msgpack:"sku,omitempty"`
	Quantity      int64  `msgpack:"quantity"`
	ReservationID string `msgpack:"reservation_id,omitempty"` // whose units they are at the location, empty if stock is not kept
}

// LineQuantity is a number of units of one line.
type LineQuantity struct {
	LineID   string `json:"line_id"  msgpack:"line_id,omitempty"`
	Quantity int64  `json:"quantity" msgpack:"quantity"`
}

// LineState is a line and the ledger of its units.
type LineState struct {
	Line      Line  `msgpack:"line"`      // as requested; the reservation changes when the fulfilment moves
	Shorted   int64 `msgpack:"shorted"`   // given back: the location did not have them
	Cancelled int64 `msgpack:"cancelled"` // given back on request
	Picked    int64 `msgpack:"picked"`    // taken from the shelf, packed ones among them
	Packed    int64 `msgpack:"packed"`    // in a parcel, shipped ones among them
	Shipped   int64 `msgpack:"shipped"`   // in a parcel that has left
}

// ToPick returns the units that are not picked yet.
func (l *LineState) ToPick() int64 { return l.Line.Quantity - l.Shorted - l.Cancelled - l.Picked }

// ToPack returns the units that are picked and in no parcel.
func (l *LineState) ToPack() int64 { return l.Picked - l.Packed }

// ToShip returns the units in parcels that have not left.
func (l *LineState) ToShip() int64 { return l.Packed - l.Shipped }

// Unshipped returns the units that were neither shipped nor given back.
func (l *LineState) Unshipped() int64 { return l.Line.Quantity - l.Shorted - l.Cancelled - l.Shipped }

// giveBack takes n units out of the work on l: unpicked ones first. The caller counts them as shorted or cancelled.
func (l *LineState) giveBack(n int64) { l.Picked -= max(0, n-l.ToPick()) }

// ParcelState is where a parcel stands.
type ParcelState string

// The states of a parcel.
const (
	StatePacked    ParcelState = "packed"
	StateUnpacked  ParcelState = "unpacked"  // its units are to be packed again
	StateCancelled ParcelState = "cancelled" // its units have gone back to the order
	StateShipped   ParcelState = "shipped"
	StateDelivered ParcelState = "delivered"
	StateReturned  ParcelState = "returned" // it came back to the sender
)

// Parcel is a box with units.
type Parcel struct {
	ID        string         `msgpack:"parcel_id,omitempty"`
	State     ParcelState    `msgpack:"state"`
	Lines     []Line         `msgpack:"lines,omitempty"`
	Size      Size           `msgpack:"size"`
	Carrier   string         `msgpack:"carrier,omitempty"`    // once it has left
	Tracking  []string       `msgpack:"tracking,omitempty"`   // tracking numbers, once it has left
	ShippedAt domain.Time    `msgpack:"shipped_at,omitempty"` // when it left
	Status    TrackingStatus `msgpack:"status,omitempty"`     // what the carrier said last, by the carrier's clock
	StatusAt  domain.Time    `msgpack:"status_at,omitempty"`  // when the carrier says that was
	PackedAt  domain.Time    `msgpack:"packed_at"`
}

// left reports whether p is out of the house: shipped, whatever became of it then.
func (p *Parcel) left() bool {
	return p.State == StateShipped || p.ended()
}

// ended reports whether the way of p is over.
func (p *Parcel) ended() bool { return p.State == StateDelivered || p.State == StateReturned }

// Acceptance is the answer of a location that takes the work.
type Acceptance struct {
	ExternalRef string      `msgpack:"external_ref,omitempty"` // the location's own name for it
	At          domain.Time `msgpack:"at"`
}

// Fulfilment is the state folded from the events of one fulfilment. Its zero value is a fulfilment nobody asked for. It
// belongs to whoever folds; what an event brought in is shared with the event and is never changed.
type Fulfilment struct {
	ID            ID             `msgpack:"id"`
	Details       Details        `msgpack:"details"`                 // as requested
	Location      string         `msgpack:"location,omitempty"`      // where it is now
	Due           bool           `msgpack:"due"`                     // its time has come
	Acceptance    *Acceptance    `msgpack:"acceptance,omitempty"`    // nil until it is accepted
	Lines         []LineState    `msgpack:"lines,omitempty"`         // in the order in which they were requested
	Parcels       []Parcel       `msgpack:"parcels,omitempty"`       // all ever packed, in order
	Operations    []Operation    `msgpack:"operations,omitempty"`    // on labels, all ever begun, in order
	Reports       []Report       `msgpack:"reports,omitempty"`       // of the location, in order
	Cancellations []Cancellation `msgpack:"cancellations,omitempty"` // all ever asked for, in order
	Holds         []Hold         `msgpack:"holds,omitempty"`         // all ever placed, in order
	Facts         []Fact         `msgpack:"facts,omitempty"`         // the last FactMemory of the carrier
	Anomalies     []Anomaly      `msgpack:"anomalies,omitempty"`     // the last AnomalyMemory
	RequestedAt   domain.Time    `msgpack:"requested_at"`
	PackedAt      domain.Time    `msgpack:"packed_at,omitempty"`    // when all was packed, the last time
	ShippedAt     domain.Time    `msgpack:"shipped_at,omitempty"`   // when everything had left
	DeliveredAt   domain.Time    `msgpack:"delivered_at,omitempty"` // when every parcel had come to an end
	ClosedAt      domain.Time    `msgpack:"closed_at,omitempty"`    // when it became rejected or cancelled
	UpdatedAt     domain.Time    `msgpack:"updated_at"`             // time of the last event
}

// Status derives where f stands.
func (f *Fulfilment) Status() Status {
	if f.ID == "" {
		return StatusNone
	}
	var toPick, toPack, toShip, shipped, cancelled int64
	for i := range f.Lines {
		l := &f.Lines[i]
		toPick, toPack, toShip = toPick+l.ToPick(), toPack+l.ToPack(), toShip+l.ToShip()
		shipped, cancelled = shipped+l.Shipped, cancelled+l.Cancelled
	}
	switch live := toPick + toPack + toShip + shipped; {
	case live == 0 && cancelled == 0:
		return StatusRejected
	case live == 0:
		return StatusCancelled
	case !f.Due:
		return StatusScheduled
	case f.Acceptance == nil:
		return StatusRequested
	case toPick > 0:
		return StatusAccepted
	case toPack > 0:
		return StatusPicked
	case toShip > 0:
		return StatusPacked
	}
	return f.underway()
}

// underway derives the status of a fulfilment of which everything has left.
func (f *Fulfilment) underway() Status {
	delivered := false
	for i := range f.Parcels {
		switch f.Parcels[i].State {
		case StateShipped:
			return StatusShipped
		case StateDelivered:
			delivered = true
		case StatePacked, StateUnpacked, StateCancelled, StateReturned:
		}
	}
	if delivered {
		return StatusDelivered
	}
	return StatusReturned
}

// ToPick returns the units that are left to pick, in the order of the lines.
func (f *Fulfilment) ToPick() []LineQuantity { return f.left((*LineState).ToPick) }

// ToPack returns the units that are picked and left to pack.
func (f *Fulfilment) ToPack() []LineQuantity { return f.left((*LineState).ToPack) }

// Unshipped returns the units that were neither shipped nor given back.
func (f *Fulfilment) Unshipped() []LineQuantity { return f.left((*LineState).Unshipped) }

// ToShip returns the parcels that are packed and have not left.
func (f *Fulfilment) ToShip() []string {
	var ids []string
	for i := range f.Parcels {
		if f.Parcels[i].State == StatePacked {
			ids = append(ids, f.Parcels[i].ID)
		}
	}
	return ids
}

// UnresolvedLabels returns the operations whose outcome is missing or unknown: what has to be looked up at the carrier.
func (f *Fulfilment) UnresolvedLabels() []Operation {
	return f.operations(func(o *Operation) bool { return o.unresolved() })
}

// IdleLabels returns the operations that bought a label which nobody will use: its parcel was unpacked or cancelled, or has
// another one. They are to be voided.
func (f *Fulfilment) IdleLabels() []Operation {
	return f.operations(func(o *Operation) bool {
		if !o.live() {
			return false
		}
		p := f.parcel(o.ParcelID)
		return p == nil || p.State == StateUnpacked || p.State == StateCancelled || f.label(o.ParcelID).ID != o.ID
	})
}

// Line returns the line with that id; ok is false if the fulfilment has none.
func (f *Fulfilment) Line(id string) (line *LineState, ok bool) {
	i := f.lineIndex(id)
	if i < 0 {
		return nil, false
	}
	return &f.Lines[i], true
}

// Parcel returns the parcel with that id; ok is false if the fulfilment has none.
func (f *Fulfilment) Parcel(id string) (parcel *Parcel, ok bool) {
	p := f.parcel(id)
	return p, p != nil
}

func (f *Fulfilment) lineIndex(id string) int {
	return slices.IndexFunc(f.Lines, func(l LineState) bool { return l.Line.LineID == id })
}

func (f *Fulfilment) parcel(id string) *Parcel {
	i := slices.IndexFunc(f.Parcels, func(p Parcel) bool { return p.ID == id })
	if i < 0 {
		return nil
	}
	return &f.Parcels[i]
}

func (f *Fulfilment) left(of func(*LineState) int64) []LineQuantity {
	var lines []LineQuantity
	for i := range f.Lines {
		if n := of(&f.Lines[i]); n > 0 {
			lines = append(lines, LineQuantity{LineID: f.Lines[i].Line.LineID, Quantity: n})
		}
	}
	return lines
}

// unshipped returns all units that were neither shipped nor given back.
func (f *Fulfilment) unshipped() (n int64) {
	for i := range f.Lines {
		n += f.Lines[i].Unshipped()
	}
	return n
}

// lines returns quantities with all that is known of their lines, in the order of the lines of f. The lines must exist.
func (f *Fulfilment) lines(quantities []LineQuantity) []Line {
	var lines []Line
	for i := range f.Lines {
		l := f.Lines[i].Line
		at := slices.IndexFunc(quantities, func(q LineQuantity) bool { return q.LineID == l.LineID })
		if at < 0 || quantities[at].Quantity == 0 {
			continue
		}
		l.Quantity = quantities[at].Quantity
		lines = append(lines, l)
	}
	return lines
}

// head begins an event on f.
func (f *Fulfilment) head(now domain.Time) Head {
	return Head{OrderID: f.Details.OrderID, Location: f.Location, At: now}
}

// quantity returns the units of a line among quantities, zero if it is not there.
func quantity(quantities []LineQuantity, id string) int64 {
	for _, q := range quantities {
		if q.LineID == id {
			return q.Quantity
		}
	}
	return 0
}

// sameQuantities reports whether a and b name the same units, in any order.
func sameQuantities(a, b []LineQuantity) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(q LineQuantity) bool { return quantity(b, q.LineID) != q.Quantity })
}

// quantities returns what lines count.
func quantities(lines []Line) []LineQuantity {
	var all []LineQuantity
	for _, l := range lines {
		all = append(all, LineQuantity{LineID: l.LineID, Quantity: l.Quantity})
	}
	return all
}
