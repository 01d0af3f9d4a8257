package wmjetstream

import (
	"cmp"
	"context"
	"errors"
	"hash/fnv"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go/jetstream"

	"waybill/internal/failpoint"
)

const (
	// fetchWait bounds one request for messages; it is asked again for ever. The end of a subscription waits for the
	// request that is under way: to break it off would lose what the server is just sending, until AckWait has passed
	// and later messages have gone ahead.
	fetchWait = time.Second
	// answerWait bounds the wait for the server to confirm an ack.
	answerWait = 5 * time.Second
	// maxPause bounds the pause before the server is asked again when something is wrong with it.
	maxPause = 2 * time.Second
)

// place tells one message from another. A stream that lost its tail hands out the same sequence again, so it takes the
// time as well.
type place struct {
	sequence uint64
	nanos    int64
}

// held is a message in hand: taken from the server and not acknowledged yet.
type held struct {
	jetstream.Msg
	meta    *jetstream.MsgMetadata
	attempt int
}

func (h *held) place() place { return place{h.meta.Sequence.Stream, h.meta.Timestamp.UnixNano()} }

// subscription takes messages from the server as it has room for them, and works them off in lanes.
type subscription struct {
	*Subscriber
	topic    string
	consumer jetstream.Consumer
	watch    watch
	out      chan<- *message.Message
	lanes    []chan *held
	room     chan struct{} // as many tokens as messages in hand, or asked for

	mu   sync.Mutex
	hand map[place]*held
}

func newSubscription(s *Subscriber, topic string, consumer jetstream.Consumer, out chan<- *message.Message) *subscription {
	size, _ := s.config.inHand()
	sub := &subscription{
		Subscriber: s, topic: topic, consumer: consumer, out: out,
		lanes: make([]chan *held, s.config.Lanes), room: make(chan struct{}, size), hand: make(map[place]*held, size),
	}
	for n := range sub.lanes {
		sub.lanes[n] = make(chan *held, size) // never full
	}
	return sub
}

// run works until ctx ends, and gives back what is left.
func (s *subscription) run(ctx context.Context) {
	var lanes, heart sync.WaitGroup
	for _, lane := range s.lanes {
		lanes.Go(func() {
			for h := range lane {
				s.work(ctx, h)
			}
		})
	}
	beat, stop := context.WithCancel(context.WithoutCancel(ctx))
	heart.Go(func() { s.keep(beat) })
	s.take(ctx)
	for _, lane := range s.lanes {
		close(lane)
	}
	lanes.Wait()
	stop()
	heart.Wait()
	s.giveBack(context.WithoutCancel(ctx))
}

// take fills the lanes until ctx ends. Whatever the server does meanwhile, it goes on: a consumer that was deleted, or
// lost with a stream, is made anew.
func (s *subscription) take(ctx context.Context) {
	look := time.NewTicker(s.config.Watch)
	defer look.Stop()
	for pause := time.Duration(0); ; {
		n := s.reserve(ctx)
		if n == 0 {
			return
		}
		err := s.fetch(ctx, n)
		select {
		case <-look.C:
			if err == nil {
				err = s.look(ctx)
			}
		default:
		}
		if err == nil {
			pause = 0
			continue
		}
		if ctx.Err() != nil {
			return
		}
		pause = min(max(2*pause, 50*time.Millisecond), maxPause)
		s.config.Logger.WarnContext(ctx, "fetching messages went wrong",
			slog.String("topic", s.topic), slog.Any("error", err), slog.Duration("again_in", pause))
		if !sleep(ctx, pause) {
			return
		}
		c, err := s.Subscriber.consumer(ctx, s.topic)
		if err != nil {
			s.config.Logger.WarnContext(ctx, "the consumer is not there", slog.String("topic", s.topic), slog.Any("error", err))
			continue
		}
		s.consumer = c
	}
}

// reserve waits for room and takes all there is. 0: ctx ended.
func (s *subscription) reserve(ctx context.Context) int {
	if ctx.Err() != nil {
		return 0
	}
	select {
	case s.room <- struct{}{}:
	case <-ctx.Done():
		return 0
	}
	for n := 1; ; n++ {
		select {
		case s.room <- struct{}{}:
		default:
			return n
		}
	}
}

// fetch brings up to n messages into their lanes, for whom there is room.
func (s *subscription) fetch(ctx context.Context, n int) error {
	defer func() {
		for range n {
			<-s.room
		}
	}()
	batch, err := s.consumer.Fetch(n, jetstream.FetchMaxWait(fetchWait))
	if err != nil {
		return err
	}
	for msg := range batch.Messages() {
		if s.accept(ctx, msg) {
			n--
		}
	}
	return batch.Error()
}

// accept takes a message into hand. It is false for one that needs no room.
func (s *subscription) accept(ctx context.Context, msg jetstream.Msg) bool {
	meta, err := msg.Metadata()
	if err != nil {
		s.report(ctx, msg.Term(), "term")
		return false
	}
	h := &held{Msg: msg, meta: meta}
	s.mu.Lock()
	_, again := s.hand[h.place()] // the server was cut off from us, and believes that nobody has it
	if !again {
		s.hand[h.place()] = h
	}
	s.mu.Unlock()
	if !again {
		s.lanes[s.lane(ctx, h)] <- h
	}
	return !again
}

func (s *subscription) lane(ctx context.Context, h *held) int {
	if len(s.lanes) == 1 {
		return 0
	}
	f := fnv.New32a()
	_, _ = f.Write([]byte(s.config.Lane(h.message(ctx)))) // never fails
	return int(f.Sum32() % uint32(len(s.lanes)))          //nolint:gosec // as many as were configured
}

// work hands out h until it is acked, before any later message of its lane. When ctx ends first, h stays in hand.
func (s *subscription) work(ctx context.Context, h *held) {
	for pause := s.config.NakDelay; ctx.Err() == nil; pause = min(2*pause, s.config.MaxNakDelay) {
		if s.handOut(ctx, h) {
			s.acknowledge(ctx, h)
			s.mu.Lock()
			delete(s.hand, h.place())
			s.mu.Unlock()
			<-s.room
			return
		}
		if !sleep(ctx, pause) {
			return
		}
	}
}

// handOut gives h to a handler, and tells whether it was acked.
func (s *subscription) handOut(ctx context.Context, h *held) bool {
	h.attempt++
	mctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m := h.message(mctx)
	select {
	case s.out <- m:
	case <-ctx.Done():
		return false
	}
	select {
	case <-m.Acked():
		return true
	case <-m.Nacked():
		return false
	case <-ctx.Done():
	}
	grace := time.NewTimer(s.config.Grace)
	defer grace.Stop()
	select {
	case <-m.Acked():
		return true
	case <-m.Nacked():
	case <-grace.C:
	}
	return false
}

// acknowledge waits until the server has the ack: only then may the next message of the lane come. If the server cannot
// be reached, the message comes again after AckWait; that is what at least once means.
func (s *subscription) acknowledge(ctx context.Context, h *held) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerWait)
	defer cancel()
	s.report(ctx, h.DoubleAck(ctx), "ack")
	_ = failpoint.Hit(ctx, failpoint.IntakeAfterAck) // nobody is left to be told of an error
}

// keep tells the server that work goes on, on all that is in hand: what waits for its turn must not be handed to
// somebody else any more than what is being handled.
func (s *subscription) keep(ctx context.Context) {
	tick := time.NewTicker(s.config.AckWait / 3)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		for _, h := range s.inHand() {
			if err := h.InProgress(); !errors.Is(err, jetstream.ErrMsgAlreadyAckd) {
				s.report(ctx, err, "in progress")
			}
		}
	}
}

// inHand returns what is in hand, in the order of the stream.
func (s *subscription) inHand() []*held {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.hand), func(a, b *held) int {
		return cmp.Compare(a.meta.Sequence.Stream, b.meta.Sequence.Stream)
	})
}

// giveBack returns what is in hand to the server, in its order, so that the next subscriber finds it in it.
func (s *subscription) giveBack(ctx context.Context) {
	left := s.inHand()
	if len(left) == 0 {
		return
	}
	for _, h := range left {
		s.report(ctx, h.Nak(), "nak")
	}
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	s.report(ctx, s.config.JetStream.Conn().FlushWithContext(ctx), "nak")
}

func (s *subscription) report(ctx context.Context, err error, answer string) {
	if err != nil {
		s.config.Logger.WarnContext(ctx, "a message was not answered and comes again",
			slog.String("topic", s.topic), slog.String("answer", answer), slog.Any("error", err))
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
