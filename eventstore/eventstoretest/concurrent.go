package eventstoretest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/uuid"

	"waybill/eventstore"
)

// concurrentWriters lets 64 writers append to streams of their own and to four shared ones, while a reader follows. No
// event may be missed, none twice, and what was acknowledged must be there at once.
func concurrentWriters(t *testing.T, log eventstore.Log) {
	const writers, rounds, shared = 64, 12, 4
	var mu sync.Mutex
	acknowledged := map[uuid.UUID]eventstore.Receipt{}

	ctx, stop := context.WithCancel(t.Context())
	var reader, wg sync.WaitGroup
	defer reader.Wait()
	defer stop()
	followed := make(chan []eventstore.Event, 1)
	reader.Go(func() { followed <- follow(ctx, t, log) })

	for w := range writers {
		wg.Go(func() {
			for round := range int64(rounds) {
				c := commit(to(fmt.Sprintf("order-%d", w), round*2, 2))
				r, err := log.Append(t.Context(), c)
				if err != nil {
					t.Errorf("append to a stream of its own: %v", err)
					return
				}
				page, err := log.ReadLog(t.Context(), r.First, 2)
				if err != nil || len(page) != 2 || page[0].CommandID != c.CommandID || page[1].Version != round*2+2 {
					t.Errorf("what was acknowledged at %d is not there: %v, %v", r.First, page, err)
				}
				s := fmt.Sprintf("stock-%d", rand.N(shared))
				d, rs := appendWithRetry(t, log, s)
				mu.Lock()
				acknowledged[c.CommandID], acknowledged[d] = r, rs
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	want := head(t, log).Position
	if want != writers*rounds*3 {
		t.Errorf("%d events in the log, want %d", want, writers*rounds*3)
	}
	mustAppend(t, log, commit(eventstore.StreamEvents{ID: "end", Events: []eventstore.NewEvent{{Type: "test.end", Schema: 1}}}))
	events := <-followed
	if int64(len(events)) != want {
		t.Fatalf("the reader saw %d events, want %d", len(events), want)
	}
	for id, r := range acknowledged {
		if events[r.First-1].CommandID != id {
			t.Errorf("command %s was acknowledged at %d, but the reader saw another one there", id, r.First)
		}
	}
	checkDense(t, events)
}

// follow reads the log as it grows, until it meets the end marker.
func follow(ctx context.Context, t *testing.T, log eventstore.Log) []eventstore.Event {
	var seen []eventstore.Event
	for ctx.Err() == nil {
		page, err := log.ReadLog(ctx, int64(len(seen))+1, 50)
		if err != nil {
			if ctx.Err() == nil {
				t.Errorf("follow the log: %v", err)
			}
			return seen
		}
		for _, e := range page {
			if e.Position != int64(len(seen))+1 {
				t.Errorf("follow the log: position %d after %d", e.Position, len(seen))
				return seen
			}
			if e.Type == "test.end" {
				return seen
			}
			seen = append(seen, e)
		}
	}
	return seen
}

// appendWithRetry adds one event to a stream that others add to as well.
func appendWithRetry(t *testing.T, log eventstore.Log, stream string) (uuid.UUID, eventstore.Receipt) {
	expected := int64(0)
	for {
		c := commit(to(stream, expected, 1))
		r, err := log.Append(t.Context(), c)
		conflict, ok := errors.AsType[*eventstore.ConflictError](err)
		switch {
		case err == nil:
			return c.CommandID, r
		case !ok:
			t.Errorf("append to %s: %v", stream, err)
			return c.CommandID, r
		case conflict.Actual <= expected: // every other writer only adds
			t.Errorf("conflict on %s: expected %d, and is at %d", stream, expected, conflict.Actual)
			return c.CommandID, r
		}
		expected = conflict.Actual
	}
}

func checkDense(t *testing.T, events []eventstore.Event) {
	t.Helper()
	versions := map[string]int64{}
	ids := map[uuid.UUID]bool{}
	for _, e := range events {
		if versions[e.Stream]++; e.Version != versions[e.Stream] {
			t.Errorf("position %d: %s has version %d, want %d", e.Position, e.Stream, e.Version, versions[e.Stream])
		}
		if ids[e.ID] {
			t.Errorf("position %d: event id %s twice", e.Position, e.ID)
		}
		ids[e.ID] = true
	}
}

// crossingWriters lets commits name the same streams in every order: none may wait for another for ever, and each takes
// all of its streams or none.
func crossingWriters(t *testing.T, log eventstore.Log) {
	const writers, commits = 16, 15
	streams := []string{"a", "b", "c", "d", "e"}
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			versions := map[string]int64{}
			for done := 0; done < commits; {
				c := commit()
				for _, i := range rand.Perm(len(streams))[:3] {
					c.Streams = append(c.Streams, to(streams[i], versions[streams[i]], 1))
				}
				_, err := log.Append(t.Context(), c)
				if conflict, ok := errors.AsType[*eventstore.ConflictError](err); ok {
					versions[conflict.Stream] = conflict.Actual
					continue
				}
				if err != nil {
					t.Errorf("append: %v", err)
					return
				}
				for _, s := range c.Streams {
					versions[s.ID]++
				}
				done++
			}
		})
	}
	wg.Wait()
	events := readAll(t, log)
	if len(events) != writers*commits*3 {
		t.Errorf("%d events, want %d", len(events), writers*commits*3)
	}
	for i, e := range events {
		if (e.CommandID != uuid.Nil) != (i%3 == 0) {
			t.Errorf("position %d: a commit is torn", e.Position)
		}
	}
	checkDense(t, events)
}
