package processes

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"waybill/eventstore"
)

// TestAnInputComesAgainAndAgain: an input that could not be handled comes again after pauses that grow up to five
// seconds, and no other input of its share before it was acked.
func TestAnInputComesAgainAndAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSubscriber(&Config{Process: Adapt(Placement{}), Logger: slog.New(slog.DiscardHandler)}, 0)
		ctx, cancel := context.WithCancel(t.Context())
		out := make(chan *message.Message)
		s.mark.begin(0, 1)
		s.mark.begin(0, 2)
		s.events[0] <- &trigger{key: "first", position: 1, event: &eventstore.Event{}}
		s.events[0] <- &trigger{key: "second", position: 2, event: &eventstore.Event{}}
		go s.feed(ctx, 0, out)
		want := 100 * time.Millisecond
		last := time.Now()
		for range 10 {
			m := <-out
			if at := m.Metadata["key"]; at != "first" {
				t.Fatalf("%s came while the first was not acked", at)
			}
			if pause := time.Since(last); pause != 0 && pause != want {
				t.Errorf("came again after %s, want %s", pause, want)
			} else if pause != 0 {
				want = min(2*want, 5*time.Second)
			}
			last = time.Now()
			m.Nack()
		}
		(<-out).Ack()
		synctest.Wait()
		if p := s.mark.position(); p != 1 {
			t.Errorf("the checkpoint is %d, want 1: the second event is open", p)
		}
		m := <-out
		if m.Metadata["key"] != "second" {
			t.Errorf("%s came behind the first", m.Metadata["key"])
		}
		m.Ack()
		synctest.Wait()
		if p := s.mark.position(); p != 2 {
			t.Errorf("the checkpoint is %d, want 2", p)
		}
		cancel()
	})
}

// leases answers renewals from a list; the last answer is repeated.
type leases struct {
	Leases
	answers []error
	renewed []time.Time
}

func (l *leases) RenewLease(_ context.Context, lease eventstore.Lease, _ time.Duration, _ int64) (eventstore.Lease, error) {
	err := l.answers[min(len(l.renewed), len(l.answers)-1)]
	l.renewed = append(l.renewed, time.Now())
	return lease, err
}

// TestTheLeaseIsKept: it is renewed three times in its life. A process stops at once when the lease is lost, and when it
// could not be renewed for all of its life; a renewal that fails in between is tried again.
func TestTheLeaseIsKept(t *testing.T) {
	t.Parallel()
	const ttl = 9 * time.Second
	away := errors.New("database is away")
	for name, c := range map[string]struct {
		answers []error
		ends    time.Duration // 0: not within a minute
		cause   error
	}{
		"renewed":         {[]error{nil}, 0, nil},
		"away for a time": {[]error{nil, away, away, nil}, 0, nil},
		"lost":            {[]error{nil, eventstore.ErrLeaseLost}, 6 * time.Second, eventstore.ErrLeaseLost},
		"away for good":   {[]error{nil, away}, 15 * time.Second, away},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := &leases{answers: c.answers}
				r := &Runner{config: Config{Leases: l, LeaseTTL: ttl, Now: time.Now}}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				start := time.Now()
				var ended time.Duration
				var cause error
				r.keepLease(ctx, eventstore.Lease{}, func(err error) { ended, cause = time.Since(start), err })
				if ended != c.ends || !errors.Is(cause, c.cause) {
					t.Errorf("ended after %s because of %v, want %s and %v", ended, cause, c.ends, c.cause)
				}
				for i := 1; i < len(l.renewed); i++ {
					if pause := l.renewed[i].Sub(l.renewed[i-1]); pause != ttl/3 {
						t.Errorf("renewed after %s, want %s", pause, ttl/3)
					}
				}
			})
		})
	}
}
