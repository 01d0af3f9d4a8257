package eventstore_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"waybill/eventstore"
	"waybill/internal/devstack/devtest"
)

func TestOneBadProposalTakesNoNeighbourAlong(t *testing.T) {
	t.Parallel()
	dsn := devtest.Database(t)
	exec(t, dsn, `CREATE FUNCTION picky() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not this one'; END $$`,
		`CREATE TRIGGER picky BEFORE INSERT ON waybill.events FOR EACH ROW WHEN (NEW.stream = 'bad') EXECUTE FUNCTION picky()`)
	s, err := eventstore.OpenPostgres(t.Context(), eventstore.PostgresConfig{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var all []*eventstore.Proposal
	for _, c := range []eventstore.Commit{single("order-1", 0), single("bad", 0), single("order-1", 1), single("bad", 1)} {
		p, err := s.Propose(t.Context(), c) // all in one batch: nobody carries it out yet
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	run(t, s)
	for i, p := range all {
		_, err := p.Wait(t.Context())
		switch {
		case i == 0 || i == 2:
			if err != nil {
				t.Errorf("neighbour %d: %v", i, err)
			}
		case i == 1 && (err == nil || errors.Is(err, eventstore.ErrOutcomeUnknown)):
			t.Errorf("the bad one: %v, want the refusal of the database", err)
		case i == 3 && !errors.Is(err, eventstore.ErrConflict):
			t.Errorf("the one on top of the bad one: %v, want a conflict", err)
		}
	}
}

func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	s, err := eventstore.OpenPostgres(t.Context(), eventstore.PostgresConfig{DSN: devtest.Database(t), QueueEvents: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var all []*eventstore.Proposal
	for i := range int64(3) {
		p, err := s.Propose(t.Context(), single("order-1", i))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.Propose(ctx, single("order-1", 3)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the queue is full: got %v, want the end of the context", err)
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := s.Append(t.Context(), single("order-2", 0))
		waiting <- err
	}()
	run(t, s)
	if err := <-waiting; err != nil {
		t.Errorf("the one that waited for room: %v", err)
	}
	for _, p := range all {
		if _, err := p.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestClosedLog(t *testing.T) {
	t.Parallel()
	s, err := eventstore.OpenPostgres(t.Context(), eventstore.PostgresConfig{DSN: devtest.Database(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var all []*eventstore.Proposal
	for i := range int64(5000) { // several batches
		p, err := s.Propose(t.Context(), single("order-1", i))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ended); err != nil { // is told to end before it begins: carries out what is queued all the same
		t.Fatal(err)
	}
	for i, p := range all {
		if r, err := p.Wait(t.Context()); err != nil || r.First != int64(i)+1 {
			t.Fatalf("queued commit %d: %+v, %v", i, r, err)
		}
	}
	if _, err := s.Append(t.Context(), single("order-2", 0)); !errors.Is(err, eventstore.ErrClosed) {
		t.Errorf("after the end: %v, want ErrClosed", err)
	}
	if err := s.Run(t.Context()); err == nil {
		t.Error("it ran twice")
	}
	if page, err := s.ReadLog(t.Context(), 1, 10); err != nil || len(page) != 10 {
		t.Errorf("reading goes on: %d events, %v", len(page), err)
	}
}

func TestEpochFence(t *testing.T) {
	t.Parallel()
	dsn := devtest.Database(t)
	s, err := eventstore.OpenPostgres(t.Context(), eventstore.PostgresConfig{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(t.Context()) }()
	if _, err := s.Append(t.Context(), single("order-1", 0)); err != nil {
		t.Fatal(err)
	}
	h, err := eventstore.NewEpoch(t.Context(), dsn)
	if err != nil || h.Position != 1 || h.Epoch == s.Epoch() {
		t.Fatalf("new epoch: %+v, %v", h, err)
	}
	_, err = s.Append(t.Context(), single("order-1", 1))
	if fenced, ok := errors.AsType[*eventstore.FencedError](err); !ok || fenced.Actual != h.Epoch || fenced.Expected != s.Epoch() {
		t.Errorf("append: %v, want FencedError", err)
	}
	if err := <-ended; !errors.Is(err, eventstore.ErrFenced) {
		t.Errorf("run: %v, want ErrFenced", err)
	}
	if _, err = s.Append(t.Context(), single("order-1", 1)); !errors.Is(err, eventstore.ErrFenced) {
		t.Errorf("later append: %v, want ErrFenced", err)
	}
	again := openLog(t, dsn)
	if r, err := again.Append(t.Context(), single("order-1", 1)); err != nil || r.First != 2 || r.Epoch != h.Epoch {
		t.Errorf("the next process: %+v, %v", r, err)
	}
}

func TestAppendedWakesReaders(t *testing.T) {
	t.Parallel()
	s := openLog(t, devtest.Database(t))
	var readers sync.WaitGroup
	const n = 200
	for range 4 {
		readers.Go(func() {
			seen := int64(0)
			for seen < n {
				position, later := s.Appended()
				if position < seen {
					t.Errorf("went back from %d to %d", seen, position)
				}
				if position > seen {
					if page, err := s.ReadLog(t.Context(), position, 1); err != nil || len(page) != 1 {
						t.Errorf("position %d was announced and is not there: %v", position, err)
					}
				}
				if seen = position; seen < n {
					<-later
				}
			}
		})
	}
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := range int64(n / 4) {
				if _, err := s.Append(t.Context(), single("order-"+strconv.Itoa(w), i)); err != nil {
					t.Error(err)
				}
				if rand.N(2) == 0 {
					s.Appended()
				}
			}
		})
	}
	writers.Wait()
	readers.Wait()
}
