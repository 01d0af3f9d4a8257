package projections

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"waybill/eventstore"
	"waybill/eventstore/relay"
)

// Feed is the live end of the log. It only makes a runner faster: whatever a feed does not deliver is read from the
// log, so a feed may be away, late, or have holes.
type Feed interface {
	// Follow returns a reader of the events from position from on. It does not wait for the feed to be there.
	Follow(from int64, epoch uuid.UUID) (FeedReader, error)
	// Published returns the last position that the feed has.
	Published(ctx context.Context) (int64, error)
}

// FeedReader reads a feed. It is for one goroutine.
type FeedReader interface {
	// Next returns the events that are there, in order and at least one, and waits for the first until ctx ends. An
	// error that matches [ErrEpoch] is final. After any other one the runner reads the log for a while, and then
	// asks again.
	Next(ctx context.Context) ([]eventstore.Event, error)
	Close()
}

// JetStream is the feed that the relay fills. Stream is the stream's name; empty stands for [relay.StreamName].
func JetStream(conn *nats.Conn, stream string) Feed {
	if stream == "" {
		stream = relay.StreamName
	}
	return &jetStreamFeed{conn: conn, stream: stream}
}

type jetStreamFeed struct {
	conn   *nats.Conn
	stream string
}

func (f *jetStreamFeed) Follow(from int64, epoch uuid.UUID) (FeedReader, error) {
	c, err := relay.NewConsumer(relay.ConsumerConfig{Conn: f.conn, Stream: f.stream, From: from, Epoch: epoch})
	if err != nil {
		return nil, fmt.Errorf("follow the feed from %d: %w", from, err)
	}
	return &jetStreamReader{consumer: c}, nil
}

func (f *jetStreamFeed) Published(ctx context.Context) (int64, error) {
	js, err := jetstream.New(f.conn)
	if err != nil {
		return 0, fmt.Errorf("end of stream %s: %w", f.stream, err)
	}
	stream, err := js.Stream(ctx, f.stream)
	if err != nil {
		return 0, fmt.Errorf("end of stream %s: %w", f.stream, err)
	}
	return int64(stream.CachedInfo().State.LastSeq), nil
}

// jetStreamReader speaks of epochs in this package's words.
type jetStreamReader struct{ consumer *relay.Consumer }

func (r *jetStreamReader) Next(ctx context.Context) ([]eventstore.Event, error) {
	events, err := r.consumer.Next(ctx)
	if other, ok := errors.AsType[*relay.EpochError](err); ok {
		return nil, &EpochError{Source: "feed", Checkpoint: other.Want, Other: other.Got}
	}
	return events, err
}

func (r *jetStreamReader) Close() { r.consumer.Close() }
