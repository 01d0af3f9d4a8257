package wire

import (
	"encoding/json"

	"github.com/google/uuid"

	"waybill/commands"
	"waybill/domain/order"
	"waybill/domain/stock"
)

// Accepted is the answer to a command that was accepted. It is the same, to the byte, whenever the same command is sent
// again, over whichever transport.
type Accepted struct {
	CommandID   string        `json:"command_id" doc:"Names the command: GET /v1/commands/{command_id}"`
	OrderID     string        `json:"order_id,omitempty"`
	OrderNumber string        `json:"order_number,omitempty" doc:"Of a new order"`
	SKU         string        `json:"sku,omitempty"`
	Location    string        `json:"location,omitempty"`
	Version     int64         `json:"version" doc:"Of the aggregate, after the command; also the ETag"`
	Position    int64         `json:"position" doc:"In the log; also the Consistency-Token"`
	Events      []CausedEvent `json:"events" doc:"What the command caused; none if there was nothing left to do"`
	DryRun      bool          `json:"dry_run,omitempty" doc:"Nothing was stored"`
}

// CausedEvent is one event that a command caused.
type CausedEvent struct {
	Position int64           `json:"position,omitempty"`
	Stream   string          `json:"stream"`
	Version  int64           `json:"version"`
	ID       string          `json:"event_id,omitempty"`
	Type     string          `json:"type"`
	Data     json.RawMessage `json:"data,omitempty" doc:"Of a dry run: the would-be event, without personal data"`
}

// NewAccepted renders a result.
func NewAccepted(r *commands.Result) *Accepted {
	a := &Accepted{CommandID: r.CommandID.String(), Position: r.Position, DryRun: r.DryRun, Events: make([]CausedEvent, len(r.Events))}
	if len(r.Streams) > 0 {
		a.Version = r.Streams[0].Version
		if id, ok := order.ParseStream(r.Streams[0].Stream); ok {
			a.OrderID = string(id)
		}
		if sku, location, ok := stock.ParseStream(r.Streams[0].Stream); ok {
			a.SKU, a.Location = sku, location
		}
	}
	for i := range r.Events {
		e := &r.Events[i]
		a.Events[i] = CausedEvent{Position: e.Position, Stream: e.Stream, Version: e.Version, Type: e.Type}
		if e.ID != uuid.Nil {
			a.Events[i].ID = e.ID.String()
		}
		if r.DryRun {
			a.Events[i].Data = dataOf(e.Event)
		}
		if placed, ok := e.Event.(order.Placed); ok {
			a.OrderNumber = placed.Details.Number
		}
	}
	return a
}

// dataOf renders the data of an event that is not stored yet. What cannot be rendered is left out: the type says what
// would happen.
func dataOf(event any) json.RawMessage {
	var data []byte
	var err error
	switch e := event.(type) {
	case order.Event:
		_, _, data, err = order.Encode(e)
	case stock.Event:
		_, _, data, err = stock.Encode(e)
	default:
		return nil
	}
	if err != nil {
		return nil
	}
	j, err := DataJSON(data, false)
	if err != nil {
		return nil
	}
	return j
}

// CommandOutcome is what became of a command, as GET /v1/commands/{id} tells it.
type CommandOutcome struct {
	CommandID string          `json:"command_id"`
	Outcome   string          `json:"outcome" enum:"accepted,refused"`
	Status    int             `json:"status" doc:"Status of the reply"`
	Body      json.RawMessage `json:"body" doc:"Body of the reply, to the byte"`
}
