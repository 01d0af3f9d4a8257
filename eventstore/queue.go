package eventstore

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/google/uuid"
)

// queue gathers proposals into batches, in the order in which they come. Whoever proposes also encodes, into the batch
// that goes next: nothing is left to do when its turn comes.
type queue struct {
	maxEvents, maxBytes     int // of one batch
	limitEvents, limitBytes int // of all that wait

	mu     sync.Mutex
	closed error
	full   []*batch // wait for their turn; the last one is still filled up
	spare  []*batch // empty, for reuse
	events int
	bytes  int
	wake   chan struct{} // one slot: there is something to take, or the queue was closed
	room   chan struct{} // closed when there is room again; nil if nobody waits
}

func newQueue(maxEvents, maxBytes, limitEvents, limitBytes int) *queue {
	return &queue{maxEvents: maxEvents, maxBytes: maxBytes, limitEvents: limitEvents, limitBytes: limitBytes, wake: make(chan struct{}, 1)}
}

// weight is what a commit counts against the limits in events: a verdict is a row as well.
func weight(c *Commit) int { return max(c.events(), 1) }

// put adds p to the batch that goes next, or waits while there is no room.
func (q *queue) put(ctx context.Context, p *Proposal) error {
	w, size := weight(&p.Commit), p.Commit.bytes()
	q.mu.Lock()
	// What is larger than the limit itself goes in when nothing else waits.
	for q.closed == nil && q.events > 0 && (q.events+w > q.limitEvents || q.bytes+size > q.limitBytes) {
		if q.room == nil {
			q.room = make(chan struct{})
		}
		room := q.room
		q.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		q.mu.Lock()
	}
	defer q.mu.Unlock()
	if q.closed != nil {
		return q.closed
	}
	q.events += w
	q.bytes += size
	q.last(w, size).add(p, uuid.Nil)
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return nil
}

// last is the batch that takes w more events of size bytes.
func (q *queue) last(w, size int) *batch {
	if n := len(q.full); n > 0 {
		b := q.full[n-1]
		if len(b.items) == 0 || (b.weight+w <= q.maxEvents && b.bytes+size <= q.maxBytes) {
			return b
		}
	}
	b := q.empty()
	q.full = append(q.full, b)
	return b
}

func (q *queue) empty() *batch {
	if n := len(q.spare); n > 0 {
		b := q.spare[n-1]
		q.spare = q.spare[:n-1]
		return b
	}
	return newBatch()
}

// take returns the next batch, or waits for one. It returns nil when the queue is closed and empty.
func (q *queue) take() *batch {
	for {
		q.mu.Lock()
		if len(q.full) > 0 {
			b := q.full[0]
			q.full = append(q.full[:0], q.full[1:]...)
			q.events -= b.weight
			q.bytes -= b.bytes
			if q.room != nil {
				close(q.room)
				q.room = nil
			}
			q.mu.Unlock()
			return b
		}
		closed := q.closed != nil
		q.mu.Unlock()
		if closed {
			return nil
		}
		<-q.wake
	}
}

// patience is how long to gather after a commit that took a time: for one more event, and in all. Whoever misses the next
// commit waits for two, so a small part of what the last one took is well spent; but one that had to be tried again while the
// database was away says nothing about the next.
func patience(took time.Duration) (idle, total time.Duration) {
	const slow = 8 * time.Millisecond // no commit is worth more
	took = min(took, slow)
	return took / 8, took / 2
}

// gather lets the proposers of a batch that was just answered propose what they have next, so that it goes with the next
// one: it yields until as many events have come as the batch had, or none has come for idle, or total is over.
func (q *queue) gather(answered int, idle, total time.Duration) {
	began := time.Now() //nolint:forbidigo // measures a duration
	before, came := q.waiting(), began
	enough := before + answered
	for at := began; at.Sub(came) < idle && at.Sub(began) < total; at = time.Now() { //nolint:forbidigo // measures a duration
		runtime.Gosched()
		waiting := q.waiting()
		if waiting >= enough {
			return
		}
		if waiting > before {
			before, came = waiting, at
		}
	}
}

func (q *queue) waiting() (events int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.events
}

// giveBack returns a batch that was settled, for reuse.
func (q *queue) giveBack(b *batch) {
	const keep = 3
	b.reset()
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.spare) < keep {
		q.spare = append(q.spare, b)
	}
}

// close refuses every further proposal with err, also those that wait for room.
func (q *queue) close(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed != nil {
		return
	}
	q.closed = err
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
