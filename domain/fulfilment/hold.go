package fulfilment

import (
	"slices"

	"waybill/domain"
)

// HoldReason says what a hold is about.
type HoldReason string

// The reasons for a hold.
const (
	HoldPayment   HoldReason = "payment"
	HoldAddress   HoldReason = "address"
	HoldFraud     HoldReason = "fraud"
	HoldInventory HoldReason = "inventory"
	HoldManual    HoldReason = "manual"
)

// HoldOwner says whose hold it is that stops something.
type HoldOwner string

// The owners of holds.
const (
	HoldOfFulfilment HoldOwner = "fulfilment"
	HoldOfOrder      HoldOwner = "order"
)

// Hold stops labels and shipping until it is released or runs out.
type Hold struct {
	ID         string          `msgpack:"hold_id,omitempty"`
	Reason     HoldReason      `msgpack:"reason"`
	Until      domain.Time     `msgpack:"until,omitempty"` // when it runs out by itself, zero for never
	Note       domain.Personal `msgpack:"note,omitempty"`  // why
	PlacedAt   domain.Time     `msgpack:"placed_at"`
	ReleasedAt domain.Time     `msgpack:"released_at,omitempty"` // zero while it is active
}

// Active reports whether h stops anything at now.
func (h *Hold) Active(now domain.Time) bool {
	return h.ReleasedAt.IsZero() && (h.Until.IsZero() || now < h.Until)
}

// PlaceHold stops labels from being bought, and parcels from being shipped, while there are units that have not left.
type PlaceHold struct {
	Target
	HoldID string // unique in the fulfilment
	Reason HoldReason
	Until  domain.Time // when it runs out by itself, zero for never
	Note   domain.Personal
}

// ReleaseHold lets go of a hold.
type ReleaseHold struct {
	Target
	HoldID string
	Note   domain.Personal
}

// HoldPlaced records a new hold.
type HoldPlaced struct {
	Head
	HoldID string          `msgpack:"hold_id,omitempty"`
	Reason HoldReason      `msgpack:"reason"`
	Until  domain.Time     `msgpack:"until,omitempty"`
	Note   domain.Personal `msgpack:"note,omitempty"`
}

// HoldReleased records that a hold was let go.
type HoldReleased struct {
	Head
	HoldID string          `msgpack:"hold_id,omitempty"`
	Note   domain.Personal `msgpack:"note,omitempty"`
}

// CommandType implements [Command].
func (PlaceHold) CommandType() string { return CommandPlaceHold }

// CommandType implements [Command].
func (ReleaseHold) CommandType() string { return CommandReleaseHold }

// EventType implements [Event].
func (HoldPlaced) EventType() string { return TypeHoldPlaced }

// EventType implements [Event].
func (HoldReleased) EventType() string { return TypeHoldReleased }

func (c PlaceHold) decide(f *Fulfilment) ([]Event, error) {
	check := &fields{}
	check.id("hold_id", c.HoldID)
	oneOf(check, "reason", c.Reason, HoldPayment, HoldAddress, HoldFraud, HoldInventory, HoldManual)
	check.check(domain.CheckPersonal("note", c.Note, MaxText))
	if check.err != nil {
		return nil, check.err
	}
	if i := f.holdIndex(c.HoldID); i >= 0 {
		h := &f.Holds[i]
		if !h.ReleasedAt.IsZero() || h.Reason != c.Reason || h.Until != c.Until {
			return nil, HoldConflict{HoldID: h.ID, Reason: h.Reason, ReleasedAt: h.ReleasedAt}
		}
		return nil, nil
	}
	if !c.Until.IsZero() && c.Until <= c.Now {
		return nil, domain.InvalidField{Field: "until", Reason: "is not after now"}
	}
	if f.unshipped() == 0 {
		return nil, f.transitionOrShipped(c)
	}
	if n := len(f.Holds); n >= MaxHolds {
		return nil, domain.LimitExceeded{Field: "holds", Limit: MaxHolds, Actual: int64(n) + 1, Unit: "holds"}
	}
	return []Event{HoldPlaced{Head: f.head(c.Now), HoldID: c.HoldID, Reason: c.Reason, Until: c.Until, Note: c.Note}}, nil
}

func (e HoldPlaced) apply(f *Fulfilment) {
	f.Holds = append(f.Holds, Hold{ID: e.HoldID, Reason: e.Reason, Until: e.Until, Note: e.Note, PlacedAt: e.At})
	f.UpdatedAt = e.At
}

func (c ReleaseHold) decide(f *Fulfilment) ([]Event, error) {
	if err := domain.CheckPersonal("note", c.Note, MaxText); err != nil {
		return nil, err
	}
	i := f.holdIndex(c.HoldID)
	if i < 0 {
		return nil, UnknownHold{HoldID: c.HoldID}
	}
	if !f.Holds[i].ReleasedAt.IsZero() {
		return nil, nil
	}
	return []Event{HoldReleased{Head: f.head(c.Now), HoldID: c.HoldID, Note: c.Note}}, nil
}

func (e HoldReleased) apply(f *Fulfilment) {
	if i := f.holdIndex(e.HoldID); i >= 0 {
		f.Holds[i].ReleasedAt = e.At
	}
	f.UpdatedAt = e.At
}

func (f *Fulfilment) holdIndex(id string) int {
	return slices.IndexFunc(f.Holds, func(h Hold) bool { return h.ID == id })
}

// Holding returns the ids of the fulfilment's own holds that stand at now.
func (f *Fulfilment) Holding(now domain.Time) []string {
	var ids []string
	for i := range f.Holds {
		if f.Holds[i].Active(now) {
			ids = append(ids, f.Holds[i].ID)
		}
	}
	return ids
}
