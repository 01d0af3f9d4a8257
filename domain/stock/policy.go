package stock

import (
	"math"

	"waybill/domain"
)

// SetBackorderPolicy says how many units may wait for a receipt. A lower limit binds new reservations alone.
type SetBackorderPolicy struct {
	Key
	Limit int64 // 0 for none, up to MaxQuantity
	Now   domain.Time
}

// SetSafetyStock says how many units are kept back from reservations. It cannot take units that are promised.
type SetSafetyStock struct {
	Key
	Quantity int64 // 0 to MaxQuantity
	Now      domain.Time
}

// SetThreshold says below how many available units an item is said to have few.
type SetThreshold struct {
	Key
	Quantity int64 // 0 for none, up to MaxQuantity
	Now      domain.Time
}

// BackorderPolicySet records how many units may wait for a receipt.
type BackorderPolicySet struct {
	Limit int64       `msgpack:"limit"`
	At    domain.Time `msgpack:"at"`
}

// SafetyStockSet records how many units are kept back.
type SafetyStockSet struct {
	Quantity int64       `msgpack:"quantity"`
	At       domain.Time `msgpack:"at"`
}

// ThresholdSet records below how many available units an item is said to have few.
type ThresholdSet struct {
	Quantity int64       `msgpack:"quantity"`
	At       domain.Time `msgpack:"at"`
}

// CommandType implements [Command].
func (SetBackorderPolicy) CommandType() string { return CommandSetBackorderPolicy }

// CommandType implements [Command].
func (SetSafetyStock) CommandType() string { return CommandSetSafetyStock }

// CommandType implements [Command].
func (SetThreshold) CommandType() string { return CommandSetThreshold }

// EventType implements [Event].
func (BackorderPolicySet) EventType() string { return TypeBackorderPolicySet }

// SchemaVersion implements [Event].
func (BackorderPolicySet) SchemaVersion() int16 { return schemaFirst }

// Order implements [Event].
func (BackorderPolicySet) Order() string { return "" }

// EventType implements [Event].
func (SafetyStockSet) EventType() string { return TypeSafetyStockSet }

// SchemaVersion implements [Event].
func (SafetyStockSet) SchemaVersion() int16 { return schemaFirst }

// Order implements [Event].
func (SafetyStockSet) Order() string { return "" }

// EventType implements [Event].
func (ThresholdSet) EventType() string { return TypeThresholdSet }

// SchemaVersion implements [Event].
func (ThresholdSet) SchemaVersion() int16 { return schemaFirst }

// Order implements [Event].
func (ThresholdSet) Order() string { return "" }

func (c SetBackorderPolicy) decide(i *Item) ([]Event, error) {
	if err := checkRange("limit", c.Limit, 0); err != nil {
		return nil, err
	}
	if c.Limit == i.BackorderLimit {
		return nil, nil
	}
	return []Event{BackorderPolicySet{Limit: c.Limit, At: c.Now}}, nil
}

func (e BackorderPolicySet) count(s *Sums) { s.BackorderLimit = e.Limit }

func (e BackorderPolicySet) apply(i *Item) { i.UpdatedAt = e.At }

func (c SetSafetyStock) decide(i *Item) ([]Event, error) {
	if err := checkRange("quantity", c.Quantity, 0); err != nil {
		return nil, err
	}
	if c.Quantity == i.Safety {
		return nil, nil
	}
	set := SafetyStockSet{Quantity: c.Quantity, At: c.Now}
	after := i.after([]Event{set})
	need := after.Oversold() - i.Oversold()
	if need <= 0 {
		return i.settle(c.Now, FactFill, []Event{set}), nil
	}
	events, freed := i.expire(c.Now, need, SpareExpiry, math.MaxInt)
	after.Reserved -= freed
	if after.Oversold() > i.Oversold() {
		return nil, SafetyStockExceedsFree{
			SKU: c.SKU, Location: c.Location, Requested: c.Quantity,
			Possible: max(i.Safety, i.OnHand-i.Unavailable.Total()-after.Reserved),
		}
	}
	return i.settle(c.Now, FactFill, append(events, set)), nil
}

func (e SafetyStockSet) count(s *Sums) { s.Safety = e.Quantity }

func (e SafetyStockSet) apply(i *Item) { i.UpdatedAt = e.At }

func (c SetThreshold) decide(i *Item) ([]Event, error) {
	if err := checkRange("quantity", c.Quantity, 0); err != nil {
		return nil, err
	}
	if c.Quantity == i.Threshold {
		return nil, nil
	}
	return i.settle(c.Now, SpareFill, []Event{ThresholdSet{Quantity: c.Quantity, At: c.Now}}), nil
}

func (e ThresholdSet) count(s *Sums) { s.Threshold = e.Quantity }

func (e ThresholdSet) apply(i *Item) { i.UpdatedAt = e.At }
