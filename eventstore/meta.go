package eventstore

import (
	"fmt"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// Meta says where an event comes from. It is what the store itself, the relay and every consumer may read of an
// event without knowing its type. It holds no personal data.
type Meta struct {
	Key           string    `msgpack:"key"`                   // partition key: the order id for all that belongs to an order, else the stream
	Command       string    `msgpack:"command,omitempty"`     // type of the command, such as "order.place"
	Actor         string    `msgpack:"actor,omitempty"`       // who asked: "key:web-shop", "process:placement"
	Channel       string    `msgpack:"channel,omitempty"`     // the way in: "web", "erp"
	CorrelationID string    `msgpack:"correlation,omitempty"` // shared by everything that one outside request set off
	CausationID   string    `msgpack:"causation,omitempty"`   // the command or event that led to this one
	Traceparent   string    `msgpack:"traceparent,omitempty"` // W3C trace context
	OccurredAt    time.Time `msgpack:"occurred_at,omitempty"` // when it happened, if that is not when it was recorded
}

// EncodeMeta returns the stored form of m.
func EncodeMeta(m Meta) ([]byte, error) {
	b, err := msgpack.Marshal(&m)
	if err != nil {
		return nil, fmt.Errorf("encode metadata: %w", err)
	}
	return b, nil
}

// DecodeMeta is the inverse of [EncodeMeta]. Times come back in UTC. Fields that it does not know are passed over.
func DecodeMeta(b []byte) (Meta, error) {
	var m Meta
	if len(b) == 0 {
		return m, nil
	}
	if err := msgpack.Unmarshal(b, &m); err != nil {
		return Meta{}, fmt.Errorf("decode metadata: %w", err)
	}
	if !m.OccurredAt.IsZero() {
		m.OccurredAt = m.OccurredAt.UTC()
	}
	return m, nil
}

// Metadata decodes the metadata of e.
func (e *Event) Metadata() (Meta, error) {
	m, err := DecodeMeta(e.Meta)
	if err != nil {
		return Meta{}, fmt.Errorf("event %d: %w", e.Position, err)
	}
	return m, nil
}
