// Package wmjetstream is a Watermill publisher and subscriber on NATS JetStream.
//
// A topic is a subject of one stream, which must exist. A subscriber hands out one message at a time and waits for
// its ack before the next, so messages of a topic are handled in order, also when several subscribers of one group
// share it; a nack brings the same message again, before any later one. Delivery is at least once: a handler that
// was killed after its work and before its ack sees the message again.
//
// The package passes Watermill's own pub/sub suite. It owns no connection: whoever made it closes it.
package wmjetstream

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrClosed is returned for calls after Close.
var ErrClosed = errors.New("wmjetstream: closed")

// uuidHeader carries the Watermill message's UUID. Every other header is metadata.
const uuidHeader = "Watermill-Uuid"

// toNATS returns the message as it is published on subject.
//
// The id for JetStream's duplicate window holds the subject as well, since one Watermill message may go to several.
func toNATS(subject string, m *message.Message) *nats.Msg {
	out := nats.NewMsg(subject)
	for k, v := range m.Metadata {
		out.Header[k] = []string{v} // as it is: Set would change the case of the key
	}
	out.Header[uuidHeader] = []string{m.UUID}
	out.Header[jetstream.MsgIDHeader] = []string{subject + "/" + m.UUID}
	out.Data = m.Payload
	return out
}

// fromNATS is the inverse of toNATS. A message that no Watermill publisher sent gets its place in the stream as UUID.
func fromNATS(in jetstream.Msg) (*message.Message, error) {
	meta, err := in.Metadata()
	if err != nil {
		return nil, fmt.Errorf("message on %s: %w", in.Subject(), err)
	}
	header := in.Headers()
	id := header.Get(uuidHeader)
	if id == "" {
		id = fmt.Sprintf("%s-%d", meta.Stream, meta.Sequence.Stream)
	}
	m := message.NewMessage(id, in.Data())
	for k, v := range header {
		if k != uuidHeader && k != jetstream.MsgIDHeader && len(v) > 0 {
			m.Metadata[k] = v[0]
		}
	}
	return m, nil
}

// consumerName is the durable name of a group on a topic: readable where it can be, and unique always.
func consumerName(group, topic string) string {
	sum := sha256.Sum256([]byte(topic))
	readable := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '_'
	}, topic)
	return group + "_" + readable[:min(len(readable), 40)] + "_" + hex.EncodeToString(sum[:6])
}
