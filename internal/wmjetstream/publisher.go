package wmjetstream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go/jetstream"
)

// PublisherConfig says where a publisher writes.
type PublisherConfig struct {
	// JetStream is the connection; it must be set.
	JetStream jetstream.JetStream
	// Timeout bounds the wait for the server's answer to one message; 0 means 5 s.
	Timeout time.Duration
}

// Publisher publishes messages and returns when the stream has stored them.
type Publisher struct {
	js      jetstream.JetStream
	timeout time.Duration

	mu     sync.Mutex
	closed bool
}

var _ message.Publisher = (*Publisher)(nil)

// NewPublisher returns a publisher on the connection of config.
func NewPublisher(config PublisherConfig) (*Publisher, error) {
	if config.JetStream == nil {
		return nil, errors.New("wmjetstream: publisher needs a JetStream")
	}
	if config.Timeout == 0 {
		config.Timeout = 5 * time.Second
	}
	return &Publisher{js: config.JetStream, timeout: config.Timeout}, nil
}

// Publish implements [message.Publisher]. It stops at the first message that was not stored; publishing the same
// messages again within the stream's duplicate window stores none of them twice.
func (p *Publisher) Publish(topic string, messages ...*message.Message) error {
	p.mu.Lock()
	closed := p.closed
	p.mu.Unlock()
	if closed {
		return ErrClosed
	}
	for _, m := range messages {
		if err := p.publish(m.Context(), topic, m); err != nil {
			return err
		}
	}
	return nil
}

func (p *Publisher) publish(ctx context.Context, topic string, m *message.Message) error {
	ctx, cancel := context.WithTimeoutCause(ctx, p.timeout, fmt.Errorf("no answer within %s", p.timeout))
	defer cancel()
	if _, err := p.js.PublishMsg(ctx, toNATS(topic, m)); err != nil {
		return fmt.Errorf("publish message %s to %s: %w", m.UUID, topic, err)
	}
	return nil
}

// Close implements [message.Publisher]: later calls of Publish fail. The connection stays open.
func (p *Publisher) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	return nil
}
