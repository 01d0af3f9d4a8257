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
	// Stream holds the topics; it must be set, and exist.
	Stream string
	// Group names those who share the messages of a topic: each message goes to one of them. It must be set.
	Group string
	// AckWait is the time after which the server hands out the message of a handler that fell silent again; 0 means
	// 30 s. A handler may take longer: the subscriber tells the server that work goes on.
	AckWait time.Duration
	// NakDelay is the pause before a nacked message comes again; 0 means at once.
	NakDelay time.Duration
	// Logger takes what goes wrong with the server; nil means silence.
	Logger *slog.Logger
}

// Subscriber hands out the messages of a topic, one at a time.
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
	if config.JetStream == nil || config.Stream == "" || config.Group == "" {
		return nil, errors.New("wmjetstream: subscriber needs a JetStream, a stream and a group")
	}
	config.AckWait = cmp.Or(config.AckWait, 30*time.Second)
	config.Logger = cmp.Or(config.Logger, slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancelCause(context.Background())
	return &Subscriber{config: config, ctx: ctx, stop: stop}, nil
}

// SubscribeInitialize implements [message.SubscribeInitializer]: from now on the group misses no message of topic.
func (s *Subscriber) SubscribeInitialize(topic string) error {
	_, err := s.consumer(s.ctx, topic)
	return err
}

// Subscribe implements [message.Subscriber]. The channel is closed when ctx ends or the subscriber is closed; a
// message that is out then, without an ack, is handed to another subscriber of the group at once.
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
		s.run(ctx, topic, consumer, out)
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

// consumer makes the group's durable consumer, or finds it. One message may be out at a time, so order holds over
// nacks and over all subscribers of the group.
func (s *Subscriber) consumer(ctx context.Context, topic string) (jetstream.Consumer, error) {
	c, err := s.config.JetStream.CreateOrUpdateConsumer(ctx, s.config.Stream, jetstream.ConsumerConfig{
		Durable:       consumerName(s.config.Group, topic),
		FilterSubject: topic,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       s.config.AckWait,
		MaxAckPending: 1,
		DeliverPolicy: jetstream.DeliverAllPolicy,
	})
	if err != nil {
		return nil, fmt.Errorf("consume %s as %s: %w", topic, s.config.Group, err)
	}
	return c, nil
}

// run fetches and hands out until ctx ends. Whatever the server does meanwhile, it goes on: a consumer that was
// deleted, or lost with a stream, is made anew.
func (s *Subscriber) run(ctx context.Context, topic string, consumer jetstream.Consumer, out chan<- *message.Message) {
	for pause := time.Duration(0); ctx.Err() == nil; {
		msg, err := next(ctx, consumer)
		switch {
		case err == nil:
			pause = 0
			s.handle(ctx, topic, msg, out)
			continue
		case ctx.Err() != nil:
			return
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, jetstream.ErrNoMessages):
			continue
		}
		pause = min(max(2*pause, 50*time.Millisecond), 2*time.Second)
		s.config.Logger.WarnContext(ctx, "fetching a message went wrong", slog.String("topic", topic), slog.Any("error", err), slog.Duration("pause", pause))
		if !sleep(ctx, pause) {
			return
		}
		if c, err := s.consumer(ctx, topic); err == nil {
			consumer = c
		}
	}
}

// fetchWait bounds one request for a message; it is asked again for ever.
const fetchWait = 5 * time.Second

func next(ctx context.Context, consumer jetstream.Consumer) (jetstream.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchWait)
	defer cancel()
	batch, err := consumer.Fetch(1, jetstream.FetchContext(ctx))
	if err != nil {
		return nil, err
	}
	for msg := range batch.Messages() {
		return msg, nil
	}
	if err := batch.Error(); err != nil {
		return nil, err
	}
	return nil, jetstream.ErrNoMessages
}

// handle hands out msg and brings the handler's answer to the server.
func (s *Subscriber) handle(ctx context.Context, topic string, msg jetstream.Msg, out chan<- *message.Message) {
	m, err := fromNATS(msg)
	if err != nil {
		s.answer(ctx, topic, msg.Term(), "term")
		return
	}
	mctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m.SetContext(mctx)

	heartbeat := time.NewTicker(s.config.AckWait / 3)
	defer heartbeat.Stop()
	for handed := out; ; {
		select {
		case handed <- m:
			handed = nil // once
		case <-m.Acked():
			s.acknowledge(ctx, topic, msg)
			return
		case <-m.Nacked():
			s.answer(ctx, topic, msg.NakWithDelay(s.config.NakDelay), "nak with delay")
			return
		case <-heartbeat.C:
			s.answer(ctx, topic, msg.InProgress(), "in progress")
		case <-ctx.Done():
			s.answer(ctx, topic, msg.Nak(), "nak")
			return
		}
	}
}

// acknowledge waits until the server has the ack: only then may the next message come. If the server cannot be
// reached, the message comes again; that is what at least once means.
func (s *Subscriber) acknowledge(ctx context.Context, topic string, msg jetstream.Msg) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchWait)
	defer cancel()
	s.answer(ctx, topic, msg.DoubleAck(ctx), "ack")
}

func (s *Subscriber) answer(ctx context.Context, topic string, err error, what string) {
	if err != nil {
		s.config.Logger.WarnContext(ctx, "a message was not answered", slog.String("topic", topic), slog.String("answer", what), slog.Any("error", err))
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
