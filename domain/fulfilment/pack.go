package fulfilment

import "waybill/domain"

// Size is what a parcel weighs and measures; zero is not known.
type Size struct {
	Grams  int64 `json:"grams"     msgpack:"grams"`
	Length int64 `json:"length_mm" msgpack:"length_mm"`
	Width  int64 `json:"width_mm"  msgpack:"width_mm"`
	Height int64 `json:"height_mm" msgpack:"height_mm"`
}

// PackParcel says that picked units were put into a parcel.
type PackParcel struct {
	Target
	ParcelID string         // unique in the fulfilment
	Lines    []LineQuantity // at least one, each line once
	Size     Size
}

// UnpackParcel takes the units of a parcel out again, before it leaves. A label that it has is to be voided.
type UnpackParcel struct {
	Target
	ParcelID string
}

// ParcelPacked records a new parcel.
type ParcelPacked struct {
	Head
	ParcelID string `msgpack:"parcel_id,omitempty"`
	Lines    []Line `msgpack:"lines,omitempty"`
	Size     Size   `msgpack:"size"`
}

// ParcelUnpacked records that a parcel is no more: its units are to be packed again.
type ParcelUnpacked struct {
	Head
	ParcelID string `msgpack:"parcel_id,omitempty"`
	Lines    []Line `msgpack:"lines,omitempty"`
}

// CommandType implements [Command].
func (PackParcel) CommandType() string { return CommandPackParcel }

// CommandType implements [Command].
func (UnpackParcel) CommandType() string { return CommandUnpackParcel }

// EventType implements [Event].
func (ParcelPacked) EventType() string { return TypeParcelPacked }

// EventType implements [Event].
func (ParcelUnpacked) EventType() string { return TypeParcelUnpacked }

func (c PackParcel) decide(f *Fulfilment) ([]Event, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if p := f.parcel(c.ParcelID); p != nil {
		if p.State == StateUnpacked || p.State == StateCancelled || p.Size != c.Size || !sameQuantities(quantities(p.Lines), c.Lines) {
			return nil, ParcelConflict{ParcelID: p.ID, State: p.State, Lines: quantities(p.Lines)}
		}
		return nil, nil
	}
	if !f.atWork() {
		return nil, f.transitionOrShipped(c)
	}
	for _, q := range c.Lines {
		l, ok := f.Line(q.LineID)
		if !ok {
			return nil, NotAssigned{LineID: q.LineID, Requested: q.Quantity}
		}
		if q.Quantity > l.ToPack() {
			return nil, ParcelMismatch{ParcelID: c.ParcelID, LineID: q.LineID, Requested: q.Quantity, ToPack: l.ToPack()}
		}
	}
	if n := len(f.Parcels); n >= MaxParcels {
		return nil, domain.LimitExceeded{Field: "parcels", Limit: MaxParcels, Actual: int64(n) + 1, Unit: "parcels"}
	}
	return []Event{ParcelPacked{Head: f.head(c.Now), ParcelID: c.ParcelID, Lines: f.lines(c.Lines), Size: c.Size}}, nil
}

func (c PackParcel) check() error {
	f := &fields{}
	f.id("parcel_id", c.ParcelID)
	if len(c.Lines) == 0 {
		f.check(domain.InvalidField{Field: "lines", Reason: "are missing"})
	}
	f.quantities("lines", c.Lines)
	f.measure("size.grams", c.Size.Grams)
	f.measure("size.length_mm", c.Size.Length)
	f.measure("size.width_mm", c.Size.Width)
	f.measure("size.height_mm", c.Size.Height)
	return f.err
}

func (e ParcelPacked) apply(f *Fulfilment) {
	f.Parcels = append(f.Parcels, Parcel{ID: e.ParcelID, State: StatePacked, Lines: e.Lines, Size: e.Size, PackedAt: e.At})
	f.pack(e.Lines, 1)
	f.UpdatedAt = e.At
}

func (c UnpackParcel) decide(f *Fulfilment) ([]Event, error) {
	p := f.parcel(c.ParcelID)
	switch {
	case p == nil:
		return nil, UnknownParcel{ParcelID: c.ParcelID}
	case p.left():
		return nil, AlreadyShipped{ParcelID: p.ID}
	case p.State != StatePacked:
		return nil, nil // its units are out of it, for whatever reason
	}
	return []Event{ParcelUnpacked{Head: f.head(c.Now), ParcelID: p.ID, Lines: p.Lines}}, nil
}

func (e ParcelUnpacked) apply(f *Fulfilment) {
	if p := f.parcel(e.ParcelID); p != nil {
		p.State = StateUnpacked
	}
	f.pack(e.Lines, -1)
	f.UpdatedAt = e.At
}

// pack counts lines as packed, or with sign -1 as no longer packed.
func (f *Fulfilment) pack(lines []Line, sign int64) {
	for _, q := range lines {
		if l, ok := f.Line(q.LineID); ok {
			l.Packed += sign * q.Quantity
		}
	}
}
