package relay

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"waybill/eventstore"
)

const (
	requestTimeout = 2 * time.Second // for one question to the JetStream API
	minRetry       = 50 * time.Millisecond
	maxRetry       = 2 * time.Second
	// abandoned is how long the server keeps a consumer whose process died.
	abandoned = 30 * time.Second
)

// item is one message as it arrived.
type item struct {
	position int64  // stream sequence
	delivery uint64 // place among what this subscription was sent, from 1
	event    eventstore.Event
	epoch    uuid.UUID
	unwanted bool  // the filters leave it out; only its place counts
	err      error // why it is no event
}

// subscription is one server-side consumer, and what it sent and nobody took yet. It ends at the first trouble, and
// [Consumer] makes another: that is easier to get right than to mend one.
type subscription struct {
	stream    jetstream.Stream // to end the consumer there
	name      string
	consuming jetstream.ConsumeContext
	limit     int
	filters   [][]string // tokens of the subjects wanted
	delivered uint64     // last delivery that was checked; the taker's own

	ready chan struct{} // there are items
	space chan struct{} // there is room again
	ended chan struct{} // it is over

	mu    sync.Mutex
	items []item
	err   error // why it ended
}

// newSubscription starts to receive from position from on.
func newSubscription(ctx context.Context, stream jetstream.Stream, cfg *ConsumerConfig, from int64) (*subscription, error) {
	consumer, err := stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Name:              "follow-" + nats.NewInbox()[len(nats.InboxPrefix):],
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       sequence(from),
		AckPolicy:         jetstream.AckNonePolicy,
		InactiveThreshold: abandoned,
		MemoryStorage:     true,
		Replicas:          1,
	})
	if err != nil {
		return nil, fmt.Errorf("follow stream %s from %d: %w", cfg.Stream, from, err)
	}
	s := &subscription{
		stream: stream, name: consumer.CachedInfo().Name, limit: cfg.Buffer, filters: tokens(cfg.Filters),
		ready: make(chan struct{}, 1), space: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	s.consuming, err = consumer.Consume(s.receive,
		jetstream.PullMaxMessages(cfg.Buffer), jetstream.PullHeartbeat(cfg.Heartbeat), jetstream.PullExpiry(max(4*cfg.Heartbeat, 2*time.Second)),
		jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) { s.end(err) }))
	if err != nil {
		return nil, fmt.Errorf("follow stream %s from %d: %w", cfg.Stream, from, err)
	}
	return s, nil
}

// receive keeps one message, and waits while there is no room: the server then waits too.
func (s *subscription) receive(msg jetstream.Msg) {
	it := s.decode(msg)
	for {
		s.mu.Lock()
		if s.err != nil {
			s.mu.Unlock()
			return
		}
		if len(s.items) < s.limit {
			s.items = append(s.items, it)
			s.mu.Unlock()
			poke(s.ready)
			return
		}
		s.mu.Unlock()
		select {
		case <-s.space:
		case <-s.ended:
			return
		}
	}
}

func (s *subscription) decode(msg jetstream.Msg) item {
	meta, err := msg.Metadata()
	if err != nil {
		return item{err: err} // delivery 0 never fits: the subscription is made anew
	}
	it := item{position: position(meta.Sequence.Stream), delivery: meta.Sequence.Consumer}
	if !wanted(s.filters, msg.Subject()) {
		it.unwanted = true
		return it
	}
	it.event, it.epoch, it.err = Decode(msg.Headers(), msg.Data())
	if it.err == nil && it.event.Position != it.position {
		it.err = fmt.Errorf("stream sequence %d holds position %d", it.position, it.event.Position)
	}
	return it
}

func tokens(subjects []string) [][]string {
	filters := make([][]string, 0, len(subjects))
	for _, s := range subjects {
		filters = append(filters, strings.Split(s, "."))
	}
	return filters
}

// wanted reports whether one of the filters matches subject, or there are none. As in NATS "*" stands for one token,
// and ">" for one or more at the end.
func wanted(filters [][]string, subject string) bool {
	for _, filter := range filters {
		if matches(filter, subject) {
			return true
		}
	}
	return len(filters) == 0
}

func matches(filter []string, subject string) bool {
	for i, want := range filter {
		if want == ">" {
			return i == len(filter)-1 && subject != ""
		}
		token, rest, more := strings.Cut(subject, ".")
		if want != "*" && want != token {
			return false
		}
		if last := i == len(filter)-1; last || !more {
			return last && !more
		}
		subject = rest
	}
	return false
}

// errQuiet says that nothing came for a while.
var errQuiet = errors.New("nothing came")

// take returns what is there, at most limit items, and waits for the first, but not longer than patience.
func (s *subscription) take(ctx context.Context, limit int, patience time.Duration) ([]item, error) {
	var quiet <-chan time.Time
	for {
		s.mu.Lock()
		items, err := s.items, s.err
		if len(items) > limit {
			items, s.items = items[:limit:limit], items[limit:]
			poke(s.ready)
		} else if len(items) > 0 {
			s.items = nil
		}
		s.mu.Unlock()
		if len(items) > 0 {
			poke(s.space)
			return items, nil
		}
		if err != nil {
			return nil, err
		}
		if quiet == nil {
			quiet = time.After(patience)
		}
		select {
		case <-s.ready:
		case <-s.ended:
		case <-quiet:
			return nil, errQuiet
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// end lets nothing more in. What was received may still be taken.
func (s *subscription) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	s.err = err
	close(s.ended)
}

// stop ends it here and, if the server can be asked, there.
func (s *subscription) stop() {
	s.end(ErrClosed)
	s.consuming.Stop()
	<-s.consuming.Closed()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.stream.DeleteConsumer(ctx, s.name) // else the server forgets it by itself
}

// poke puts a token into a channel of capacity one, unless there is one.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
