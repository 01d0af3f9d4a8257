package order

import (
	"slices"

	"waybill/domain"
)

// HoldKind says what a hold is about.
type HoldKind string

// The kinds of holds.
const (
	HoldFraud   HoldKind = "fraud"
	HoldPayment HoldKind = "payment"
	HoldAddress HoldKind = "address"
	HoldDispute HoldKind = "dispute"
	HoldManual  HoldKind = "manual"
)

// Verb is something that a hold can block.
type Verb string

// The verbs that holds block.
const (
	VerbConfirm Verb = "confirm"
	VerbCancel  Verb = "cancel"
	VerbAmend   Verb = "amend"
	VerbCapture Verb = "capture"
	VerbShip    Verb = "ship"
)

// Hold stops verbs until it is released or runs out.
type Hold struct {
	ID         string          `msgpack:"hold_id,omitempty"`
	Kind       HoldKind        `msgpack:"kind"`
	Blocks     []Verb          `msgpack:"blocks,omitempty"`      // sorted
	Until      domain.Time     `msgpack:"until,omitempty"`       // when it runs out by itself, zero for never
	Note       domain.Personal `msgpack:"note,omitempty"`        // why
	PlacedAt   domain.Time     `msgpack:"placed_at"`             // when it was placed
	ReleasedAt domain.Time     `msgpack:"released_at,omitempty"` // zero while it is active
}

// Active reports whether h blocks at now.
func (h *Hold) Active(now domain.Time) bool {
	return h.ReleasedAt.IsZero() && (h.Until.IsZero() || now < h.Until)
}

// PlaceHold stops verbs from happening to an order. No Blocks means ship and capture.
type PlaceHold struct {
	ID     ID
	HoldID string // unique in the order
	Kind   HoldKind
	Blocks []Verb
	Until  domain.Time // when it runs out by itself, zero for never
	Note   domain.Personal
	Now    domain.Time
}

// ReleaseHold lets go of a hold.
type ReleaseHold struct {
	ID     ID
	HoldID string
	Note   domain.Personal
	Now    domain.Time
}

// HoldPlaced records a new hold.
type HoldPlaced struct {
	HoldID string          `msgpack:"hold_id,omitempty"`
	Kind   HoldKind        `msgpack:"kind"`
	Blocks []Verb          `msgpack:"blocks,omitempty"` // sorted
	Until  domain.Time     `msgpack:"until,omitempty"`  // zero for never
	Note   domain.Personal `msgpack:"note,omitempty"`
	At     domain.Time     `msgpack:"at"`
}

// HoldReleased records that a hold was let go.
type HoldReleased struct {
	HoldID string          `msgpack:"hold_id,omitempty"`
	Note   domain.Personal `msgpack:"note,omitempty"`
	At     domain.Time     `msgpack:"at"`
}

// OrderID implements [Command].
func (c PlaceHold) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (PlaceHold) CommandType() string { return CommandPlaceHold }

// OrderID implements [Command].
func (c ReleaseHold) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (ReleaseHold) CommandType() string { return CommandReleaseHold }

// EventType implements [Event].
func (HoldPlaced) EventType() string { return TypeHoldPlaced }

// SchemaVersion implements [Event].
func (HoldPlaced) SchemaVersion() int16 { return schemaFirst }

// EventType implements [Event].
func (HoldReleased) EventType() string { return TypeHoldReleased }

// SchemaVersion implements [Event].
func (HoldReleased) SchemaVersion() int16 { return schemaFirst }

func (c PlaceHold) decide(o *Order) ([]Event, error) {
	if o.Lifecycle == LifecycleNone {
		return nil, transition(o, c)
	}
	e, err := c.event()
	if err != nil {
		return nil, err
	}
	if i := o.holdIndex(c.HoldID); i >= 0 {
		h := &o.Holds[i]
		if !h.ReleasedAt.IsZero() || h.Kind != e.Kind || h.Until != e.Until || !slices.Equal(h.Blocks, e.Blocks) {
			return nil, HoldConflict{HoldID: h.ID, Kind: h.Kind, Blocks: h.Blocks, ReleasedAt: h.ReleasedAt}
		}
		return nil, nil
	}
	if !o.mayHold() {
		return nil, transition(o, c)
	}
	if len(o.Holds) >= MaxHolds {
		return nil, domain.LimitExceeded{Field: "holds", Limit: MaxHolds, Actual: MaxHolds + 1, Unit: "holds"}
	}
	return []Event{e}, nil
}

// event returns what c would record, with its defaults, or why it is refused in any state.
func (c PlaceHold) event() (HoldPlaced, error) {
	blocks := slices.Compact(slices.Sorted(slices.Values(c.Blocks)))
	if len(blocks) == 0 {
		blocks = []Verb{VerbCapture, VerbShip}
	}
	f := &fields{names: true}
	f.id("hold_id", c.HoldID)
	oneOf(f, "kind", c.Kind, HoldFraud, HoldPayment, HoldAddress, HoldDispute, HoldManual)
	for _, v := range blocks {
		oneOf(f, "blocks", v, VerbConfirm, VerbCancel, VerbAmend, VerbCapture, VerbShip)
	}
	if !c.Until.IsZero() && c.Until <= c.Now {
		f.check(domain.InvalidField{Field: "until", Reason: "is not after now"})
	}
	f.check(domain.CheckPersonal("note", c.Note, MaxText))
	if f.err != nil {
		return HoldPlaced{}, f.err
	}
	return HoldPlaced{HoldID: c.HoldID, Kind: c.Kind, Blocks: blocks, Until: c.Until, Note: c.Note, At: c.Now}, nil
}

func (e HoldPlaced) apply(o *Order) {
	o.Holds = append(o.Holds, Hold{
		ID: e.HoldID, Kind: e.Kind, Blocks: e.Blocks, Until: e.Until, Note: e.Note, PlacedAt: e.At,
	})
	o.UpdatedAt = e.At
}

func (c ReleaseHold) decide(o *Order) ([]Event, error) {
	if o.Lifecycle == LifecycleNone {
		return nil, transition(o, c)
	}
	i := o.holdIndex(c.HoldID)
	if i < 0 {
		return nil, UnknownHold{HoldID: c.HoldID}
	}
	if !o.Holds[i].ReleasedAt.IsZero() {
		return nil, nil
	}
	if err := domain.CheckPersonal("note", c.Note, MaxText); err != nil {
		return nil, err
	}
	return []Event{HoldReleased{HoldID: c.HoldID, Note: c.Note, At: c.Now}}, nil
}

func (e HoldReleased) apply(o *Order) {
	if i := o.holdIndex(e.HoldID); i >= 0 {
		o.Holds[i].ReleasedAt = e.At
	}
	o.UpdatedAt = e.At
}

func (o *Order) holdIndex(id string) int {
	return slices.IndexFunc(o.Holds, func(h Hold) bool { return h.ID == id })
}

// mayHold reports whether the lifecycle of o takes new holds: there is still something to stop.
func (o *Order) mayHold() bool {
	switch o.Lifecycle {
	case LifecyclePending, LifecycleConfirmed, LifecycleCancelling:
		return true
	case LifecycleNone, LifecycleCompleted, LifecycleRejected, LifecycleExpired, LifecycleCancelled:
	}
	return false
}

// Blocking returns the ids of the holds that block v at now.
func (o *Order) Blocking(v Verb, now domain.Time) []string {
	var ids []string
	for i := range o.Holds {
		if h := &o.Holds[i]; h.Active(now) && slices.Contains(h.Blocks, v) {
			ids = append(ids, h.ID)
		}
	}
	return ids
}

// blocked refuses v while a hold blocks it.
func (o *Order) blocked(v Verb, now domain.Time) error {
	if ids := o.Blocking(v, now); len(ids) > 0 {
		return HoldActive{Verb: v, Holds: ids}
	}
	return nil
}

// held reports whether a hold that was not released blocks v, whatever the time is.
func (o *Order) held(v Verb) bool {
	return slices.ContainsFunc(o.Holds, func(h Hold) bool {
		return h.ReleasedAt.IsZero() && slices.Contains(h.Blocks, v)
	})
}
