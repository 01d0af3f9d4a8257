// Package wmjetstream is a Watermill publisher and subscriber on NATS JetStream.
//
// A topic is a subject of one stream, which must exist, or a wildcard over its subjects. A subscriber with one lane hands
// out one message at a time and waits for its ack before the next, so messages of a topic are handled in order, also when
// several subscribers of one group share it. With more lanes, messages of one lane are handed out so, and different lanes
// side by side; then order holds within each subscriber, and through its orderly end: what it took and did not handle
// goes back in its order. A nack brings the same message again, after a growing pause and before any later one of its
// lane. While a message is in hand the server is told so, however long it takes.
//
// Delivery is at least once: a handler that was killed after its work and before its ack sees the message again, and
// after a crash, what was in hand comes again after AckWait, behind what was not.
//
// A subscriber looks every few seconds whether the server sends what it has. Where it does not, because a disk was
// damaged, the consumer is made anew, and what is gone is logged and counted. Not everything can be seen: a stream that
// lost its end while nobody was subscribed looks like one that never had it. And while old messages are in hand when a
// stream begins to give their sequences to new ones, acknowledging the old may take away the new. Where a message must
// not be lost, its stream must be on three servers, or on one that syncs always.
//
// The package passes Watermill's own pub/sub suite. It owns no connection: whoever made it closes it.
package wmjetstream

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

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

// Delivery is what JetStream says of a message.
type Delivery struct {
	Subject  string      // that it was published to
	Sequence uint64      // its place in the stream
	Time     time.Time   // when the stream stored it
	Header   nats.Header // all of it; a Watermill message has only the first value of each name, and no ids
	Attempt  int         // how often this subscriber has handed it out: 1 for the first time
}

type deliveryKey struct{}

// DeliveryOf returns the delivery of a message that a [Subscriber] handed out; false if it came from elsewhere.
func DeliveryOf(m *message.Message) (*Delivery, bool) {
	d, ok := m.Context().Value(deliveryKey{}).(*Delivery)
	return d, ok
}

// message is the inverse of toNATS. A message that no Watermill publisher sent gets its place in the stream as UUID.
func (h *held) message(ctx context.Context) *message.Message {
	header := h.Headers()
	id := header.Get(uuidHeader)
	if id == "" {
		id = fmt.Sprintf("%s-%d", h.meta.Stream, h.meta.Sequence.Stream)
	}
	m := message.NewMessage(id, h.Data())
	for k, v := range header {
		if k != uuidHeader && k != jetstream.MsgIDHeader && len(v) > 0 {
			m.Metadata[k] = v[0]
		}
	}
	m.SetContext(context.WithValue(ctx, deliveryKey{}, &Delivery{
		Subject: h.Subject(), Sequence: h.meta.Sequence.Stream, Time: h.meta.Timestamp, Header: header, Attempt: h.attempt,
	}))
	return m
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
