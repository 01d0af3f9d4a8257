package projectiontest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"waybill/eventstore"
	"waybill/projections"
)

// Feed is a feed over a log without a broker. The zero value of the other fields delivers what is there, in order, at
// once; they make it as bad as a feed may be.
type Feed struct {
	Log eventstore.Reader
	// Epoch is what the feed claims to be of; zero stands for the log's.
	Epoch uuid.UUID
	// Rand, if set, makes it deliver in pieces of random size, deliver again what it has delivered, and fail.
	Rand *rand.Rand
	// Holes are positions that it does not have.
	Holes map[int64]bool
}

var _ projections.Feed = (*Feed)(nil)

// errCut is what a feed that fails says.
var errCut = errors.New("connection to the feed was cut")

// Follow implements [projections.Feed].
func (f *Feed) Follow(from int64, epoch uuid.UUID) (projections.FeedReader, error) {
	return &feedReader{feed: f, next: from, epoch: epoch}, nil
}

// Published implements [projections.Feed].
func (f *Feed) Published(ctx context.Context) (int64, error) {
	h, err := f.Log.Head(ctx)
	return h.Position, err
}

type feedReader struct {
	feed  *Feed
	next  int64
	epoch uuid.UUID
}

func (r *feedReader) Close() {}

// Next implements [projections.FeedReader].
func (r *feedReader) Next(ctx context.Context) ([]eventstore.Event, error) {
	if other := r.feed.Epoch; other != uuid.Nil && other != r.epoch {
		return nil, &projections.EpochError{Source: "feed", Checkpoint: r.epoch, Other: other}
	}
	from, size := r.next, 500
	if rng := r.feed.Rand; rng != nil {
		if rng.IntN(8) == 0 {
			return nil, errCut
		}
		from, size = max(r.next-int64(rng.IntN(4)), 1), 1+rng.IntN(5)
	}
	for {
		events, err := r.feed.Log.ReadLog(ctx, from, size)
		if err != nil {
			return nil, fmt.Errorf("read the feed: %w", err)
		}
		if len(events) > 0 {
			r.next = max(r.next, events[len(events)-1].Position+1)
			if kept := r.without(events); len(kept) > 0 {
				return kept, nil
			}
			from = r.next
			continue
		}
		from = r.next
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (r *feedReader) without(events []eventstore.Event) []eventstore.Event {
	kept := make([]eventstore.Event, 0, len(events))
	for _, e := range events {
		if !r.feed.Holes[e.Position] {
			kept = append(kept, e)
		}
	}
	return kept
}
