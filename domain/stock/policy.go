package stock

import "waybill/domain"

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
