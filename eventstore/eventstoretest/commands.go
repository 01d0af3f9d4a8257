package eventstoretest

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/google/uuid"

	"waybill/eventstore"
)

func verdicts(t *testing.T, log eventstore.Log) {
	mustAppend(t, log, commit(to("order-1", 0, 2)))
	refused := verdict("already-cancelled", to("order-1", 2, 0))
	accepted := eventstore.Commit{CommandID: uuid.New(), Verdict: &eventstore.Verdict{Key: "order-1", Type: "order.tag"}}
	for _, c := range []eventstore.Commit{refused, accepted} {
		r := mustAppend(t, log, c)
		if r.First != 2 || r.Last != 2 {
			t.Errorf("receipt %+v, want the head of the log, 2", r)
		}
		o, ok, err := log.Outcome(t.Context(), c.CommandID)
		if err != nil || !ok {
			t.Fatalf("outcome: %v, %v", ok, err)
		}
		if o.Verdict == nil || o.Receipt != r || o.CommandID != c.CommandID || !bytes.Equal(o.Fingerprint, c.Fingerprint) || o.RecordedAt.IsZero() {
			t.Errorf("outcome: %+v", o)
		}
		if v, w := o.Verdict, c.Verdict; v.Refused != w.Refused || v.Code != w.Code || v.Key != w.Key || v.Type != w.Type || !bytes.Equal(v.Data, w.Data) || !bytes.Equal(v.Meta, w.Meta) {
			t.Errorf("verdict: %+v, want %+v", v, w)
		}
	}
	wantHead(t, log, 2)
}

func duplicates(t *testing.T, log eventstore.Log) {
	c := commit(to("order-1", 0, 3), to("order-2", 0, 1))
	first := mustAppend(t, log, c)
	o, ok, err := log.Outcome(t.Context(), c.CommandID)
	if err != nil || !ok || o.Receipt != first || o.Verdict != nil {
		t.Errorf("outcome: %+v, %v, %v; want receipt %+v", o, ok, err, first)
	}
	for _, again := range []eventstore.Commit{
		c, // the very same: told before that its versions have moved on
		{CommandID: c.CommandID, Fingerprint: []byte("other"), Streams: []eventstore.StreamEvents{to("order-3", 0, 1)}},
		{CommandID: c.CommandID, Verdict: &eventstore.Verdict{Refused: true, Code: "no"}},
	} {
		_, err := log.Append(t.Context(), again)
		if o := wantDuplicate(t, err, first); string(o.Fingerprint) != "print" || o.Verdict != nil {
			t.Errorf("outcome: %+v, want the stored fingerprint and no verdict", o)
		}
	}
	v := verdict("no")
	r := mustAppend(t, log, v)
	for _, again := range []eventstore.Commit{
		v,
		{CommandID: v.CommandID, Streams: []eventstore.StreamEvents{to("order-3", 0, 1)}},
	} {
		_, err := log.Append(t.Context(), again)
		if o := wantDuplicate(t, err, r); o.Verdict == nil || o.Verdict.Code != "no" {
			t.Errorf("outcome: %+v, want the stored verdict", o)
		}
	}
	wantHead(t, log, first.Last)
}

func concurrentDuplicates(t *testing.T, log eventstore.Log) {
	const rounds, copies = 20, 16
	for range rounds {
		id := uuid.New()
		var wg sync.WaitGroup
		var mu sync.Mutex
		var won []eventstore.Receipt
		var lost []*eventstore.DuplicateCommandError
		for i := range copies {
			wg.Go(func() {
				c := commit(to("order-"+uuid.NewString(), 0, 2))
				if i%2 == 0 {
					c = verdict("no")
				}
				c.CommandID = id
				r, err := log.Append(t.Context(), c)
				mu.Lock()
				defer mu.Unlock()
				if dup, ok := errors.AsType[*eventstore.DuplicateCommandError](err); ok {
					lost = append(lost, dup)
				} else if err != nil {
					t.Errorf("append: %v", err)
				} else {
					won = append(won, r)
				}
			})
		}
		wg.Wait()
		if len(won) != 1 || len(lost) != copies-1 {
			t.Fatalf("%d of %d were accepted, %d were duplicates; want one", len(won), copies, len(lost))
		}
		for _, d := range lost {
			if d.Outcome.Receipt != won[0] {
				t.Errorf("a duplicate was told %+v, the command has %+v", d.Outcome.Receipt, won[0])
			}
		}
	}
}

func queuedDuplicates(t *testing.T, log eventstore.Log) {
	a := commit(to("order-1", 0, 2))
	b := commit(to("order-2", 0, 1))
	b.CommandID = a.CommandID
	v := verdict("no", to("order-1", 2, 0))
	w := commit(to("order-3", 0, 1))
	w.CommandID = v.CommandID
	before := mustPropose(t, log, commit(to("order-0", 0, 1)))
	pa, pb, pv, pw := mustPropose(t, log, a), mustPropose(t, log, b), mustPropose(t, log, v), mustPropose(t, log, w)
	if _, err := before.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	ra, err := pa.Wait(t.Context())
	if err != nil || ra.First != 2 || ra.Last != 3 {
		t.Fatalf("first: %+v, %v", ra, err)
	}
	_, err = pb.Wait(t.Context())
	wantDuplicate(t, err, ra)
	rv, err := pv.Wait(t.Context())
	if err != nil || rv.First != 3 || rv.Last != 3 {
		t.Fatalf("verdict: %+v, %v", rv, err)
	}
	_, err = pw.Wait(t.Context())
	if o := wantDuplicate(t, err, rv); o.Verdict == nil || o.Verdict.Code != "no" || o.RecordedAt.IsZero() {
		t.Errorf("outcome of the neighbour: %+v", o)
	}
	wantHead(t, log, 3)
}

// overtakenDuplicate repeats a stored command while a neighbour in the queue moves its stream: what it is told is its
// own outcome, not that the stream has moved.
func overtakenDuplicate(t *testing.T, log eventstore.Log) {
	c := commit(to("order-1", 0, 1))
	first := mustAppend(t, log, c)
	for v := int64(1); v < 6; v++ {
		next, err := log.Propose(t.Context(), commit(to("order-1", v, 1)))
		if err != nil {
			t.Fatal(err)
		}
		again, err := log.Propose(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		receiptOf(t, next)
		_, err = again.Wait(t.Context())
		wantDuplicate(t, err, first)
	}
}

func claims(t *testing.T, log eventstore.Log) {
	a := commit(to("order-0", 0, 1), to("order-1", 0, 2))
	a.Claims = []string{"source:web/1", "source:web/2"}
	mustAppend(t, log, commit(to("order-9", 0, 1)))
	mustAppend(t, log, a)
	b := commit(to("order-2", 0, 1))
	b.Claims = []string{"source:web/3", "source:web/2"}
	_, err := log.Append(t.Context(), b)
	got, ok := errors.AsType[*eventstore.ClaimedError](err)
	if !ok || !errors.Is(err, eventstore.ErrClaimed) || got.Key != "source:web/2" || got.Position != 2 {
		t.Fatalf("got %v, want source:web/2 to be claimed at 2", err)
	}
	b.Claims = b.Claims[:1] // the other key was not used up
	mustAppend(t, log, b)
	_, err = log.Append(t.Context(), a) // a repeat is told of its outcome, not of its own claim
	wantDuplicate(t, err, eventstore.Receipt{First: 2, Last: 4, Epoch: head(t, log).Epoch})
}

func queuedClaims(t *testing.T, log eventstore.Log) {
	before := mustPropose(t, log, commit(to("order-0", 0, 1)))
	a, b := commit(to("order-1", 0, 2)), commit(to("order-2", 0, 1))
	a.Claims, b.Claims = []string{"k"}, []string{"k"}
	pa, pb := mustPropose(t, log, a), mustPropose(t, log, b)
	for _, p := range []*eventstore.Proposal{before, pa} {
		if _, err := p.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	_, err := pb.Wait(t.Context())
	if got, ok := errors.AsType[*eventstore.ClaimedError](err); !ok || got.Key != "k" || got.Position != 2 {
		t.Fatalf("got %v, want k to be claimed at 2", err)
	}
	wantHead(t, log, 3)
}

func chains(t *testing.T, log eventstore.Log) {
	const n = 500
	var chain []*eventstore.Proposal
	for i := range int64(n) {
		chain = append(chain, mustPropose(t, log, commit(to("stock-A@B", i, 1))))
	}
	// Decided on what the last one leaves: it may be answered only when that is durable.
	refusal := mustPropose(t, log, verdict("sold-out", to("stock-A@B", n, 0)))
	stale := mustPropose(t, log, verdict("sold-out", to("stock-A@B", n-1, 0)))
	if _, err := refusal.Wait(t.Context()); err != nil {
		t.Fatalf("refusal behind the chain: %v", err)
	}
	for i, p := range chain {
		select {
		case <-p.Done():
		default:
			t.Fatalf("the refusal was answered before commit %d", i)
		}
		if r, err := p.Wait(t.Context()); err != nil || r.First != int64(i)+1 {
			t.Fatalf("commit %d: %+v, %v", i, r, err)
		}
	}
	_, err := stale.Wait(t.Context())
	wantConflict(t, err, "stock-A@B", n-1, n)
	if s := readStream(t, log, "stock-A@B", 1); len(s) != n {
		t.Errorf("%d events, want %d", len(s), n)
	}
}

func brokenChains(t *testing.T, log eventstore.Log) {
	mustAppend(t, log, commit(to("stock-A@B", 0, 2)))
	// The first one loses, and with it all that were decided on top of it. Their neighbours do not.
	lead := mustPropose(t, log, commit(to("order-1", 0, 1)))
	head := mustPropose(t, log, commit(to("stock-A@B", 1, 1)))
	second := mustPropose(t, log, commit(to("stock-A@B", 2, 1), to("order-1", 1, 1))) // as it happens, this one is right
	third := mustPropose(t, log, verdict("sold-out", to("stock-A@B", 4, 0)))
	tail := mustPropose(t, log, commit(to("order-2", 0, 1)))
	_, err := head.Wait(t.Context())
	wantConflict(t, err, "stock-A@B", 1, 2)
	for name, p := range map[string]*eventstore.Proposal{"lead": lead, "second": second, "tail": tail} {
		if _, err := p.Wait(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = third.Wait(t.Context())
	wantConflict(t, err, "stock-A@B", 4, 3)
	wantHead(t, log, 6)
}

// hangingOn has what versions alone do not show: the second commit finds the version that it expects, and yet it was
// decided on one that did not take place.
func hangingOn(t *testing.T, log eventstore.Log) {
	mustAppend(t, log, commit(to("stock-A@B", 0, 2)))
	loser := mustPropose(t, log, commit(to("stock-A@B", 1, 1)))
	second := mustPropose(t, log, commit(to("stock-A@B", 2, 1)), loser)
	verdictOnIt := mustPropose(t, log, verdict("sold-out", to("stock-A@B", 2, 0)), loser, second)
	_, err := loser.Wait(t.Context())
	wantConflict(t, err, "stock-A@B", 1, 2)
	for name, p := range map[string]*eventstore.Proposal{"second": second, "verdict": verdictOnIt} {
		if _, err := p.Wait(t.Context()); !errors.Is(err, eventstore.ErrConflict) {
			t.Errorf("%s: %v, want a conflict", name, err)
		}
	}
	// Long after, too.
	late := mustPropose(t, log, commit(to("stock-A@B", 2, 1)), loser)
	if _, err := late.Wait(t.Context()); !errors.Is(err, eventstore.ErrConflict) {
		t.Errorf("late: %v, want a conflict", err)
	}
	won := commit(to("stock-A@B", 2, 1))
	winner := mustPropose(t, log, won)
	third := mustPropose(t, log, commit(to("stock-A@B", 3, 1)), winner)
	for name, p := range map[string]*eventstore.Proposal{"winner": winner, "third": third} {
		if _, err := p.Wait(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What has an outcome keeps it, whatever it is said to hang on the next time.
	again := mustPropose(t, log, won, loser)
	_, err = again.Wait(t.Context())
	wantDuplicate(t, err, receiptOf(t, winner))
	wantHead(t, log, 4)
}

func receiptOf(t *testing.T, p *eventstore.Proposal) eventstore.Receipt {
	t.Helper()
	r, err := p.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func cancellation(t *testing.T, log eventstore.Log) {
	gone, leave := context.WithCancel(t.Context())
	var all []*eventstore.Proposal
	for i := range int64(200) {
		p, err := log.Propose(gone, commit(to("order-1", i, 1)))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	leave()
	for i, p := range all {
		if _, err := p.Wait(gone); err != nil && (!errors.Is(err, eventstore.ErrOutcomeUnknown) || !errors.Is(err, context.Canceled)) {
			t.Errorf("wait with an ended context: %v", err)
		}
		r, err := p.Wait(t.Context())
		if err != nil || r.First != int64(i)+1 {
			t.Fatalf("commit %d: %+v, %v: it must be carried out all the same", i, r, err)
		}
		o, ok, err := log.Outcome(t.Context(), p.Commit.CommandID)
		if err != nil || !ok || o.Receipt != r {
			t.Errorf("outcome: %+v, %v, %v", o, ok, err)
		}
		_, err = log.Append(t.Context(), p.Commit)
		wantDuplicate(t, err, r)
	}
	wantHead(t, log, 200)
	if _, err := log.Propose(gone, commit(to("order-2", 0, 1))); !errors.Is(err, context.Canceled) {
		t.Errorf("propose with an ended context: %v", err)
	}
	wantHead(t, log, 200)
}

func head(t *testing.T, log eventstore.Log) eventstore.Head {
	t.Helper()
	h, err := log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return h
}
