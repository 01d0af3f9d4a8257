package wmjetstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go/jetstream"
)

// SubscriberConfig says what a subscriber reads, and how.
type SubscriberConfig struct {
	// JetStream is the connection; it must be set.
	JetStream jetstream.JetStream
	// Stream holds the topics; it must be set, and exist, unless there is MakeStream.
	Stream string
	// MakeStream makes a stream that is not there, such as on a server that lost its disk; nil: that is an error.
	MakeStream func(context.Context) error
	// Group names those who share the messages of a topic: each message goes to one of them. It must be set.
	Group string
	// Durable is the name of the group's consumer on the server; by default it is made of group and topic. Who sets it
	// subscribes to one topic only.
	Durable string
	// AckWait is the time after which the server hands out the message of a process that fell silent again; 0 means
	// 30 s. A handler may take longer: the subscriber tells the server that work goes on.
	AckWait time.Duration
	// Lanes is how many messages are out at once at most; 0 means 1. With more than one, Lane must be set.
	Lanes int
	// Lane tells which messages must not overtake each other: those that it gives the same name. It may look at
	// everything in a message, and at its [Delivery], and must always give one message the same name.
	Lane func(*message.Message) string
	// NakDelay is the pause before a nacked message is handed out again; 0 means at once. It doubles with every nack of
	// that message, up to MaxNakDelay; 0 means 5 s, or NakDelay if that is more.
	NakDelay, MaxNakDelay time.Duration
	// Grace is how long the end of a subscription waits for the answer of handlers that have a message. 0: not at all,
	// their messages are given back as they are.
	Grace time.Duration
	// Watch is how often the server's word is held against what it sends; 0 means 10 s. See the package comment.
	Watch time.Duration
	// OnLoss is told of messages that the stream has lost, how many as far as the server's numbers show; nil: they are
	// only logged.
	OnLoss func(count uint64)
	// Logger takes what goes wrong with the server; nil means silence.
	Logger *slog.Logger
}

func (c *SubscriberConfig) withDefaults() error {
	if c.JetStream == nil || c.Stream == "" || c.Group == "" {
		return errors.New("wmjetstream: subscriber needs a JetStream, a stream and a group")
	}
	c.AckWait = cmp.Or(c.AckWait, 30*time.Second)
	c.Lanes = cmp.Or(c.Lanes, 1)
	c.MaxNakDelay = cmp.Or(c.MaxNakDelay, max(c.NakDelay, 5*time.Second))
	c.Watch = cmp.Or(c.Watch, 10*time.Second)
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	switch {
	case c.Lanes < 1, c.Lanes > 1 && c.Lane == nil:
		return fmt.Errorf("wmjetstream: Lanes is %d: want at least 1, and Lane if there is more than one", c.Lanes)
	case c.AckWait < 0, c.Grace < 0, c.Watch < 0:
		return fmt.Errorf("wmjetstream: AckWait %s, Grace %s, Watch %s: none may be negative", c.AckWait, c.Grace, c.Watch)
	case c.NakDelay < 0, c.MaxNakDelay < c.NakDelay:
		return fmt.Errorf("wmjetstream: NakDelay %s, MaxNakDelay %s: want NakDelay from 0 up to MaxNakDelay", c.NakDelay, c.MaxNakDelay)
	}
	return nil
}

// inHand is how many messages a subscription takes from the server at most, and how many the group does. One lane must
// not have a second message under way; several have the next ones ready.
func (c *SubscriberConfig) inHand() (subscription, group int) {
	if c.Lanes == 1 {
		return 1, 1
	}
	return 2 * c.Lanes, 4 * c.Lanes
}

// Subscriber hands out the messages of a topic, one at a time, or one at a time for each lane.
type Subscriber struct {
	config  SubscriberConfig
	ctx     context.Context //nolint:containedctx // Watermill's Close has no context; this one ends with it
	stop    context.CancelCauseFunc
	mu      sync.Mutex // guards closed against wg.Go after Wait
	closed  bool
	workers sync.WaitGroup
}

var (
	_ message.Subscriber           = (*Subscriber)(nil)
	_ message.SubscribeInitializer = (*Subscriber)(nil)
)

// NewSubscriber returns a subscriber on the connection of config.
func NewSubscriber(config SubscriberConfig) (*Subscriber, error) {
	if err := config.withDefaults(); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancelCause(context.Background())
	return &Subscriber{config: config, ctx: ctx, stop: stop}, nil
}

// SubscribeInitialize implements [message.SubscribeInitializer]: from now on the group misses no message of topic.
func (s *Subscriber) SubscribeInitialize(topic string) error {
	_, err := s.consumer(s.ctx, topic)
	return err
}

// Subscribe implements [message.Subscriber]. The channel is closed when ctx ends or the subscriber is closed, after a
// second and [SubscriberConfig.Grace] at most. What was taken and has no ack by then is given back in its order, to be
// handed to another subscriber of the group at once.
func (s *Subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	consumer, err := s.consumer(ctx, topic)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(s.ctx, func() { cancel(ErrClosed) })
	out := make(chan *message.Message)
	s.workers.Go(func() {
		defer close(out)
		defer cancel(nil)
		defer unhook()
		newSubscription(s, topic, consumer, out).run(ctx)
	})
	return out, nil
}

// Close implements [message.Subscriber]: it ends all subscriptions and waits for them.
func (s *Subscriber) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop(ErrClosed)
	s.workers.Wait()
	return nil
}

func (s *Subscriber) durable(topic string) string {
	return cmp.Or(s.config.Durable, consumerName(s.config.Group, topic))
}

// consumer makes the group's durable consumer, or finds it.
func (s *Subscriber) consumer(ctx context.Context, topic string) (jetstream.Consumer, error) {
	_, group := s.config.inHand()
	config := jetstream.ConsumerConfig{
		Durable:       s.durable(topic),
		FilterSubject: topic,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       s.config.AckWait,
		MaxDeliver:    -1,
		MaxAckPending: group,
		DeliverPolicy: jetstream.DeliverAllPolicy,
	}
	c, err := s.config.JetStream.CreateOrUpdateConsumer(ctx, s.config.Stream, config)
	if errors.Is(err, jetstream.ErrStreamNotFound) && s.config.MakeStream != nil {
		if err := s.config.MakeStream(ctx); err != nil {
			return nil, err
		}
		c, err = s.config.JetStream.CreateOrUpdateConsumer(ctx, s.config.Stream, config)
	}
	if err != nil {
		return nil, fmt.Errorf("consume %s as %s: %w", topic, s.config.Group, err)
	}
	return c, nil
}
