package commands

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"waybill/domain/order"
	"waybill/eventstore"
)

// entry is the cached state of one stream.
//
// The state is speculative: it is what the stream will hold once everything in pending has committed. What is decided on
// it is proposed after pending, so if one of those fails, all behind it fail as well, and the state is read anew.
type entry struct {
	stream string

	// lock is held by whoever sent to it. It is a channel so that waiting for it can end with a context. It is held
	// while a command is decided and proposed, never while a commit is waited for.
	lock chan struct{}

	// Guarded by lock.
	state    aggregate
	loaded   bool
	version  int64                  // of state
	pending  []*eventstore.Proposal // unsettled, in order; each adds events to the stream
	round    int64                  // counts how often state was brought up to date from the log
	fresh    int                    // events folded since a snapshot was last asked for
	freshLen int64                  // bytes of these events

	// behind is the latest round in which the log said that the stream has moved past state.
	behind atomic.Int64
	weight atomic.Int64 // rough bytes
	// snapshotLen is how large the last snapshot was.
	snapshotLen atomic.Int64

	// Guarded by the mutex of the cache.
	refs       int
	counted    int64 // weight as the cache knows it
	prev, next *entry
}

// baseWeight is what an entry takes without its state, roughly.
const baseWeight = 600

func newEntry(stream string, state aggregate) *entry {
	e := &entry{stream: stream, lock: make(chan struct{}, 1), state: state, round: 1}
	e.weight.Store(baseWeight)
	return e
}

// acquire takes the lock, or returns the cause of ctx.
func (e *entry) acquire(ctx context.Context) error {
	select {
	case e.lock <- struct{}{}:
		return nil
	default:
	}
	select {
	case e.lock <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for stream %s: %w", e.stream, context.Cause(ctx))
	}
}

func (e *entry) release() { <-e.lock }

// prune looks at pending if nobody else holds the lock, so that a quiet entry does not keep the commits in memory.
func (e *entry) prune(ctx context.Context) {
	select {
	case e.lock <- struct{}{}:
		e.settle(ctx)
		e.release()
	default:
	}
}

// settle takes note of the verdicts that are there.
func (e *entry) settle(ctx context.Context) {
	n := 0
	for ; n < len(e.pending); n++ {
		settled, err := verdictOf(ctx, e.pending[n])
		if !settled {
			break
		}
		if err != nil {
			e.forget()
			return
		}
	}
	if n == 0 {
		return
	}
	rest := copy(e.pending, e.pending[n:])
	clear(e.pending[rest:])
	e.pending = e.pending[:rest]
}

// verdictOf returns the verdict of p if it is there. It does not wait, so the end of ctx is nothing to it.
func verdictOf(ctx context.Context, p *eventstore.Proposal) (settled bool, err error) {
	select {
	case <-p.Done():
		_, err = p.Wait(ctx)
		return true, err
	default:
		return false, nil
	}
}

// forget drops the state: it is read anew before it is used again.
func (e *entry) forget() {
	e.state, e.loaded, e.version = e.state.empty(), false, 0
	clear(e.pending)
	e.pending = e.pending[:0]
	e.fresh, e.freshLen = 0, 0
	e.weight.Store(baseWeight)
}

// moved notes that in the given round the state was found to be older than the log.
func (e *entry) moved(round int64) {
	for {
		old := e.behind.Load()
		if old >= round || e.behind.CompareAndSwap(old, round) {
			return
		}
	}
}

// stale tells whether the state has to be read, in whole or from its version on.
func (e *entry) stale() bool { return !e.loaded || e.behind.Load() >= e.round }

// last is the proposal that everything decided now hangs on; nil if there is none.
func (e *entry) last() *eventstore.Proposal {
	if len(e.pending) == 0 {
		return nil
	}
	return e.pending[len(e.pending)-1]
}

// advance folds what p will add.
func (e *entry) advance(p *eventstore.Proposal, changes []change) {
	e.state.evolve(changes)
	e.loaded = true
	e.version += int64(len(changes))
	for i := range changes {
		e.grow(len(changes[i].data))
	}
	e.pending = append(e.pending, p)
}

func (e *entry) grow(bytes int) {
	e.fresh++
	e.freshLen += int64(bytes)
	e.weight.Add(int64(bytes))
}

// load brings the state up to date with the log. The caller holds the lock, and nothing is pending.
func (b *Bus) load(ctx context.Context, e *entry) error {
	if !e.loaded {
		b.restore(ctx, e)
	}
	n, err := b.follow(ctx, e)
	if errors.Is(err, errAhead) {
		b.cfg.Logger.WarnContext(ctx, "state is ahead of the log, replaying events", attrStream(e.stream), attrError(err))
		b.discard(ctx, e)
		e.forget()
		n, err = b.follow(ctx, e)
	}
	if err != nil {
		e.forget()
		return fmt.Errorf("load stream %s: %w", e.stream, err)
	}
	e.loaded = true
	e.round = max(e.round, e.behind.Load()) + 1
	b.metrics.loaded.Add(float64(n))
	b.saver.consider(e)
	return nil
}

// errAhead says that a state holds more than the log: the log was put back to an earlier state.
var errAhead = errors.New("log does not hold the version")

// follow folds what the log holds beyond the state, and returns how many events that was. It reads the last event that is
// in the state once more: without it nobody would notice that the log ends earlier, and no command would ever be taken.
func (b *Bus) follow(ctx context.Context, e *entry) (n int, err error) {
	known := e.version
	there := known == 0
	for ev, err := range b.log.ReadStream(ctx, e.stream, max(known, 1)) {
		if err != nil {
			return n, err
		}
		if !there && ev.Version == known {
			there = true
			continue
		}
		if ev.Version != e.version+1 {
			return n, fmt.Errorf("version %d follows version %d: the log is damaged", ev.Version, e.version)
		}
		if err := e.state.fold(&ev); err != nil {
			return n, err
		}
		e.version = ev.Version
		e.grow(len(ev.Data))
		n++
	}
	if !there {
		return n, fmt.Errorf("%w %d", errAhead, known)
	}
	return n, nil
}

// discard makes the snapshot of a stream unreadable if it is ahead of the log, too. Passing over it is not enough: as soon
// as the stream has caught up, it would pass for the state of events that it has never seen. The next snapshot
// that is newer takes the place of what is left here.
func (b *Bus) discard(ctx context.Context, e *entry) {
	if e.loaded || b.cfg.Snapshots == nil { // what was loaded before is not the word of a snapshot
		return
	}
	void := eventstore.Snapshot{Stream: e.stream, Version: e.version + 1, Schema: noSchema, Data: []byte{}}
	if err := b.cfg.Snapshots.SaveSnapshot(ctx, void); err != nil {
		b.cfg.Logger.WarnContext(ctx, "snapshot ahead of the log not discarded", attrStream(e.stream), attrError(err))
	}
}

// noSchema is the schema of no snapshot: whoever finds it replays the events.
const noSchema = -1

// restore begins with the snapshot of the stream, if there is one that can be read. Orders are short: looking for
// a snapshot would cost every load of one a question whose answer is no.
func (b *Bus) restore(ctx context.Context, e *entry) {
	if b.cfg.Snapshots == nil {
		return
	}
	if _, ok := order.ParseStream(e.stream); ok {
		return
	}
	s, ok := b.readSnapshot(ctx, e.stream, e.state)
	if !ok {
		return
	}
	e.version = s.Version
	e.snapshotLen.Store(int64(len(s.Data)))
	e.weight.Add(int64(len(s.Data)))
}

// readSnapshot restores a from the snapshot of a stream. Without one that can be read, a is as before.
func (b *Bus) readSnapshot(ctx context.Context, stream string, a aggregate) (s eventstore.Snapshot, ok bool) {
	s, ok, err := b.cfg.Snapshots.LoadSnapshot(ctx, stream)
	if err == nil && ok {
		err = a.restore(s.Schema, s.Data)
	}
	if err != nil {
		b.metrics.snapshotsUnreadable.Inc()
		b.cfg.Logger.WarnContext(ctx, "snapshot passed over, replaying events", attrStream(stream), attrError(err))
		return eventstore.Snapshot{}, false
	}
	return s, ok
}
