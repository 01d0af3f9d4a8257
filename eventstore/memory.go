package eventstore

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Memory is a log without a disk: the whole contract, for tests and simulation. Everything is gone with the process.
type Memory struct {
	// Now tells the time of recording; nil means the wall clock.
	Now func() time.Time

	mu        sync.Mutex
	epoch     uuid.UUID
	events    []Event
	streams   map[string][]int // indexes into events
	claims    map[string]int64
	outcomes  map[uuid.UUID]Outcome
	snapshots map[string]Snapshot
}

var (
	_ Log       = (*Memory)(nil)
	_ Snapshots = (*Memory)(nil)
)

// NewMemory returns an empty log with an epoch of its own.
func NewMemory() *Memory {
	return &Memory{
		epoch:     uuid.New(),
		streams:   map[string][]int{},
		claims:    map[string]int64{},
		outcomes:  map[uuid.UUID]Outcome{},
		snapshots: map[string]Snapshot{},
	}
}

// Append implements [Appender].
func (m *Memory) Append(ctx context.Context, c Commit) (Receipt, error) {
	p, err := m.Propose(ctx, c)
	if err != nil {
		return Receipt{}, err
	}
	return p.Wait(ctx)
}

// Propose implements [Appender]; the verdict is there when it returns.
func (m *Memory) Propose(ctx context.Context, c Commit, after ...*Proposal) (*Proposal, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("propose command %s: %w", c.CommandID, err)
	}
	p := newProposal(c)
	p.after = after
	m.mu.Lock()
	defer m.mu.Unlock()
	switch o, repeated := m.outcomes[c.CommandID]; {
	case repeated:
		p.settle(Receipt{}, &DuplicateCommandError{Outcome: o})
	case p.overtaken():
		p.settle(Receipt{}, p.dropped())
	default:
		p.settle(m.commit(&c))
	}
	return p, nil
}

func (m *Memory) commit(c *Commit) (Receipt, error) {
	for _, k := range c.Claims {
		if pos, ok := m.claims[k]; ok {
			return Receipt{}, &ClaimedError{Key: k, Position: pos}
		}
	}
	for i := range c.Streams {
		s := &c.Streams[i]
		if actual := int64(len(m.streams[s.ID])); actual != s.Expected {
			return Receipt{}, &ConflictError{Stream: s.ID, Expected: s.Expected, Actual: actual}
		}
	}
	now := m.now()
	head := int64(len(m.events))
	r := Receipt{First: head + 1, Last: head + int64(c.events()), Epoch: m.epoch}
	if c.Verdict != nil {
		r.First, r.Last = head, head
	}
	commandID := c.CommandID
	for i := range c.Streams {
		s := &c.Streams[i]
		for j, e := range s.Events {
			m.streams[s.ID] = append(m.streams[s.ID], len(m.events))
			m.events = append(m.events, Event{
				Position: int64(len(m.events)) + 1, Stream: s.ID, Version: s.Expected + int64(j) + 1,
				ID: eventID(e.ID), CommandID: commandID, Type: e.Type, Schema: e.Schema,
				Data: slices.Clone(e.Data), Meta: slices.Clone(e.Meta), RecordedAt: now,
			})
			commandID = uuid.Nil
		}
	}
	for _, k := range c.Claims {
		m.claims[k] = r.First
	}
	m.outcomes[c.CommandID] = Outcome{CommandID: c.CommandID, Fingerprint: slices.Clone(c.Fingerprint), Receipt: r, Verdict: c.Verdict, RecordedAt: now}
	return r, nil
}

// ReadStream implements [Reader].
func (m *Memory) ReadStream(ctx context.Context, stream string, from int64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		m.mu.Lock()
		places := m.streams[stream]
		events := make([]Event, 0, len(places))
		for _, i := range places[min(max(from-1, 0), int64(len(places))):] {
			events = append(events, m.events[i])
		}
		m.mu.Unlock()
		for _, e := range events {
			if err := context.Cause(ctx); err != nil {
				yield(Event{}, fmt.Errorf("read stream %s: %w", stream, err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// ReadLog implements [Reader].
func (m *Memory) ReadLog(ctx context.Context, from int64, limit int) ([]Event, error) {
	if err := validPage(from, limit); err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("read log from %d: %w", from, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	start := min(from-1, int64(len(m.events)))
	end := min(start+int64(limit), int64(len(m.events)))
	return slices.Clone(m.events[start:end]), nil
}

// Head implements [Reader].
func (m *Memory) Head(context.Context) (Head, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Head{Position: int64(len(m.events)), Epoch: m.epoch}, nil
}

// Outcome implements [Outcomes].
func (m *Memory) Outcome(_ context.Context, commandID uuid.UUID) (Outcome, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.outcomes[commandID]
	return o, ok, nil
}

// LoadSnapshot implements [Snapshots].
func (m *Memory) LoadSnapshot(_ context.Context, stream string) (Snapshot, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.snapshots[stream]
	return s, ok, nil
}

// SaveSnapshot implements [Snapshots].
func (m *Memory) SaveSnapshot(_ context.Context, s Snapshot) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old, ok := m.snapshots[s.Stream]; !ok || old.Version < s.Version {
		m.snapshots[s.Stream] = s
	}
	return nil
}

func (m *Memory) now() time.Time {
	now := time.Now
	if m.Now != nil {
		now = m.Now
	}
	return now().UTC().Truncate(time.Microsecond)
}

// eventID returns id, or a new one in its place.
func eventID(id uuid.UUID) uuid.UUID {
	if id != uuid.Nil {
		return id
	}
	return uuid.Must(uuid.NewV7())
}

func validPage(from int64, limit int) error {
	if from < 1 || limit < 1 || limit > MaxPage {
		return fmt.Errorf("read log from %d, %d events: positions start at 1, a page has 1 to %d", from, limit, MaxPage)
	}
	return nil
}
