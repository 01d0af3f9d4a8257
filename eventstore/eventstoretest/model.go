package eventstoretest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"waybill/eventstore"
)

// anySequence proposes random commits and holds every verdict, and in the end the whole log, to a model that does
// nothing but search what was accepted before.
func anySequence(t *testing.T, log eventstore.Log) {
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++ // one log serves all runs: the names of each are its own
		m := &model{t: rt, log: log, run: run, base: head(t, log)}
		var queued []*eventstore.Proposal // of all groups
		for range rapid.IntRange(1, 6).Draw(rt, "groups") {
			from := len(queued)
			for range rapid.SampledFrom([]int{1, 1, 2, 4, 8}).Draw(rt, "group") {
				c, after := m.draw(queued)
				p, err := log.Propose(t.Context(), c, after...)
				if err != nil {
					rt.Fatalf("propose: %v", err)
				}
				queued = append(queued, p)
				m.hopes = append(m.hopes, c)
				m.after = append(m.after, after)
			}
			m.settle(t, queued, from)
		}
		m.check(t)
	})
}

// model is what the log has to be: the commits that were accepted, in order.
type model struct {
	t    *rapid.T
	log  eventstore.Log
	run  int
	base eventstore.Head // before the first of them

	accepted []stored
	hopes    []eventstore.Commit      // everything that was proposed
	after    [][]*eventstore.Proposal // what it hangs on
	failed   []*eventstore.Proposal
	events   int64
}

// stored is an accepted commit and where it stands.
type stored struct {
	eventstore.Commit
	receipt eventstore.Receipt
}

func (m *model) stream(n int) string { return fmt.Sprintf("model-%d-%d", m.run, n) }

func (m *model) find(id uuid.UUID) (stored, bool) {
	i := slices.IndexFunc(m.accepted, func(s stored) bool { return s.CommandID == id })
	if i < 0 {
		return stored{}, false
	}
	return m.accepted[i], true
}

func (m *model) version(stream string) int64 {
	n := 0
	for _, s := range m.accepted {
		for _, e := range s.Streams {
			if e.ID == stream {
				n += len(e.Events)
			}
		}
	}
	return int64(n)
}

// claimed is the position at which a key was claimed; 0 if it is free.
func (m *model) claimed(key string) int64 {
	for _, s := range m.accepted {
		if slices.Contains(s.Claims, key) {
			return s.receipt.First
		}
	}
	return 0
}

// draw makes a commit, most often one that is right if all that is queued is accepted.
func (m *model) draw(queued []*eventstore.Proposal) (eventstore.Commit, []*eventstore.Proposal) {
	c := eventstore.Commit{CommandID: uuid.New(), Fingerprint: fmt.Appendf(nil, "print-%d", len(m.hopes))}
	if len(m.hopes) > 0 && rapid.IntRange(0, 5).Draw(m.t, "repeated") == 0 {
		c.CommandID = m.hopes[rapid.IntRange(0, len(m.hopes)-1).Draw(m.t, "command")].CommandID
	}
	events := 0
	for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, 3), 0, 3, rapid.ID).Draw(m.t, "streams") {
		name := m.stream(n)
		expected := m.expected(name) + rapid.SampledFrom([]int64{0, 0, 0, 0, 0, 0, 0, -1, 1, 2}).Draw(m.t, "off by")
		s := to(name, max(expected, 0), rapid.IntRange(0, 3).Draw(m.t, "events"))
		events += len(s.Events)
		c.Streams = append(c.Streams, s)
	}
	if events == 0 {
		c.Verdict = &eventstore.Verdict{Refused: rapid.Bool().Draw(m.t, "refused"), Code: fmt.Sprintf("code-%d", len(m.hopes))}
	} else if rapid.IntRange(0, 3).Draw(m.t, "claims") == 0 {
		for _, k := range rapid.SliceOfNDistinct(rapid.IntRange(0, 4), 1, 2, rapid.ID).Draw(m.t, "keys") {
			c.Claims = append(c.Claims, fmt.Sprintf("key-%d-%d", m.run, k))
		}
	}
	var after []*eventstore.Proposal
	if len(queued) > 0 && rapid.IntRange(0, 3).Draw(m.t, "hangs on others") == 0 {
		for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(queued)-1), 1, 2, rapid.ID).Draw(m.t, "after") {
			after = append(after, queued[i])
		}
	}
	return c, after
}

// expected is the version of a stream if everything that was proposed and is not settled yet is accepted.
func (m *model) expected(stream string) int64 {
	v := m.version(stream)
	for _, c := range m.hopes[len(m.accepted)+len(m.failed):] {
		for _, s := range c.Streams {
			if s.ID == stream {
				v += int64(len(s.Events))
			}
		}
	}
	return v
}

// settle holds the verdicts on a group to what they have to be.
func (m *model) settle(t *testing.T, queued []*eventstore.Proposal, from int) {
	t.Helper()
	for i := from; i < len(queued); i++ {
		r, err := queued[i].Wait(t.Context())
		if errors.Is(err, eventstore.ErrOutcomeUnknown) {
			m.t.Fatalf("proposal %d: %v", i, err)
		}
		reasons := m.reasons(m.hopes[i], m.after[i])
		switch {
		case err == nil && len(reasons) == 0:
			m.accept(i, r)
		case err == nil:
			m.t.Fatalf("proposal %d was accepted; want %v", i, reasons)
		case len(reasons) == 0 || !same(err, reasons[0]):
			m.t.Fatalf("proposal %d: %v; want the first of %v", i, err, reasons)
		default:
			m.failed = append(m.failed, queued[i])
		}
	}
}

// reasons are those for which c cannot be accepted now, in the order in which they are looked for.
func (m *model) reasons(c eventstore.Commit, after []*eventstore.Proposal) []error {
	var all []error
	if o, ok := m.find(c.CommandID); ok {
		all = append(all, &eventstore.DuplicateCommandError{Outcome: o.outcome()})
	}
	if slices.ContainsFunc(after, func(p *eventstore.Proposal) bool { return slices.Contains(m.failed, p) }) {
		all = append(all, errHangs)
	}
	for _, k := range c.Claims {
		if at := m.claimed(k); at > 0 {
			all = append(all, &eventstore.ClaimedError{Key: k, Position: at})
		}
	}
	for _, s := range c.Streams {
		if v := m.version(s.ID); v != s.Expected {
			all = append(all, &eventstore.ConflictError{Stream: s.ID, Expected: s.Expected, Actual: v})
		}
	}
	return all
}

// errHangs stands for the error of a proposal that hangs on one which did not take place.
var errHangs = fmt.Errorf("hangs on a proposal that failed: %w", eventstore.ErrConflict)

// same tells whether err is what want says.
func same(err, want error) bool {
	switch want := want.(type) { //nolint:errorlint // made by reasons, unwrapped
	case *eventstore.DuplicateCommandError:
		got, ok := errors.AsType[*eventstore.DuplicateCommandError](err)
		return ok && sameOutcome(got.Outcome, want.Outcome)
	case *eventstore.ClaimedError:
		got, ok := errors.AsType[*eventstore.ClaimedError](err)
		return ok && *got == *want
	case *eventstore.ConflictError:
		got, ok := errors.AsType[*eventstore.ConflictError](err)
		return ok && *got == *want
	default:
		_, names := errors.AsType[*eventstore.ConflictError](err)
		return !names && errors.Is(err, eventstore.ErrConflict)
	}
}

// accept adds proposal number i, whose receipt has to say where it stands.
func (m *model) accept(i int, r eventstore.Receipt) {
	s := stored{Commit: m.hopes[i]}
	n := int64(0)
	for _, e := range s.Streams {
		n += int64(len(e.Events))
	}
	at := m.base.Position + m.events
	s.receipt = eventstore.Receipt{First: at, Last: at, Epoch: m.base.Epoch}
	if n > 0 {
		s.receipt.First, s.receipt.Last = at+1, at+n
	}
	if r != s.receipt {
		m.t.Fatalf("proposal %d has receipt %+v, want %+v", i, r, s.receipt)
	}
	m.events += n
	m.accepted = append(m.accepted, s)
}

func (s stored) outcome() eventstore.Outcome {
	return eventstore.Outcome{CommandID: s.CommandID, Fingerprint: s.Fingerprint, Receipt: s.receipt, Verdict: s.Verdict}
}

// sameOutcome compares all but the time.
func sameOutcome(a, b eventstore.Outcome) bool {
	if a.CommandID != b.CommandID || a.Receipt != b.Receipt || string(a.Fingerprint) != string(b.Fingerprint) || (a.Verdict == nil) != (b.Verdict == nil) {
		return false
	}
	return a.Verdict == nil || (a.Verdict.Refused == b.Verdict.Refused && a.Verdict.Code == b.Verdict.Code)
}

// check holds the log and the outcomes to the model.
func (m *model) check(t *testing.T) {
	t.Helper()
	at := m.base.Position
	versions := map[string]int64{}
	for _, s := range m.accepted {
		command := s.CommandID
		for _, e := range s.Streams {
			for _, want := range e.Events {
				at++
				versions[e.ID]++
				page, err := m.log.ReadLog(t.Context(), at, 1)
				if err != nil || len(page) != 1 {
					m.t.Fatalf("read position %d: %d events, %v", at, len(page), err)
				}
				got := page[0]
				if got.Stream != e.ID || got.Version != versions[e.ID] || got.CommandID != command || string(got.Data) != string(want.Data) {
					m.t.Fatalf("position %d: %+v, want %s at version %d of command %s", at, got, want.Data, versions[e.ID], command)
				}
				command = uuid.Nil
			}
		}
	}
	if h := head(t, m.log); h.Position != at || h.Epoch != m.base.Epoch {
		m.t.Fatalf("head %+v, want position %d", h, at)
	}
	for n := range 4 {
		if got := readStream(t, m.log, m.stream(n), 1); int64(len(got)) != versions[m.stream(n)] {
			m.t.Fatalf("stream %d has %d events, want %d", n, len(got), versions[m.stream(n)])
		}
	}
	for i, c := range m.hopes {
		want, ok := m.find(c.CommandID)
		got, found, err := m.log.Outcome(t.Context(), c.CommandID)
		if err != nil || found != ok || (ok && !sameOutcome(got, want.outcome())) {
			m.t.Fatalf("outcome of proposal %d: %+v, %t, %v; want %+v, %t", i, got, found, err, want.outcome(), ok)
		}
	}
}
