package timeline

import (
	"encoding/json"

	"github.com/google/uuid"

	"waybill/domain/order"
	"waybill/eventstore"
	"waybill/projections"
)

func ownStream(orderID string) string { return order.Stream(order.ID(orderID)) }

// eventEntry renders an event.
func eventEntry(e *projections.Event, personal bool) Entry {
	entry := Entry{
		Kind: KindEvent, Position: e.Position, Stream: e.Stream, Version: e.Version, EventID: e.ID.String(),
		Type: e.Type, Schema: e.Schema, Time: e.RecordedAt, OccurredAt: e.Meta.OccurredAt,
		Actor: e.Meta.Actor, Channel: e.Meta.Channel, Command: e.Meta.Command,
		CorrelationID: e.Meta.CorrelationID, CausationID: e.Meta.CausationID,
		Text: Sentence(&e.Event), Payload: Payload(&e.Event, personal),
	}
	if e.CommandID != uuid.Nil {
		entry.CommandID = e.CommandID.String()
	}
	return entry
}

// refusedEntry renders a command that was refused. What the bus stored with the refusal is shown as it is, if it is JSON.
func refusedEntry(o *eventstore.Outcome) Entry {
	v := o.Verdict
	entry := Entry{
		Kind: KindRefused, Position: o.Receipt.Last, Type: v.Type, Time: o.RecordedAt, CommandID: o.CommandID.String(),
		Code: v.Code, Text: "Refused " + v.Type + ": " + v.Code + ".", Payload: json.RawMessage("{}"),
	}
	var stored struct {
		Refusal json.RawMessage `json:"refusal"`
	}
	if err := json.Unmarshal(v.Data, &stored); err == nil && len(stored.Refusal) > 0 {
		entry.Payload = stored.Refusal
		var said struct {
			Detail string `json:"detail"`
		}
		if err := json.Unmarshal(stored.Refusal, &said); err == nil && said.Detail != "" {
			entry.Text = "Refused " + v.Type + ": " + said.Detail + "."
		}
	}
	if m, err := eventstore.DecodeMeta(v.Meta); err == nil {
		entry.Actor, entry.Channel, entry.Command = m.Actor, m.Channel, m.Command
		entry.CorrelationID, entry.CausationID, entry.OccurredAt = m.CorrelationID, m.CausationID, m.OccurredAt
	}
	return entry
}
