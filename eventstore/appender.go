package eventstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"waybill/internal/failpoint"
)

// Append implements [Appender].
func (s *Postgres) Append(ctx context.Context, c Commit) (Receipt, error) {
	p, err := s.Propose(ctx, c)
	if err != nil {
		return Receipt{}, err
	}
	return p.Wait(ctx)
}

// Propose implements [Appender]. What c refers to must not be changed before the verdict is there. [Postgres.Run]
// carries proposals out: those made before it runs wait for it, and after it has been told to end they get
// [ErrClosed].
func (s *Postgres) Propose(ctx context.Context, c Commit, after ...*Proposal) (*Proposal, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("propose command %s: %w", c.CommandID, err)
	}
	p := newProposal(c)
	p.after = after
	if err := s.queue.put(ctx, p); err != nil {
		return nil, fmt.Errorf("propose command %s: %w", c.CommandID, err)
	}
	return p, nil
}

// Run appends what is proposed, batch after batch, until ctx ends; then it refuses new proposals, carries out what
// is queued within [PostgresConfig.DrainTimeout], and returns nil. It returns a [FencedError] as soon as the log has
// another epoch. It runs once.
func (s *Postgres) Run(ctx context.Context) error {
	if !s.running.CompareAndSwap(false, true) {
		return errors.New("run the log: it runs, or has run, already")
	}
	work, giveUp := context.WithCancelCause(context.WithoutCancel(ctx))
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-done:
			return
		case <-ctx.Done():
		}
		s.queue.close(ErrClosed)
		limit := time.NewTimer(s.cfg.DrainTimeout)
		defer limit.Stop()
		select {
		case <-done:
		case <-limit.C:
			giveUp(errors.New("time to drain the queue is over"))
		}
	})
	defer func() {
		close(done)
		wg.Wait()
		giveUp(nil)
	}()
	for {
		b := s.queue.take()
		if b == nil {
			return nil
		}
		started := time.Now() //nolint:forbidigo // measures a duration
		err := s.carryOut(work, b, false)
		took := time.Since(started)
		s.metrics.duration.Observe(took.Seconds())
		if fenced, ok := errors.AsType[*FencedError](err); ok {
			s.queue.close(fenced)
			for b := s.queue.take(); b != nil; b = s.queue.take() {
				b.fail(fenced)
			}
			return fenced
		}
		answered := b.weight
		s.queue.giveBack(b)
		idle, total := patience(took)
		s.queue.gather(answered, idle, total)
	}
}

// carryOut settles every proposal of b. It returns an error only if no later batch can do better.
// unknown says that an earlier attempt may have been committed.
func (s *Postgres) carryOut(ctx context.Context, b *batch, unknown bool) error {
	// What was encoded while the batch before was under way does not know yet which of that have failed.
	slow := unknown || b.hasty || slices.ContainsFunc(b.items, func(it item) bool { return it.p.overtaken() })
	t := &try{store: s, batch: b, limit: time.NewTimer(s.cfg.RetryFor), slow: slow, unknown: unknown}
	defer t.limit.Stop()
	for {
		c, err := t.attempt(ctx)
		if err == nil {
			s.settle(t.batch, c)
			return nil
		}
		switch classify(err) {
		case failLost:
			if t.slow {
				return s.failOne(ctx, t, err) // what was decided under the lock cannot be overtaken
			}
			t.slow = true
			s.metrics.slow.Inc()
			continue
		case failPermanent:
			return s.failOne(ctx, t, err)
		case failUnknown:
			t.slow, t.unknown = true, true
			s.metrics.unknown.Inc()
		case failRetry:
		}
		s.log.WarnContext(ctx, "append is tried again", slog.Any("error", err), slog.Bool("outcome_unknown", t.unknown), slog.Int("proposals", len(b.items)))
		if !t.pause(ctx) {
			b.fail(t.gaveUp(err))
			return nil
		}
	}
}

// try is a batch on its way into the log.
type try struct {
	store   *Postgres
	batch   *batch // the one to settle
	limit   *time.Timer
	wait    time.Duration
	slow    bool // under the lock
	unknown bool // an attempt may have been committed
}

// attempt makes one attempt on a connection of its own. A connection that met an error is not used again.
func (t *try) attempt(ctx context.Context) (committed, error) {
	ctx, cancel := context.WithTimeout(ctx, t.store.cfg.AttemptTimeout)
	defer cancel()
	conn, err := t.store.writer.Acquire(ctx)
	if err != nil {
		return committed{}, &notSentError{err}
	}
	defer conn.Release()
	takeSyncCancelled(conn.Conn())
	if err := failpoint.Hit(ctx, failpoint.LogBeforeCommit); err != nil {
		return committed{}, err
	}
	var c committed
	if t.slow {
		decided := newBatch()
		c, err = commitSlow(ctx, conn.Conn(), t.batch, decided, t.store.epoch, t.unknown)
		if len(decided.items) > 0 { // it came as far as deciding: the next attempt has to know what this one may have done
			t.batch = decided
		}
	} else {
		c, err = commitFast(ctx, conn.Conn(), t.batch, t.store.epoch)
	}
	if err == nil && takeSyncCancelled(conn.Conn()) {
		err = errUnreplicated
	}
	if err == nil {
		err = failpoint.Hit(ctx, failpoint.LogAfterCommit)
	}
	if err != nil && classify(err) != failLost {
		t.drop(ctx, conn.Conn(), err)
	}
	return c, err
}

// drop closes a connection. If a statement may still be under way on it, the server is asked to cancel that: an
// attempt that nobody waits for any more must not come through after its proposals were answered otherwise. That it
// cannot is also seen to by the lock and the checks of the append itself, except for one that expects a version which
// its stream has yet to reach.
func (t *try) drop(ctx context.Context, conn *pgx.Conn, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if classify(err) == failUnknown && !errors.Is(err, errUnreplicated) {
		_ = conn.PgConn().CancelRequest(ctx) // may find the server away, which will do as well
	}
	_ = conn.Close(ctx)
}

// pause waits before the next attempt, twice as long each time; false if there is to be none.
func (t *try) pause(ctx context.Context) bool {
	const least, most = 5 * time.Millisecond, time.Second
	t.wait = min(max(2*t.wait, least), most)
	next := time.NewTimer(t.wait/2 + rand.N(t.wait/2))
	defer next.Stop()
	select {
	case <-next.C:
		return true
	case <-t.limit.C:
		return false
	case <-ctx.Done():
		return false
	}
}

func (t *try) gaveUp(err error) error {
	if t.unknown {
		return fmt.Errorf("append: %w: %w", ErrOutcomeUnknown, err)
	}
	return fmt.Errorf("append: nothing was committed: %w", err)
}

// failOne answers a proposal that the database refuses for a reason of its own. In company, each is tried alone, so
// that one bad proposal does not take its neighbours along.
func (s *Postgres) failOne(ctx context.Context, t *try, err error) error {
	if fenced, ok := errors.AsType[*FencedError](err); ok {
		if t.unknown {
			t.batch.fail(fmt.Errorf("append: %w: %w", ErrOutcomeUnknown, fenced))
		} else {
			t.batch.fail(fenced)
		}
		return fenced
	}
	if len(t.batch.items) == 1 {
		s.log.ErrorContext(ctx, "append is refused by the database", slog.Any("error", err), slog.String("command", t.batch.items[0].p.Commit.CommandID.String()))
		t.batch.fail(t.gaveUp(err))
		return nil
	}
	var fatal error
	for i := range t.batch.items {
		it := &t.batch.items[i]
		if fatal != nil {
			it.p.settle(Receipt{}, fatal)
			continue
		}
		alone := newBatch()
		alone.add(it.p, it.firstID)
		fatal = s.carryOut(ctx, alone, t.unknown)
	}
	return fatal
}

// settle answers a batch that is durable, and says how far the log reaches now.
func (s *Postgres) settle(b *batch, c committed) {
	s.metrics.committed(b, c)
	s.advance(c.base + b.events)
	b.settle(c.base, c.recordedAt, s.epoch)
}

// notSentError is an error before anything was sent: nothing was committed by this attempt.
type notSentError struct{ err error }

func (e *notSentError) Error() string { return "connect: " + e.err.Error() }
func (e *notSentError) Unwrap() error { return e.err }

// signal tells how far the log is known to reach.
type signal struct {
	mu       sync.Mutex
	position int64
	changed  chan struct{} // nil if nobody waits
}

func (s *Postgres) advance(position int64) {
	s.signal.mu.Lock()
	defer s.signal.mu.Unlock()
	if position <= s.signal.position {
		return
	}
	s.signal.position = position
	if s.signal.changed != nil {
		close(s.signal.changed)
		s.signal.changed = nil
	}
}

// Appended returns the last position that this process has seen committed, and a channel that is closed when it has
// seen a later one. It is the wake-up of readers in the same process; what other processes append it does not tell.
func (s *Postgres) Appended() (position int64, later <-chan struct{}) {
	s.signal.mu.Lock()
	defer s.signal.mu.Unlock()
	if s.signal.changed == nil {
		s.signal.changed = make(chan struct{})
	}
	return s.signal.position, s.signal.changed
}

// Epoch is the epoch that the log had when it was opened.
func (s *Postgres) Epoch() uuid.UUID { return s.epoch }
