package processes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"

	"waybill/eventstore"
	"waybill/eventstore/relay"
)

// Shares is how many subscribers a process has: each takes its share of the partitions, in order, one input at a
// time, so two inputs of one key never race. It is part of what checkpoints mean, and is not changed.
const Shares = 16

// shareOf returns the share that handles a key.
func shareOf(key string) int { return relay.Partition(key) % Shares }

// trigger is an input on its way to the handler.
type trigger struct {
	share    int
	key      string
	name     string            // type of the event, or name of the timer
	position int64             // of the event; 0 for a timer
	due      time.Time         // of the timer; zero for an event
	event    *eventstore.Event // nil for a timer
	meta     eventstore.Meta
}

type triggerKey struct{}

// triggerOf returns the trigger that m carries.
func triggerOf(m *message.Message) (*trigger, error) {
	t, ok := m.Context().Value(triggerKey{}).(*trigger)
	if !ok {
		return nil, fmt.Errorf("message %s carries no input of a process", m.UUID)
	}
	return t, nil
}

// subscriber feeds the Watermill router: the topics are the shares. An event comes from JetStream, and from the log
// where JetStream does not have it; a timer comes from the runner's clock.
//
// How far it has come is kept with the state in Postgres and not by acks in JetStream: the stream may lose its tail
// or its disk, and the acks with it. A nack, or a handler that fails, brings the same input again.
type subscriber struct {
	process Process
	store   *store
	log     eventstore.Reader
	conn    *nats.Conn
	logger  *slog.Logger
	timers  [Shares]chan *trigger
	fail    context.CancelCauseFunc // ends the whole runner
	workers sync.WaitGroup
}

var _ message.Subscriber = (*subscriber)(nil)

func topic(share int) string { return "share-" + strconv.Itoa(share) }

// Subscribe implements [message.Subscriber].
func (s *subscriber) Subscribe(ctx context.Context, name string) (<-chan *message.Message, error) {
	number, err := strconv.Atoi(name[len("share-"):])
	if err != nil || number < 0 || number >= Shares {
		return nil, fmt.Errorf("subscribe to %q: not a share", name)
	}
	checkpoint, err := s.store.checkpoint(ctx, number)
	if err != nil {
		return nil, err
	}
	var filters []string
	for p := number; p < relay.Partitions; p += Shares {
		for _, typ := range s.process.Types() {
			aggregate, event, _ := strings.Cut(typ, ".")
			filters = append(filters, relay.Subject(aggregate, event, p))
		}
	}
	consumer, err := relay.NewConsumer(relay.ConsumerConfig{
		Conn: s.conn, From: checkpoint + 1, Epoch: s.store.epoch, Filters: filters, MaxBatch: 64, Buffer: 256,
	})
	if err != nil {
		return nil, err
	}
	events := make(chan []eventstore.Event)
	out := make(chan *message.Message)
	ctx, cancel := context.WithCancel(ctx)
	s.workers.Go(func() {
		if err := s.follow(ctx, consumer, number, events); err != nil && ctx.Err() == nil {
			s.fail(fmt.Errorf("%s: follow the events of share %d: %w", s.process.Name(), number, err))
		}
	})
	s.workers.Go(func() {
		defer close(out)
		defer consumer.Close()
		defer cancel()
		s.feed(ctx, number, events, out)
	})
	return out, nil
}

// Close implements [message.Subscriber]: it waits for the subscriptions, which end with their context.
func (s *subscriber) Close() error {
	s.workers.Wait()
	return nil
}

// follow brings events of the share, in order and without a hole, until ctx ends.
func (s *subscriber) follow(ctx context.Context, consumer *relay.Consumer, share int, events chan<- []eventstore.Event) error {
	send := func(batch []eventstore.Event) bool {
		select {
		case events <- batch:
			return true
		case <-ctx.Done():
			return false
		}
	}
	for {
		batch, err := consumer.Next(ctx)
		if gap, ok := errors.AsType[*relay.GapError](err); ok {
			if err := s.fill(ctx, gap, share, consumer, send); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		if !send(batch) {
			return context.Cause(ctx)
		}
	}
}

// fill reads from the log what JetStream does not have.
func (s *subscriber) fill(ctx context.Context, gap *relay.GapError, share int, consumer *relay.Consumer, send func([]eventstore.Event) bool) error {
	wanted := map[string]bool{}
	for _, typ := range s.process.Types() {
		wanted[typ] = true
	}
	for from := gap.From; from <= gap.To; {
		page, err := s.log.ReadLog(ctx, from, int(min(gap.To-from+1, 1000)))
		if err != nil {
			return err
		}
		if len(page) == 0 { // the stream has more than the log; it goes on where the log ends
			consumer.Resume(from)
			return nil
		}
		from = page[len(page)-1].Position + 1
		mine := page[:0]
		for i := range page {
			if !wanted[page[i].Type] {
				continue
			}
			meta, err := page[i].Metadata()
			if err != nil {
				return err
			}
			if shareOf(partitionKey(&page[i], meta)) == share {
				mine = append(mine, page[i])
			}
		}
		if len(mine) > 0 && !send(mine) {
			return context.Cause(ctx)
		}
	}
	return nil
}

// feed hands out one input at a time, and the same one again until it is acked.
func (s *subscriber) feed(ctx context.Context, share int, events <-chan []eventstore.Event, out chan<- *message.Message) {
	for {
		select {
		case batch := <-events:
			for i := range batch {
				t, err := eventInput(share, &batch[i])
				if err != nil {
					s.fail(err)
					return
				}
				if !s.hand(ctx, t, out) {
					return
				}
			}
		case t := <-s.timers[share]:
			if !s.hand(ctx, t, out) {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// hand gives t to the router until it is acked; false if ctx ended before.
func (s *subscriber) hand(ctx context.Context, t *trigger, out chan<- *message.Message) bool {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		m := t.message(ctx)
		select {
		case out <- m:
		case <-ctx.Done():
			return false
		}
		select {
		case <-m.Acked():
			return true
		case <-m.Nacked():
		case <-ctx.Done():
			return false
		}
		s.logger.WarnContext(ctx, "an input could not be handled yet", slog.String("process", s.process.Name()),
			slog.String("key", t.key), slog.String("input", t.name), slog.Int64("position", t.position), slog.Duration("again_in", pause))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return false
		}
	}
}

func eventInput(share int, e *eventstore.Event) (*trigger, error) {
	meta, err := e.Metadata()
	if err != nil {
		return nil, err
	}
	return &trigger{share: share, key: partitionKey(e, meta), name: e.Type, position: e.Position, event: e, meta: meta}, nil
}

// partitionKey is the key by which an event is spread over partitions, and an instance is found.
func partitionKey(e *eventstore.Event, m eventstore.Meta) string {
	if m.Key != "" {
		return m.Key
	}
	return e.Stream
}

func (t *trigger) message(ctx context.Context) *message.Message {
	id := "timer/" + t.key + "/" + t.name
	if t.event != nil {
		id = t.event.ID.String()
	}
	m := message.NewMessage(id, nil)
	m.Metadata["type"], m.Metadata["key"] = t.name, t.key
	m.Metadata["position"] = strconv.FormatInt(t.position, 10)
	m.SetContext(context.WithValue(ctx, triggerKey{}, t))
	return m
}
