package stock

import (
	"cmp"
	"fmt"
	"strings"

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
	return i.settleFact(c.Now, Received{
		MovementID: c.MovementID, Quantity: c.Quantity, Reason: c.Reason, Ref: c.Ref, At: c.Now,
	}), nil
}

func (e Received) count(s *Sums) {
	s.OnHand += e.Quantity
	s.Received += e.Quantity
}

func (e Received) apply(i *Item) {
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
	return i.settleFact(c.Now, Adjusted{
		MovementID: c.MovementID, Delta: c.Delta, Reason: c.Reason, Ref: c.Ref, At: c.Now,
	}), nil
}

func (e Adjusted) count(s *Sums) {
	s.OnHand += e.Delta
	s.Adjusted += e.Delta
}

func (e Adjusted) apply(i *Item) {
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
	return i.settleFact(c.Now, Counted{
		MovementID: c.MovementID, Counted: c.Counted, Delta: delta, Reason: c.Reason, Ref: c.Ref, At: c.Now,
	}), nil
}

func (e Counted) count(s *Sums) {
	s.OnHand += e.Delta
	s.Adjusted += e.Delta
}

func (e Counted) apply(i *Item) {
	i.remember(Movement{ID: e.MovementID, Kind: MovementCount, Quantity: e.Counted}, e.At)
}

// moved reports whether m is recorded already. It refuses another movement under the same id, and a delta that would
// take the books out of range.
func (i *Item) moved(m Movement, delta int64) (bool, error) {
	if old, ok := i.movements.find(m.ID); ok {
		if old != m {
			return false, MovementConflict{MovementID: m.ID, Kind: old.Kind, Quantity: old.Quantity}
		}
		return true, nil
	}
	return false, i.inRange(delta)
}

// inRange refuses a delta that would take the books out of range.
func (i *Item) inRange(delta int64) error {
	if after := i.OnHand + delta; after > MaxQuantity || after < -MaxQuantity {
		return domain.LimitExceeded{Field: "on_hand", Limit: MaxQuantity, Actual: after, Unit: "units"}
	}
	return nil
}

// remember keeps a movement that is not an issue. Those have a memory of their own: every order makes one, and they must not
// drive a receipt out.
func (i *Item) remember(m Movement, at domain.Time) {
	m.ID, m.Detail = strings.Clone(m.ID), strings.Clone(m.Detail)
	i.movements.add(m.ID, m, MovementMemory, movementID)
	i.UpdatedAt = at
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
