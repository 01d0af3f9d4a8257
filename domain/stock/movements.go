package stock

import "waybill/domain"

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
	MovementID string      `msgpack:"movement_id"`
	Quantity   int64       `msgpack:"quantity"`
	Reason     string      `msgpack:"reason"`
	Ref        string      `msgpack:"ref"`
	At         domain.Time `msgpack:"at"`
}

// Adjusted records a correction of the books.
type Adjusted struct {
	MovementID string      `msgpack:"movement_id"`
	Delta      int64       `msgpack:"delta"`
	Reason     string      `msgpack:"reason"`
	Ref        string      `msgpack:"ref"`
	At         domain.Time `msgpack:"at"`
}

// Counted records a count and the correction that it means.
type Counted struct {
	MovementID string      `msgpack:"movement_id"`
	Counted    int64       `msgpack:"counted"`
	Delta      int64       `msgpack:"delta"` // counted less what the books said
	Reason     string      `msgpack:"reason"`
	Ref        string      `msgpack:"ref"`
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
