package eventstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Proposal is a queued commit whose verdict is still to come.
type Proposal struct {
	Commit  Commit
	done    chan struct{}
	receipt Receipt
	err     error
	after   []*Proposal // it takes place only if these did; let go of when it is settled
}

// newProposal queues nothing: it is what an implementation hands out and settles later.
func newProposal(c Commit) *Proposal {
	return &Proposal{Commit: c, done: make(chan struct{})}
}

// settle answers the proposal. An implementation calls it once.
func (p *Proposal) settle(r Receipt, err error) {
	p.receipt, p.err, p.after = r, err, nil
	close(p.done)
}

// failed tells whether the verdict is there and is a no.
func (p *Proposal) failed() bool {
	select {
	case <-p.done:
		return p.err != nil
	default:
		return false
	}
}

// dropped is the error of a proposal that hung on one which did not take place.
func (p *Proposal) dropped() error {
	return fmt.Errorf("command %s was decided on another one that did not take place: %w", p.Commit.CommandID, ErrConflict)
}

// overtaken tells whether one of those that p hangs on has failed.
func (p *Proposal) overtaken() bool { return slices.ContainsFunc(p.after, (*Proposal).failed) }

// Done is closed when the verdict is there.
func (p *Proposal) Done() <-chan struct{} { return p.done }

// Wait returns the verdict. If ctx ends first, the error matches [ErrOutcomeUnknown] and the cause of ctx: the
// commit is still carried out, and Wait may be called again.
func (p *Proposal) Wait(ctx context.Context) (Receipt, error) {
	select {
	case <-p.done:
		return p.receipt, p.err
	default:
	}
	select {
	case <-p.done:
		return p.receipt, p.err
	case <-ctx.Done():
		return Receipt{}, fmt.Errorf("wait for command %s: %w: %w", p.Commit.CommandID, ErrOutcomeUnknown, context.Cause(ctx))
	}
}

// events counts the events that c adds.
func (c *Commit) events() int {
	n := 0
	for i := range c.Streams {
		n += len(c.Streams[i].Events)
	}
	return n
}

// bytes estimates what c takes in memory and on the wire.
func (c *Commit) bytes() int {
	n := 0
	for i := range c.Streams {
		for j := range c.Streams[i].Events {
			e := &c.Streams[i].Events[j]
			n += len(e.Data) + len(e.Meta) + len(c.Streams[i].ID) + 64
		}
	}
	if c.Verdict != nil {
		n += len(c.Verdict.Data) + len(c.Verdict.Meta) + 64
	}
	return n
}

// validate checks the form of c; its errors match [ErrInvalid].
func (c *Commit) validate() error {
	if c.CommandID == uuid.Nil {
		return fmt.Errorf("%w: command id is missing", ErrInvalid)
	}
	n := c.events()
	switch {
	case n > MaxCommitEvents:
		return fmt.Errorf("%w: %d events, at most %d fit one commit", ErrInvalid, n, MaxCommitEvents)
	case n == 0 && c.Verdict == nil:
		return fmt.Errorf("%w: neither events nor a verdict", ErrInvalid)
	case n > 0 && c.Verdict != nil:
		return fmt.Errorf("%w: both events and a verdict", ErrInvalid)
	case n == 0 && len(c.Claims) > 0:
		return fmt.Errorf("%w: claims without events", ErrInvalid)
	case c.bytes() > MaxCommitBytes:
		return fmt.Errorf("%w: %d bytes, at most %d fit one commit", ErrInvalid, c.bytes(), MaxCommitBytes)
	}
	if err := c.Verdict.validate(); err != nil {
		return err
	}
	for i := range c.Streams {
		if err := c.Streams[i].validate(); err != nil {
			return err
		}
		for j := range i {
			if c.Streams[j].ID == c.Streams[i].ID {
				return fmt.Errorf("%w: stream %s is named twice", ErrInvalid, c.Streams[i].ID)
			}
		}
	}
	for i, k := range c.Claims {
		if err := validText(k); err != nil {
			return fmt.Errorf("%w: claim %q: %w", ErrInvalid, k, err)
		}
		if slices.Contains(c.Claims[:i], k) {
			return fmt.Errorf("%w: claim %q is named twice", ErrInvalid, k)
		}
	}
	return nil
}

func (v *Verdict) validate() error {
	if v == nil {
		return nil
	}
	for _, s := range []string{v.Code, v.Key, v.Type} {
		if s == "" {
			continue
		}
		if err := validText(s); err != nil {
			return fmt.Errorf("%w: verdict: %q: %w", ErrInvalid, s, err)
		}
	}
	if n := len(v.Data) + len(v.Meta); n > MaxEventBytes {
		return fmt.Errorf("%w: verdict has %d bytes, at most %d", ErrInvalid, n, MaxEventBytes)
	}
	return nil
}

func (s *StreamEvents) validate() error {
	if err := validText(s.ID); err != nil {
		return fmt.Errorf("%w: stream %q: %w", ErrInvalid, s.ID, err)
	}
	if s.Expected < 0 {
		return fmt.Errorf("%w: stream %s: expected version %d is negative", ErrInvalid, s.ID, s.Expected)
	}
	for i := range s.Events {
		e := &s.Events[i]
		if e.Type == "" || e.Schema < 1 {
			return fmt.Errorf("%w: stream %s: event %d has no type or schema", ErrInvalid, s.ID, i)
		}
		if err := validText(e.Type); err != nil {
			return fmt.Errorf("%w: stream %s: type of event %d: %w", ErrInvalid, s.ID, i, err)
		}
		if len(e.Data)+len(e.Meta) > MaxEventBytes {
			return fmt.Errorf("%w: stream %s: event %d (%s) has %d bytes, at most %d", ErrInvalid, s.ID, i, e.Type, len(e.Data)+len(e.Meta), MaxEventBytes)
		}
	}
	return nil
}

// validText refuses what Postgres cannot store as a key.
func validText(s string) error {
	switch {
	case s == "":
		return errors.New("is empty")
	case len(s) > MaxStreamName:
		return fmt.Errorf("has %d bytes, at most %d", len(s), MaxStreamName)
	case !utf8.ValidString(s) || strings.ContainsRune(s, 0):
		return errors.New("is not valid text")
	}
	return nil
}
