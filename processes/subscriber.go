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
	"github.com/google/uuid"

	"waybill/eventstore"
	"waybill/eventstore/relay"
)

// Shares is how many subscriptions a process has: each takes one partition, in order, one input at a time, so two
// inputs of one key never race. An input waits for the commits of its commands and hardly works, so many at a time
// cost little; and the more wait together, the more share one commit.
const Shares = relay.Partitions

// queue is how many events, and how many timers, wait for a share.
const queue = 64

// shareOf returns the share that handles a key.
func shareOf(key string) int { return relay.Partition(key) }

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
// where JetStream does not have it or cannot be reached; a timer comes from the runner's clock.
//
// How far it has come is kept with the state in Postgres and not by acks in JetStream: the stream may lose its tail
// or its disk, and the acks with it. Every position is followed, so that a hole cannot pass unseen, and the events are
// dealt out to the shares. A nack, or a handler that fails, brings the same input again.
type subscriber struct {
	process Process
	log     eventstore.Reader
	stream  Stream
	logger  *slog.Logger
	poll    time.Duration // how long the stream may be silent before the log is asked
	wanted  map[string]bool
	events  [Shares]chan *trigger
	timers  [Shares]chan *trigger
	mark    *mark
	feeds   sync.WaitGroup
}

var _ message.Subscriber = (*subscriber)(nil)

func newSubscriber(c *Config, from int64) *subscriber {
	s := &subscriber{
		process: c.Process, log: c.Log, stream: c.Stream, logger: c.Logger, poll: c.Poll, wanted: map[string]bool{}, mark: &mark{through: from},
	}
	for _, typ := range c.Process.Types() {
		s.wanted[typ] = true
	}
	for share := range Shares {
		s.events[share], s.timers[share] = make(chan *trigger, queue), make(chan *trigger, queue)
	}
	return s
}

const topicPrefix = "share-"

func topic(share int) string { return topicPrefix + strconv.Itoa(share) }

// Subscribe implements [message.Subscriber]. The channel is closed when ctx ends.
func (s *subscriber) Subscribe(ctx context.Context, name string) (<-chan *message.Message, error) {
	share, err := strconv.Atoi(strings.TrimPrefix(name, topicPrefix))
	if err != nil || share < 0 || share >= Shares {
		return nil, fmt.Errorf("subscribe to %q: not a share", name)
	}
	out := make(chan *message.Message)
	s.feeds.Go(func() {
		defer close(out)
		s.feed(ctx, share, out)
	})
	return out, nil
}

// Close implements [message.Subscriber]: it waits for the subscriptions, which end with their context.
func (s *subscriber) Close() error {
	s.feeds.Wait()
	return nil
}

// follow deals out the events from the position behind the checkpoint on, in order and without a hole, until ctx ends.
func (s *subscriber) follow(ctx context.Context, epoch uuid.UUID) error {
	for {
		batch, err := s.next(ctx, epoch)
		if err != nil {
			return err
		}
		if err := s.deal(ctx, batch); err != nil {
			return err
		}
	}
}

// next returns the next events: from the stream, or from the log if the stream is past them or silent. It returns none
// if the log has none either.
func (s *subscriber) next(ctx context.Context, epoch uuid.UUID) ([]eventstore.Event, error) {
	short, cancel := context.WithTimeout(ctx, s.poll)
	defer cancel()
	from, limit := s.mark.dealt()+1, int64(1000)
	batch, err := s.stream.Next(short, from, epoch)
	if err == nil || ctx.Err() != nil {
		return batch, err
	}
	behind, ok := errors.AsType[*relay.BehindError](err)
	if ok {
		limit = min(limit, behind.To-from+1)
	} else if !errors.Is(err, context.DeadlineExceeded) {
		return nil, err
	}
	page, err := s.log.ReadLog(ctx, from, int(limit))
	if err == nil && len(page) == 0 {
		<-short.Done() // there is nothing to do before the next poll
	}
	return page, err
}

// deal gives each event to its share, and waits while the share has too many.
func (s *subscriber) deal(ctx context.Context, batch []eventstore.Event) error {
	for i := range batch {
		e := &batch[i]
		if want := s.mark.dealt() + 1; e.Position != want {
			return fmt.Errorf("position %d came where %d should: %w", e.Position, want, errHole)
		}
		if !s.wanted[e.Type] {
			s.mark.pass(e.Position)
			continue
		}
		meta, err := e.Metadata()
		if err != nil {
			return err
		}
		t := &trigger{key: meta.Key, name: e.Type, position: e.Position, event: e, meta: meta}
		if t.key == "" {
			t.key = e.Stream
		}
		t.share = shareOf(t.key)
		s.mark.begin(t.share, t.position)
		select {
		case s.events[t.share] <- t:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

var errHole = errors.New("the log is not dense")

// feed hands out one input at a time, and the same one again until it is acked.
func (s *subscriber) feed(ctx context.Context, share int, out chan<- *message.Message) {
	for {
		var t *trigger
		select {
		case t = <-s.events[share]:
		case t = <-s.timers[share]:
		case <-ctx.Done():
			return
		}
		if !s.hand(ctx, t, out) {
			return
		}
		if t.event != nil {
			s.mark.end(share)
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

// mark is how far a process has come: every event up to its position was handled, parked, or not wanted.
type mark struct {
	mu      sync.Mutex
	through int64           // last position that was dealt out or passed over
	open    [Shares][]int64 // positions that were dealt out and not ended, in order
}

// dealt returns the last position that was dealt out or passed over.
func (m *mark) dealt() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.through
}

func (m *mark) pass(position int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.through = position
}

func (m *mark) begin(share int, position int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.through = position
	m.open[share] = append(m.open[share], position)
}

// end takes out the oldest event of a share.
func (m *mark) end(share int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open[share] = m.open[share][1:]
}

// position returns the checkpoint.
func (m *mark) position() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	position := m.through
	for share := range m.open {
		if len(m.open[share]) > 0 {
			position = min(position, m.open[share][0]-1)
		}
	}
	return position
}
