package stock

import (
	"cmp"
	"fmt"

	"waybill/domain"
)

// Receive says that units came in.
type Receive struct {
	Key
	MovementID string // makes a repeated receipt harmless
	Quantity   int64  // 1 to MaxQuantity
	Reason     string
	Ref        string // such as the delivery note
	Now        domain.Time
}

// Adjust says that there are more or fewer units than the books say. It is a fact, so it is recorded even if it takes units
// that were promised.
type Adjust struct {
	Key
	MovementID string // makes a repeated adjustment harmless
	Delta      int64  // of either sign, not zero
	Reason     string
	Ref        string
	Now        domain.Time
}

// Count says how many units were counted. It is a fact, so it is recorded even if it takes units that were promised.
type Count struct {
	Key
	MovementID string // makes a repeated count harmless
	Counted    int64  // not negative
	Reason     string
	Ref        string
	Now        domain.Time
}

// Received records units that came in.
type Received struct {
	MovementID string      `msgpack:"movement_id,omitempty"`
	Quantity   int64       `msgpack:"quantity"`
	Reason     string      `msgpack:"reason,omitempty"`
	Ref        string      `msgpack:"ref,omitempty"`
	At         domain.Time `msgpack:"at"`
}

// Adjusted records a correction of the books.
type Adjusted struct {
	MovementID string      `msgpack:"movement_id,omitempty"`
	Delta      int64       `msgpack:"delta"`
	Reason     string      `msgpack:"reason,omitempty"`
	Ref        string      `msgpack:"ref,omitempty"`
	At         domain.Time `msgpack:"at"`
}

// Counted records a count and the correction that it means.
type Counted struct {
	MovementID string      `msgpack:"movement_id,omitempty"`
	Counted    int64       `msgpack:"counted"`
	Delta      int64       `msgpack:"delta"` // counted less what the books said
	Reason     string      `msgpack:"reason,omitempty"`
	Ref        string      `msgpack:"ref,omitempty"`
	At         domain.Time `msgpack:"at"`
}

// OversoldDetected records that a fact took units that were promised. Somebody has to decide who waits.
type OversoldDetected struct {
	OnHand   int64       `msgpack:"on_hand"`
	Safety   int64       `msgpack:"safety"`
	Reserved int64       `msgpack:"reserved"`
	Short    int64       `msgpack:"short"` // promised units that are not there
	At       domain.Time `msgpack:"at"`
}

// CommandType implements [Command].
func (Receive) CommandType() string { return CommandReceive }

// CommandType implements [Command].
func (Adjust) CommandType() string { return CommandAdjust }

// CommandType implements [Command].
func (Count) CommandType() string { return CommandCount }

// EventType implements [Event].
func (Received) EventType() string { return TypeReceived }

// SchemaVersion implements [Event].
func (Received) SchemaVersion() int16 { return schemaFirst }

// Order implements [Event].
func (Received) Order() string { return "" }

// EventType implements [Event].
func (Adjusted) EventType() string { return TypeAdjusted }

// SchemaVersion implements [Event].
func (Adjusted) SchemaVersion() int16 { return schemaFirst }

// Order implements [Event].
func (Adjusted) Order() string { return "" }

// EventType implements [Event].
func (Counted) EventType() string { return TypeCounted }

// SchemaVersion implements [Event].
func (Counted) SchemaVersion() int16 { return schemaFirst }

// Order implements [Event].
func (Counted) Order() string { return "" }

// EventType implements [Event].
func (OversoldDetected) EventType() string { return TypeOversoldDetected }

// SchemaVersion implements [Event].
func (OversoldDetected) SchemaVersion() int16 { return schemaFirst }

// Order implements [Event].
func (OversoldDetected) Order() string { return "" }

func (c Receive) decide(i *Item) ([]Event, error) {
	if err := checkMovement(c.MovementID, c.Reason, c.Ref); err != nil {
		return nil, err
	}
	if err := checkRange("quantity", c.Quantity, 1); err != nil {
		return nil, err
	}
	done, err := i.moved(Movement{ID: c.MovementID, Kind: MovementReceive, Quantity: c.Quantity}, c.Quantity)
	if done || err != nil {
		return nil, err
	}
	return []Event{Received{
		MovementID: c.MovementID, Quantity: c.Quantity, Reason: c.Reason, Ref: c.Ref, At: c.Now,
	}}, nil
}

func (e Received) apply(i *Item) {
	i.OnHand += e.Quantity
	i.Received += e.Quantity
	i.remember(Movement{ID: e.MovementID, Kind: MovementReceive, Quantity: e.Quantity}, e.At)
}

func (c Adjust) decide(i *Item) ([]Event, error) {
	if err := checkMovement(c.MovementID, c.Reason, c.Ref); err != nil {
		return nil, err
	}
	if c.Delta == 0 {
		return nil, domain.InvalidField{Field: "delta", Reason: "is zero"}
	}
	if err := checkRange("delta", c.Delta, -MaxQuantity); err != nil {
		return nil, err
	}
	done, err := i.moved(Movement{ID: c.MovementID, Kind: MovementAdjust, Quantity: c.Delta}, c.Delta)
	if done || err != nil {
		return nil, err
	}
	return i.withOversold(Adjusted{
		MovementID: c.MovementID, Delta: c.Delta, Reason: c.Reason, Ref: c.Ref, At: c.Now,
	}, c.Delta, c.Now), nil
}

func (e Adjusted) apply(i *Item) {
	i.OnHand += e.Delta
	i.Adjusted += e.Delta
	i.remember(Movement{ID: e.MovementID, Kind: MovementAdjust, Quantity: e.Delta}, e.At)
}

func (c Count) decide(i *Item) ([]Event, error) {
	if err := checkMovement(c.MovementID, c.Reason, c.Ref); err != nil {
		return nil, err
	}
	if err := checkRange("counted", c.Counted, 0); err != nil {
		return nil, err
	}
	delta := c.Counted - i.OnHand
	done, err := i.moved(Movement{ID: c.MovementID, Kind: MovementCount, Quantity: c.Counted}, delta)
	if done || err != nil {
		return nil, err
	}
	return i.withOversold(Counted{
		MovementID: c.MovementID, Counted: c.Counted, Delta: delta, Reason: c.Reason, Ref: c.Ref, At: c.Now,
	}, delta, c.Now), nil
}

func (e Counted) apply(i *Item) {
	i.OnHand += e.Delta
	i.Adjusted += e.Delta
	i.remember(Movement{ID: e.MovementID, Kind: MovementCount, Quantity: e.Counted}, e.At)
}

func (e OversoldDetected) apply(i *Item) { i.UpdatedAt = e.At }

// moved reports whether m is recorded already. It refuses another movement under the same id, and a delta that would
// take the books out of range.
func (i *Item) moved(m Movement, delta int64) (bool, error) {
	if old, ok := i.movements.find(m.ID); ok {
		if old != m {
			return false, MovementConflict{MovementID: m.ID, Kind: old.Kind, Quantity: old.Quantity}
		}
		return true, nil
	}
	if after := i.OnHand + delta; after > MaxQuantity || after < -MaxQuantity {
		return false, domain.LimitExceeded{Field: "on_hand", Limit: MaxQuantity, Actual: after, Unit: "units"}
	}
	return false, nil
}

func (i *Item) remember(m Movement, at domain.Time) {
	i.movements.add(m.ID, m, MovementMemory, movementID)
	i.UpdatedAt = at
}

// withOversold returns fact, which changes what is on hand by delta, and what it means for what is promised. Lapsed
// reservations promise nothing, so they are expired first where that helps: up to FactExpiry of them, since a fact must fit
// one commit. More of them count for nothing all the same, and stay until a later command expires them.
func (i *Item) withOversold(fact Event, delta int64, now domain.Time) []Event {
	after := *i // the sums; nothing of the reservations is touched
	after.OnHand += delta
	before := i.Oversold()
	if after.Oversold() <= before {
		return []Event{fact}
	}
	events, freed := i.expire(now, after.Oversold(), SpareExpiry, FactExpiry)
	after.Reserved -= freed
	events = append(events, fact)
	if short := after.Oversold(); short > 0 {
		events = append(events, OversoldDetected{
			OnHand: after.OnHand, Safety: after.Safety, Reserved: after.Reserved, Short: short, At: now,
		})
	}
	return events
}

// maxText is how many bytes of a reason or a reference are kept.
const maxText = 512

func checkMovement(id, reason, ref string) error {
	return cmp.Or(
		domain.CheckID("movement_id", id),
		domain.CheckText("reason", reason, maxText),
		domain.CheckText("ref", ref, maxText),
	)
}

// checkRange refuses a number below low or above MaxQuantity.
func checkRange(field string, n, low int64) error {
	if n < low {
		return domain.InvalidField{Field: field, Reason: fmt.Sprintf("is %d, at least %d is needed", n, low)}
	}
	if n > MaxQuantity {
		return domain.LimitExceeded{Field: field, Limit: MaxQuantity, Actual: n, Unit: "units"}
	}
	return nil
}
