package projectiontest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"waybill/eventstore"
	"waybill/eventstore/relay"
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

// Published implements [projections.Feed].
func (f *Feed) Published(ctx context.Context) (int64, error) {
	h, err := f.Log.Head(ctx)
	return h.Position, err
}

// Next implements [projections.Feed].
func (f *Feed) Next(ctx context.Context, from int64, epoch uuid.UUID) ([]eventstore.Event, error) {
	if f.Epoch != uuid.Nil && f.Epoch != epoch {
		return nil, &relay.EpochError{Position: from, Want: epoch, Got: f.Epoch}
	}
	size := 500
	if rng := f.Rand; rng != nil {
		if rng.IntN(8) == 0 {
			return nil, errCut
		}
		from, size = max(from-int64(rng.IntN(4)), 1), 1+rng.IntN(5)
	}
	for {
		events, err := f.Log.ReadLog(ctx, from, size)
		if err != nil {
			return nil, fmt.Errorf("read the feed: %w", err)
		}
		if len(events) > 0 {
			if kept := f.without(events); len(kept) > 0 {
				return kept, nil
			}
			from = events[len(events)-1].Position + 1
			continue
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (f *Feed) without(events []eventstore.Event) []eventstore.Event {
	kept := make([]eventstore.Event, 0, len(events))
	for _, e := range events {
		if !f.Holes[e.Position] {
			kept = append(kept, e)
		}
	}
	return kept
}
