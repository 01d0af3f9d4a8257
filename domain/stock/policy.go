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

// CommandType implements [Command].
func (SetBackorderPolicy) CommandType() string { return CommandSetBackorderPolicy }

// CommandType implements [Command].
func (SetSafetyStock) CommandType() string { return CommandSetSafetyStock }

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

func (c SetBackorderPolicy) decide(i *Item) ([]Event, error) {
	if err := checkRange("limit", c.Limit, 0); err != nil {
		return nil, err
	}
	if c.Limit == i.BackorderLimit {
		return nil, nil
	}
	return []Event{BackorderPolicySet{Limit: c.Limit, At: c.Now}}, nil
}

func (e BackorderPolicySet) apply(i *Item) { i.BackorderLimit, i.UpdatedAt = e.Limit, e.At }

func (c SetSafetyStock) decide(i *Item) ([]Event, error) {
	if err := checkRange("quantity", c.Quantity, 0); err != nil {
		return nil, err
	}
	if c.Quantity == i.Safety {
		return nil, nil
	}
	after := *i // the sums; nothing of the reservations is touched
	after.Safety = c.Quantity
	need := after.Oversold() - i.Oversold()
	if need <= 0 {
		return []Event{SafetyStockSet{Quantity: c.Quantity, At: c.Now}}, nil
	}
	events, freed := i.expire(c.Now, need, SpareExpiry, math.MaxInt)
	after.Reserved -= freed
	if after.Oversold() > i.Oversold() {
		return nil, SafetyStockExceedsFree{
			SKU: c.SKU, Location: c.Location, Requested: c.Quantity, Possible: max(i.Safety, i.OnHand-after.Reserved),
		}
	}
	return append(events, SafetyStockSet{Quantity: c.Quantity, At: c.Now}), nil
}

func (e SafetyStockSet) apply(i *Item) { i.Safety, i.UpdatedAt = e.Quantity, e.At }
