package stock

import (
	"cmp"

	"waybill/domain"
)

// TransferOut sends units to another location: those that are available, since a promise is kept where it was given. The
// other location learns of them by a [TransferIn] with the same id.
type TransferOut struct {
	Key
	TransferID string // makes a repeated one harmless
	To         string // the other location
	Quantity   int64  // 1 to MaxQuantity
	Reason     string
	Ref        string
	Now        domain.Time
}

// TransferIn says that units came from another location.
type TransferIn struct {
	Key
	TransferID string // that of the [TransferOut]; makes a repeated one harmless
	From       string // the other location
	Quantity   int64  // 1 to MaxQuantity
	Reason     string
	Ref        string
	Now        domain.Time
}

// TransferredOut records units that went to another location.
type TransferredOut struct {
	TransferID string      `msgpack:"transfer_id,omitempty"`
	To         string      `msgpack:"to,omitempty"`
	Quantity   int64       `msgpack:"quantity"`
	Reason     string      `msgpack:"reason,omitempty"`
	Ref        string      `msgpack:"ref,omitempty"`
	At         domain.Time `msgpack:"at"`
}

// TransferredIn records units that came from another location.
type TransferredIn struct {
	TransferID string      `msgpack:"transfer_id,omitempty"`
	From       string      `msgpack:"from,omitempty"`
	Quantity   int64       `msgpack:"quantity"`
	Reason     string      `msgpack:"reason,omitempty"`
	Ref        string      `msgpack:"ref,omitempty"`
	At         domain.Time `msgpack:"at"`
}

// CommandType implements [Command].
func (TransferOut) CommandType() string { return CommandTransferOut }

// CommandType implements [Command].
func (TransferIn) CommandType() string { return CommandTransferIn }

// EventType implements [Event].
func (TransferredOut) EventType() string { return TypeTransferredOut }

// SchemaVersion implements [Event].
func (TransferredOut) SchemaVersion() int16 { return schemaFirst }

// Order implements [Event].
func (TransferredOut) Order() string { return "" }

// EventType implements [Event].
func (TransferredIn) EventType() string { return TypeTransferredIn }

// SchemaVersion implements [Event].
func (TransferredIn) SchemaVersion() int16 { return schemaFirst }

// Order implements [Event].
func (TransferredIn) Order() string { return "" }

func (c TransferOut) decide(i *Item) ([]Event, error) {
	if err := checkTransfer(c.TransferID, "to", c.To, c.Location, c.Quantity, c.Reason, c.Ref); err != nil {
		return nil, err
	}
	m := Movement{ID: c.TransferID, Kind: MovementTransferOut, Quantity: c.Quantity, Detail: c.To}
	if done, err := i.moved(m, -c.Quantity); done || err != nil {
		return nil, err
	}
	spare := i.Free() - i.Backordered
	events, claims := i.expireClaims(c.Now, c.Quantity-spare)
	spare += claims.FromStock + claims.Backordered
	if c.Quantity > spare {
		return nil, InsufficientStock{SKU: c.SKU, Location: c.Location, Requested: c.Quantity, Available: max(0, spare)}
	}
	return i.settle(c.Now, FactFill, append(events, TransferredOut{
		TransferID: c.TransferID, To: c.To, Quantity: c.Quantity, Reason: c.Reason, Ref: c.Ref, At: c.Now,
	})), nil
}

func (e TransferredOut) count(s *Sums) {
	s.OnHand -= e.Quantity
	s.TransferredOut += e.Quantity
}

func (e TransferredOut) apply(i *Item) {
	i.remember(Movement{ID: e.TransferID, Kind: MovementTransferOut, Quantity: e.Quantity, Detail: e.To}, e.At)
}

func (c TransferIn) decide(i *Item) ([]Event, error) {
	if err := checkTransfer(c.TransferID, "from", c.From, c.Location, c.Quantity, c.Reason, c.Ref); err != nil {
		return nil, err
	}
	m := Movement{ID: c.TransferID, Kind: MovementTransferIn, Quantity: c.Quantity, Detail: c.From}
	if done, err := i.moved(m, c.Quantity); done || err != nil {
		return nil, err
	}
	return i.settleFact(c.Now, TransferredIn{
		TransferID: c.TransferID, From: c.From, Quantity: c.Quantity, Reason: c.Reason, Ref: c.Ref, At: c.Now,
	}), nil
}

func (e TransferredIn) count(s *Sums) {
	s.OnHand += e.Quantity
	s.TransferredIn += e.Quantity
}

func (e TransferredIn) apply(i *Item) {
	i.remember(Movement{ID: e.TransferID, Kind: MovementTransferIn, Quantity: e.Quantity, Detail: e.From}, e.At)
}

// checkTransfer refuses a transfer that no state would accept.
func checkTransfer(id, field, other, here string, quantity int64, reason, ref string) error {
	if other == here {
		return domain.InvalidField{Field: field, Reason: "is the location itself"}
	}
	return cmp.Or(
		domain.CheckID("transfer_id", id),
		domain.CheckLocation(field, other),
		checkRange("quantity", quantity, 1),
		domain.CheckText("reason", reason, maxText),
		domain.CheckText("ref", ref, maxText),
	)
}
