package projections

import (
	"context"

	"github.com/google/uuid"

	"waybill/eventstore"
)

// Feed is the live end of the log, such as a relay.Fanout. It only makes a runner faster: whatever a feed does not
// deliver is read from the log, so a feed may be away, late, or have holes.
type Feed interface {
	// Next returns the events from position from on that are there, in order and at least one, and waits for the first
	// until ctx ends. The runner does not change them: they may be shared. A relay.EpochError says that the feed is
	// not of the given epoch, and is final. After any other error the runner reads the log for a while, and then asks
	// again.
	Next(ctx context.Context, from int64, epoch uuid.UUID) ([]eventstore.Event, error)
	// Published returns the last position that the feed has.
	Published(ctx context.Context) (int64, error)
}
