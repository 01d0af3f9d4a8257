package eventstore

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
)

func proposal(stream string, expected int64, events int) *Proposal {
	c := Commit{CommandID: uuid.New(), Streams: []StreamEvents{{ID: stream, Expected: expected}}}
	for range events {
		c.Streams[0].Events = append(c.Streams[0].Events, NewEvent{Type: "t", Schema: 1})
	}
	return newProposal(c)
}

// TestQueueGathersWhatWaits: what was proposed while a batch was under way goes together, up to the limits of a batch, in
// the order of proposing; a commit that is larger than a batch goes alone.
func TestQueueGathersWhatWaits(t *testing.T) {
	t.Parallel()
	q := newQueue(4, 1<<20, 100, 1<<20)
	var all []*Proposal
	for i, events := range []int{1, 2, 1, 3, 9, 1, 1} {
		p := proposal("s"+string(rune('a'+i)), 0, events)
		all = append(all, p)
		if err := q.put(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	q.close(ErrClosed)
	for _, want := range [][]int{{0, 1, 2}, {3}, {4}, {5, 6}} {
		b := q.take()
		if b == nil || len(b.items) != len(want) {
			t.Fatalf("batch %+v, want proposals %v", b, want)
		}
		for i, n := range want {
			if b.items[i].p != all[n] {
				t.Errorf("batch has another proposal where %d belongs", n)
			}
		}
		q.giveBack(b)
	}
	if b := q.take(); b != nil {
		t.Errorf("a queue that is closed and empty gives %+v", b)
	}
}

// TestGatherWaitsForAllWhoWereAnswered has four proposals wait that missed a batch of twelve: those who were in that batch
// propose again, and all sixteen go together. If they do not, nobody waits for long.
func TestGatherWaitsForAllWhoWereAnswered(t *testing.T) {
	t.Parallel()
	q := newQueue(100, 1<<20, 100, 1<<20)
	put := func(n int) {
		for range n {
			if err := q.put(t.Context(), proposal(uuid.NewString(), 0, 1)); err != nil {
				t.Error(err)
			}
		}
	}
	put(4)
	late := make(chan struct{})
	time.AfterFunc(20*time.Millisecond, func() { put(8) })
	time.AfterFunc(40*time.Millisecond, func() { put(4); close(late) })
	q.gather(12, 10*time.Second, time.Minute)
	if b := q.take(); len(b.items) != 16 {
		t.Errorf("%d go together, want 16", len(b.items))
	}
	<-late
	put(1)
	q.gather(12, time.Millisecond, time.Second)
	if b := q.take(); len(b.items) != 1 {
		t.Errorf("%d go, want the one that is there", len(b.items))
	}
}

// TestPatienceEnds: what waits after an outage does not wait for as long again, with a core that does nothing else.
func TestPatienceEnds(t *testing.T) {
	t.Parallel()
	for took, want := range map[time.Duration]time.Duration{
		0: 0, 800 * time.Microsecond: 100 * time.Microsecond, 2 * time.Millisecond: 250 * time.Microsecond, 30 * time.Second: time.Millisecond,
	} {
		if idle, total := patience(took); idle != want || total != 4*want {
			t.Errorf("after %s it waits %s for one more and %s in all, want %s and %s", took, idle, total, want, 4*want)
		}
	}
}

// TestQueueMakesProposersWait has more than fits: whoever comes then waits, without being passed over when there is room,
// leaves when its context ends, and is refused when the queue closes. Whoever takes waits for something to take.
func TestQueueMakesProposersWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(2, 1<<20, 2, 1<<20)
		taken := make(chan *batch)
		go func() { taken <- q.take() }()
		synctest.Wait()
		select {
		case b := <-taken:
			t.Fatalf("took %+v of an empty queue", b)
		default:
		}
		if err := q.put(t.Context(), proposal("a", 0, 1)); err != nil {
			t.Fatal(err)
		}
		if b := <-taken; len(b.items) != 1 {
			t.Fatalf("took %d proposals, want one", len(b.items))
		}

		for i := range int64(2) {
			if err := q.put(t.Context(), proposal("b", i, 1)); err != nil {
				t.Fatal(err)
			}
		}
		impatient, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		results := map[string]chan error{"impatient": make(chan error, 1), "patient": make(chan error, 1), "last": make(chan error, 1)}
		put := func(name string, ctx context.Context) {
			go func() { results[name] <- q.put(ctx, proposal(name, 0, 2)) }()
			synctest.Wait()
		}
		put("impatient", impatient)
		time.Sleep(time.Minute) //nolint:forbidigo // of the bubble's clock
		synctest.Wait()
		if err := <-results["impatient"]; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("impatient: %v", err)
		}
		put("patient", t.Context())
		if b := q.take(); len(b.items) != 2 {
			t.Errorf("took %d proposals, want the two that were there", len(b.items))
		}
		if err := <-results["patient"]; err != nil {
			t.Errorf("patient: %v", err)
		}
		put("last", t.Context())
		q.close(ErrClosed)
		if err := <-results["last"]; !errors.Is(err, ErrClosed) {
			t.Errorf("last: %v, want that it is closed", err)
		}
		if b := q.take(); b == nil || len(b.items) != 1 || b.items[0].p.Commit.Streams[0].ID != "patient" {
			t.Errorf("what was queued before is gone: %+v", b)
		}
	})
}

// TestPauseBetweenAttempts: pauses grow up to a second, and end with the time for trying.
func TestPauseBetweenAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		try := &try{limit: time.NewTimer(30 * time.Second)}
		var pauses []time.Duration
		for {
			before := time.Now()
			if !try.pause(t.Context()) {
				break
			}
			pauses = append(pauses, time.Since(before))
		}
		if total := time.Since(start); total != 30*time.Second {
			t.Errorf("gave up after %s, want 30 s", total)
		}
		for i, p := range pauses {
			most := min(5*time.Millisecond<<min(i, 10), time.Second)
			if p < most/2 || p > most {
				t.Errorf("pause %d took %s, want %s to %s", i, p, most/2, most)
			}
		}
		if n := len(pauses); n < 30 || n > 80 {
			t.Errorf("%d attempts in 30 seconds", n)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		again := time.NewTimer(time.Hour)
		defer again.Stop()
		if try.limit = again; try.pause(ended) {
			t.Error("there is another attempt although nobody waits for it")
		}
	})
}
