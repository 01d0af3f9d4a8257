package wmjetstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// lookWait bounds the questions of one look.
const lookWait = 2 * time.Second

// watch holds what the server says of stream and consumer against what it sends, since a server whose disk was damaged
// goes on as if nothing had happened (nats-server 2.15.2):
//
//   - A message that cannot be read is passed over, and stays in the queue for ever.
//   - Where the damage hides the end of a message, everything behind is gone, and its sequences are given to new messages.
//     A consumer that was ahead of the new end may then wait for ever, while what is published piles up behind its back.
//     Its own figures show nothing: to it, nothing is pending.
type watch struct {
	last       uint64   // end of the stream, at the look before
	before     snapshot // of the look before, if something seemed to be missing
	remade     bool     // the consumer was made anew because of that
	unreadable uint64   // that did not bring these, and they were reported
}

// snapshot is what must not stand still while there are messages to send.
type snapshot struct {
	stored, last, delivered, acked, pending uint64
	unacked                                 int
}

// look asks the server, and makes the consumer anew if it waits where it should send.
func (s *subscription) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookWait)
	defer cancel()
	consumer, err := s.consumer.Info(ctx)
	if err != nil {
		return fmt.Errorf("look at consumer of %s: %w", s.topic, err)
	}
	handle, err := s.config.JetStream.Stream(ctx, s.config.Stream) // later, so it cannot be behind its consumer
	if err != nil {
		return fmt.Errorf("look at stream %s: %w", s.config.Stream, err)
	}
	stream := handle.CachedInfo()
	w := &s.watch
	known := max(w.last, consumer.Delivered.Stream)
	w.last = stream.State.LastSeq
	if w.last < known {
		s.lost(ctx, known-w.last, "the stream lost its end, and gives the same sequences to other messages")
		return s.remake(ctx)
	}
	if len(s.inHand()) > 0 {
		w.before = snapshot{} // it does send
		return nil
	}
	missing := s.missing(stream, consumer)
	if missing <= w.unreadable {
		w.unreadable, w.remade, w.before = missing, false, snapshot{}
		return nil
	}
	now := snapshot{
		stored: stream.State.Msgs, last: w.last, delivered: consumer.Delivered.Stream, acked: consumer.AckFloor.Stream,
		pending: consumer.NumPending, unacked: consumer.NumAckPending,
	}
	if now != w.before {
		w.before = now // they may be on their way
		return nil
	}
	w.before = snapshot{}
	if !w.remade {
		w.remade = true
		s.config.Logger.WarnContext(ctx, "the consumer does not send what is in the stream and is made anew",
			slog.String("topic", s.topic), slog.Uint64("messages", missing))
		return s.remake(ctx)
	}
	s.lost(ctx, missing-w.unreadable, "messages are in the stream and cannot be read")
	w.unreadable, w.remade = missing, false
	return nil
}

// missing returns how many messages the consumer should have sent by now, and nobody has. It can only be told of a work
// queue, where what is stored is what is to be done, and of a consumer that gets everything.
func (s *subscription) missing(stream *jetstream.StreamInfo, consumer *jetstream.ConsumerInfo) uint64 {
	if stream.Config.Retention != jetstream.WorkQueuePolicy || !slices.Equal(stream.Config.Subjects, []string{s.topic}) {
		return 0
	}
	elsewhere := uint64(max(consumer.NumAckPending, 0)) //nolint:gosec // not negative
	if consumer.NumAckPending >= consumer.Config.MaxAckPending {
		elsewhere += consumer.NumPending // others of the group have all they may have; the rest waits for them
	}
	return stream.State.Msgs - min(stream.State.Msgs, elsewhere)
}

// remake makes the consumer anew. It begins at the first message that nobody has acknowledged.
func (s *subscription) remake(ctx context.Context) error {
	if err := s.config.JetStream.DeleteConsumer(ctx, s.config.Stream, s.durable(s.topic)); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("delete consumer of %s: %w", s.topic, err)
	}
	c, err := s.Subscriber.consumer(ctx, s.topic)
	if err != nil {
		return err
	}
	s.consumer = c
	return nil
}

func (s *subscription) lost(ctx context.Context, count uint64, how string) {
	s.config.Logger.ErrorContext(ctx, "messages were lost on the server",
		slog.String("stream", s.config.Stream), slog.String("how", how), slog.Uint64("messages", count))
	if s.config.OnLoss != nil {
		s.config.OnLoss(count)
	}
}
