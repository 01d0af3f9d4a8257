package wire

import (
	"bytes"
	"encoding/json"

	"github.com/google/uuid"

	"waybill/api/problem"
)

// Envelope is a command of any type in one body: what POST /v1/commands and every line of a batch take.
type Envelope struct {
	Type          string
	Key           string
	Expected      *int64
	DryRun        bool
	CorrelationID string
	CausationID   string
	Data          *Value
}

// EnvelopeDoc is [Envelope] as its schema shows it.
type EnvelopeDoc struct {
	Type          string         `json:"type" doc:"Name of the command" example:"order.tag"`
	Key           string         `json:"idempotency_key,omitempty" maxLength:"100" doc:"Like the header Idempotency-Key; if both are there, they must be equal"`
	Expected      int64          `json:"expected_version,omitempty" doc:"Like the header If-Match"`
	DryRun        bool           `json:"dry_run,omitempty" doc:"Say what would happen, and store nothing"`
	CorrelationID string         `json:"correlation_id,omitempty" maxLength:"200" doc:"Shared by everything that one request of yours sets off"`
	CausationID   string         `json:"causation_id,omitempty" maxLength:"200" doc:"What led to this command"`
	Data          map[string]any `json:"data" doc:"The payload of the command"`
}

// maxTraceID bounds the ids that callers choose to follow their work by.
const maxTraceID = 200

// envelopeHead is the envelope without its payload.
type envelopeHead struct {
	Type          string  `json:"type"`
	Key           *string `json:"idempotency_key,omitempty"`
	Expected      *int64  `json:"expected_version,omitempty"`
	DryRun        bool    `json:"dry_run,omitempty"`
	CorrelationID string  `json:"correlation_id,omitempty"`
	CausationID   string  `json:"causation_id,omitempty"`
}

// OpenEnvelope reads an envelope.
func (t *Table) OpenEnvelope(v *Value) (Envelope, *problem.Problem) {
	head := Value{kind: v.kind}
	var data *Value
	for i, name := range v.fields {
		if name == "data" {
			data = &v.items[i]
			continue
		}
		head.fields, head.items = append(head.fields, name), append(head.items, v.items[i])
	}
	var h envelopeHead
	if p := t.envelope.Bind(&head, &h); p != nil {
		return Envelope{}, p
	}
	if data == nil || data.kind != kindMap {
		return Envelope{}, problem.New(problem.Malformed, "body.data must be the payload of the command, an object").At("body.data", "must be an object")
	}
	key := ""
	if h.Key != nil {
		if key = *h.Key; key == "" {
			return Envelope{}, problem.New(problem.InvalidKey, "body.idempotency_key is empty").At("body.idempotency_key", "is empty")
		}
	}
	for _, id := range []struct{ name, value string }{{"correlation_id", h.CorrelationID}, {"causation_id", h.CausationID}} {
		if len(id.value) > maxTraceID {
			return Envelope{}, problem.New(problem.Malformed, "body.%s is longer than %d bytes", id.name, maxTraceID).At("body."+id.name, "is too long")
		}
	}
	return Envelope{Type: h.Type, Key: key, Expected: h.Expected, DryRun: h.DryRun, CorrelationID: h.CorrelationID, CausationID: h.CausationID, Data: data}, nil
}

// SetTarget puts the fields that an address names into the payload. A field that the body names too must be the same
// there.
func (v *Value) SetTarget(target map[string]string) *problem.Problem {
	if v.kind != kindMap {
		return problem.New(problem.Malformed, "the body must be an object, not %s", v.kind).At("body", "must be an object")
	}
	for name, text := range target {
		at, ok := v.Field(name)
		if !ok {
			v.fields, v.items = append(v.fields, name), append(v.items, Value{kind: kindText, text: text})
			continue
		}
		if at.kind != kindText || at.text != text {
			return problem.New(problem.Malformed, "body.%s differs from the address", name).At("body."+name, "differs from the address")
		}
	}
	return nil
}

// OutcomeJSON renders what became of a command, with its reply to the byte.
func OutcomeJSON(id uuid.UUID, refused bool, status int, reply []byte) ([]byte, *problem.Problem) {
	o := CommandOutcome{CommandID: id.String(), Outcome: "accepted", Status: status, Body: bytes.TrimSpace(reply)}
	if refused {
		o.Outcome = "refused"
	}
	b, err := json.Marshal(&o)
	if err != nil {
		return nil, problem.New(problem.Internal, "%v", err)
	}
	return append(b, '\n'), nil
}
