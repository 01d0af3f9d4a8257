package commands

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"waybill/domain"
	"waybill/eventstore"
	"waybill/internal/failpoint"
)

// attempt decides the command once and waits for what the log says of the decision.
func (b *Bus) attempt(ctx context.Context, p *plan) (Result, error) {
	b.pin(p)
	defer b.unpin(p)
	d, err := b.decideAndPropose(ctx, p)
	if err != nil {
		return Result{}, err
	}
	if d.refused != nil && failpoint.On(failpoint.BugVerdictBeforeCommit) {
		return Result{}, d.refused
	}
	receipt, err := d.proposal.Wait(ctx)
	if err != nil {
		return b.lost(ctx, p, err)
	}
	for i := range p.parts {
		p.parts[i].entry.prune(ctx)
	}
	if d.refused != nil {
		d.refused.Position = receipt.Last
		return Result{}, d.refused
	}
	return d.result(p, receipt), nil
}

// decision is what an attempt came to, and the proposal that makes it true.
type decision struct {
	commit   eventstore.Commit
	after    []*eventstore.Proposal
	refused  *Refused
	proposal *eventstore.Proposal
}

// decideAndPropose does all that happens under the locks of the streams. It does not wait for a commit, but it may wait
// while the log's queue is full: whoever wants the same streams then waits here and not in the queue, and
// since the log needs none of these locks, the queue drains whatever we hold.
func (b *Bus) decideAndPropose(ctx context.Context, p *plan) (*decision, error) {
	if err := b.lockCurrent(ctx, p); err != nil {
		return nil, err
	}
	defer p.release()
	if err := failpoint.Hit(ctx, failpoint.CommandAfterLoad); err != nil {
		return nil, err
	}
	d, err := b.decide(p)
	if err != nil {
		return nil, err
	}
	if err := failpoint.Hit(ctx, failpoint.CommandBeforeInsert); err != nil {
		return nil, err
	}
	d.proposal, err = b.log.Propose(ctx, d.commit, d.after...)
	if errors.Is(err, eventstore.ErrInvalid) { // such as more bytes than fit one commit
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err != nil {
		return nil, err
	}
	for i := range p.parts {
		if pt := &p.parts[i]; len(pt.changes) > 0 && d.refused == nil {
			pt.entry.advance(d.proposal, pt.changes)
			b.saver.consider(pt.entry)
		}
	}
	return d, nil
}

func (b *Bus) pin(p *plan) {
	for i := range p.parts {
		pt := &p.parts[i]
		pt.entry = b.cache.pin(pt.stream, &b.kinds, pt.order != "")
	}
}

func (b *Bus) unpin(p *plan) {
	for i := range p.parts {
		b.cache.unpin(p.parts[i].entry)
	}
}

func (p *plan) acquire(ctx context.Context) error {
	for n, i := range p.locks {
		if err := p.parts[i].entry.acquire(ctx); err != nil {
			for _, held := range p.locks[:n] {
				p.parts[held].entry.release()
			}
			return err
		}
	}
	return nil
}

func (p *plan) release() {
	for i := range p.parts {
		p.parts[i].entry.release()
	}
}

// lockCurrent returns with all streams of p locked, their states up to date as far as this process knows, and the
// version that the command expects. On an error nothing is locked.
func (b *Bus) lockCurrent(ctx context.Context, p *plan) error {
	for {
		if err := p.acquire(ctx); err != nil {
			return err
		}
		wait, err := b.bringCurrent(ctx, p)
		if err == nil && wait == nil {
			for i := range p.parts {
				pt := &p.parts[i]
				pt.round, pt.version, pt.read, pt.changes, pt.work = pt.entry.round, pt.entry.version, false, nil, nil
			}
			return nil
		}
		p.release()
		if err != nil {
			return err
		}
		if err := wait(ctx); err != nil {
			return err
		}
	}
}

// bringCurrent loads what is not current. What would take long while other streams are locked, too, is not done but
// returned, to be done without the locks.
func (b *Bus) bringCurrent(ctx context.Context, p *plan) (wait func(context.Context) error, err error) {
	for _, i := range p.locks {
		e := p.parts[i].entry
		e.settle(ctx)
		if len(e.pending) > 0 && e.stale() {
			return settled(e.last()), nil
		}
		if !e.stale() || b.takenAsNew(p, i) {
			continue
		}
		if len(p.parts) > 1 {
			return func(ctx context.Context) error { return b.loadEach(ctx, p) }, nil
		}
		if err := b.load(ctx, e); err != nil {
			return nil, err
		}
	}
	if p.cmd.Expected != nil {
		return b.checkExpected(ctx, p)
	}
	return nil, nil
}

// takenAsNew tells whether a part may be decided without looking whether its stream exists.
func (b *Bus) takenAsNew(p *plan, i int) bool {
	e := p.parts[i].entry
	if e.loaded || e.behind.Load() >= e.round || p.cmd.Expected != nil {
		return false
	}
	return p.place >= 0 && p.of[p.place] == i && p.steps[p.place].creates()
}

// settled waits for the verdict of a proposal, whatever it is.
func settled(pr *eventstore.Proposal) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-pr.Done():
			return nil
		case <-ctx.Done():
			return fmt.Errorf("wait for an earlier command on the same stream: %w", context.Cause(ctx))
		}
	}
}

// loadEach loads what has to be loaded of p, one after the other, while no stream is locked.
func (b *Bus) loadEach(ctx context.Context, p *plan) error {
	for _, i := range p.locks {
		if err := b.loadAlone(ctx, p, i); err != nil {
			return err
		}
	}
	return nil
}

// loadAlone loads the stream of part i while no other stream is locked.
func (b *Bus) loadAlone(ctx context.Context, p *plan, i int) error {
	e := p.parts[i].entry
	if err := e.acquire(ctx); err != nil {
		return err
	}
	defer e.release()
	e.settle(ctx)
	if len(e.pending) > 0 || !e.stale() || b.takenAsNew(p, i) {
		return nil // there is nothing to load, or somebody else did
	}
	return b.load(ctx, e)
}

// checkExpected compares the version of the first stream with the one that the command expects. A mismatch is
// answered only when it is certain: not on the word of a commit that is still under way, nor of a cache that may be older
// than what the sender has seen.
func (b *Bus) checkExpected(ctx context.Context, p *plan) (wait func(context.Context) error, err error) {
	e, want := p.parts[0].entry, *p.cmd.Expected
	if e.version == want {
		return nil, nil
	}
	if last := e.last(); last != nil {
		return settled(last), nil
	}
	if e.version < want {
		if err := b.load(ctx, e); err != nil {
			return nil, err
		}
		if e.version == want {
			return nil, nil
		}
	}
	return nil, &VersionError{Stream: e.stream, Expected: want, Actual: e.version}
}

// decide runs the steps and makes of what comes out a commit. The caller holds the locks.
func (b *Bus) decide(p *plan) (*decision, error) {
	for i := range p.steps {
		pt := &p.parts[p.of[i]]
		if !pt.read {
			pt.read, pt.work = true, pt.entry.state
			if pt.steps > 1 { // the second step sees what the first did; the cached state must not, before all is decided
				var err error
				if pt.work, err = duplicate(pt.entry.state); err != nil {
					return nil, fmt.Errorf("copy the state of %s: %w", pt.stream, err)
				}
			}
		}
		changes, err := pt.work.decide(p.steps[i])
		if err != nil {
			if refusal, ok := errors.AsType[domain.Refusal](err); ok {
				return b.refusal(p, pt, refusal)
			}
			return nil, fmt.Errorf("decide on %s: %w", pt.stream, err)
		}
		if pt.steps > 1 {
			pt.work.evolve(changes)
			pt.changes = append(pt.changes, changes...)
		} else {
			pt.changes = changes
		}
	}
	return b.acceptance(p)
}

// acceptance is the decision to do what the steps came to.
func (b *Bus) acceptance(p *plan) (*decision, error) {
	d, err := p.decision()
	if err != nil {
		return nil, err
	}
	if d.commit.Verdict == nil {
		d.commit.Claims = p.claims
	}
	return d, nil
}

// decision makes the commit of what stands in the parts. Streams without changes become guards.
func (p *plan) decision() (*decision, error) {
	d := &decision{commit: eventstore.Commit{
		CommandID: p.cmd.ID, Fingerprint: p.cmd.Fingerprint, Streams: make([]eventstore.StreamEvents, 0, len(p.parts)),
	}}
	if failpoint.On(failpoint.BugDuplicateInMemory) {
		d.commit.CommandID = uuid.New()
	}
	n := 0
	for i := range p.parts {
		pt := &p.parts[i]
		if !pt.read {
			continue
		}
		s := eventstore.StreamEvents{ID: pt.stream, Expected: pt.version}
		if len(pt.changes) > 0 {
			s.Events = make([]eventstore.NewEvent, len(pt.changes))
			for j := range pt.changes {
				c := &pt.changes[j]
				meta, err := p.meta(p.keyOf(pt, c))
				if err != nil {
					return nil, err
				}
				s.Events[j] = eventstore.NewEvent{ID: newEventID(), Type: c.typ, Schema: c.schema, Data: c.data, Meta: meta}
			}
			n += len(pt.changes)
		}
		d.commit.Streams = append(d.commit.Streams, s)
		if last := pt.entry.last(); last != nil {
			d.after = append(d.after, last)
		}
	}
	if n > 0 {
		return d, nil
	}
	var err error
	d.commit.Verdict, err = p.verdict("", storedVerdict{Unchanged: p.versions()})
	return d, err
}

// versions are the streams that were read, at the versions they were read at.
func (p *plan) versions() []StreamVersion {
	v := make([]StreamVersion, 0, len(p.parts))
	for i := range p.parts {
		if p.parts[i].read {
			v = append(v, StreamVersion{Stream: p.parts[i].stream, Version: p.parts[i].version})
		}
	}
	return v
}

// refusal is the decision not to: a verdict that stands only if everything it was read from still does.
func (b *Bus) refusal(p *plan, pt *part, cause domain.Refusal) (*decision, error) {
	r, err := newRefused(p.cmd.ID, cause)
	if err != nil {
		return nil, err
	}
	r.Stream, r.Version = pt.stream, pt.version
	r.State, r.Allowed = pt.work.describe()
	for i := range p.parts {
		p.parts[i].changes = nil
	}
	d, err := p.decision()
	if err != nil {
		return nil, err
	}
	d.refused = r
	d.commit.Verdict, err = p.verdict(r.Code, storedVerdict{Refusal: r})
	return d, err
}

// result is what the sender of an accepted command hears.
func (d *decision) result(p *plan, receipt eventstore.Receipt) Result {
	r := Result{CommandID: p.cmd.ID, Position: receipt.Last, Epoch: receipt.Epoch}
	if v := d.commit.Verdict; v != nil {
		r.Streams = p.versions()
		return r
	}
	n := 0
	for i := range d.commit.Streams {
		n += len(d.commit.Streams[i].Events)
	}
	r.Events = make([]Caused, 0, n)
	r.Streams = make([]StreamVersion, 0, len(p.parts))
	at := 0
	for i := range p.parts {
		pt := &p.parts[i]
		if !pt.read {
			continue
		}
		s := &d.commit.Streams[at]
		at++
		for j := range pt.changes {
			c := &pt.changes[j]
			e := Caused{Stream: pt.stream, Version: pt.version + int64(j) + 1, ID: s.Events[j].ID, Type: c.typ, Schema: c.schema, Event: c.event}
			if !p.cmd.DryRun {
				e.Position = receipt.First + int64(len(r.Events))
			}
			r.Events = append(r.Events, e)
		}
		if len(pt.changes) > 0 {
			r.Streams = append(r.Streams, StreamVersion{Stream: pt.stream, Version: pt.version + int64(len(pt.changes))})
		}
	}
	return r
}

// lost makes of the log's no what the sender hears, or what the next attempt has to know.
func (b *Bus) lost(ctx context.Context, p *plan, err error) (Result, error) {
	if dup, ok := errors.AsType[*eventstore.DuplicateCommandError](err); ok {
		return b.settled(ctx, p.cmd, &dup.Outcome, true)
	}
	if claimed, ok := errors.AsType[*eventstore.ClaimedError](err); ok {
		return b.claimed(ctx, p, claimed)
	}
	if conflict, ok := errors.AsType[*eventstore.ConflictError](err); ok {
		for i := range p.parts {
			if pt := &p.parts[i]; pt.stream == conflict.Stream {
				pt.entry.moved(pt.round)
			}
		}
	}
	return Result{}, err
}

// dryRun decides on states of its own, read from the log: nothing that it does can be seen by another command, and
// nothing that has not committed is seen by it.
func (b *Bus) dryRun(ctx context.Context, c *Command) (Result, error) {
	p, err := b.plan(ctx, c)
	if err != nil {
		return Result{}, err
	}
	for i := range p.parts {
		pt := &p.parts[i]
		pt.entry = newEntry(pt.stream, b.kinds.empty(pt.order != ""))
		if err := b.load(ctx, pt.entry); err != nil {
			return Result{}, fmt.Errorf("dry run of %s %s: %w", c.Type, c.ID, err)
		}
		pt.version = pt.entry.version
	}
	if want := c.Expected; want != nil && p.parts[0].version != *want {
		return Result{}, &VersionError{Stream: p.parts[0].stream, Expected: *want, Actual: p.parts[0].version}
	}
	d, err := b.decide(p)
	if err != nil {
		return Result{}, fmt.Errorf("dry run of %s %s: %w", c.Type, c.ID, err)
	}
	if d.refused != nil {
		d.refused.DryRun = true
		return Result{}, d.refused
	}
	r := d.result(p, eventstore.Receipt{})
	r.DryRun = true
	for i := range r.Events {
		r.Events[i].ID = uuid.Nil
	}
	return r, nil
}
