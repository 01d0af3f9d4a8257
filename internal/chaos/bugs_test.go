package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"waybill/internal/chaos"
	"waybill/internal/failpoint"
)

// scenario is what shows a bug best.
type scenario struct {
	bug     failpoint.Bug
	servers int // 0: one
	// caught are the invariants of which one has to be violated when the bug is there.
	caught []string
	// run has the cluster at work, with sown as the beginning of FAILPOINTS, and returns the load that is to be judged.
	run func(t *testing.T, a *arena, sown string) *chaos.Load
}

// mostRuns is how often a bug may get away before the harness is to blame.
const mostRuns = 3

func scenarios() []scenario {
	return []scenario{
		{failpoint.BugPublishBeforeCommit, 0, []string{"I1", "I3", "I8", "I10"}, databaseKilled},
		{failpoint.BugNoExpectedSequence, 2, []string{"I10"}, relayWakesUp},
		{failpoint.BugCheckpointOutsideTransaction, 0, []string{"I5"}, projectionKilled},
		{failpoint.BugRetryWithoutKey, 0, []string{"I1", "I4", "I8"}, intakeRetries},
		{failpoint.BugDuplicateInMemory, 0, []string{"I1", "I8"}, plainLoad},
		{failpoint.BugAckBeforeCommit, 0, []string{"I11"}, intakeKilled},
		{failpoint.BugHoleSkipped, 0, []string{"I5"}, streamBeginsLate},
		{failpoint.BugVerdictBeforeCommit, 0, []string{"I8"}, killedWhileCommitting},
		{failpoint.BugNoForkCheck, 0, []string{"I10"}, messageForged},
		{failpoint.BugSnapshotAhead, 0, []string{"I7"}, lastUnitsOrdered},
		{failpoint.BugWrittenTwice, 2, []string{"I5", "I11"}, plainLoad},
		{failpoint.BugExpiryIgnoresConfirmed, 0, []string{"I4"}, plainLoad},
	}
}

// TestBugs are the positive controls: a harness that finds nothing has to find what is there. Each bug that can be sown
// gets a scenario, which has to be clean without the bug, and to violate an invariant that fits with it.
func TestBugs(t *testing.T) {
	all := scenarios()
	for _, b := range failpoint.Bugs() {
		if !slices.ContainsFunc(all, func(s scenario) bool { return s.bug == b.Bug }) {
			t.Errorf("%s: no scenario shows it", b.Bug)
		}
	}
	turns := make(chan scenario)
	var wg sync.WaitGroup
	for range together {
		wg.Go(func() {
			for s := range turns {
				t.Run(string(s.bug), func(t *testing.T) { s.show(t) })
			}
		})
	}
	for _, s := range all {
		turns <- s
	}
	close(turns)
	wg.Wait()
}

// together is how many scenarios run at once: they wait most of the time.
const together = 4

// show runs a scenario without its bug and then with it.
func (s scenario) show(t *testing.T) {
	t.Helper()
	a := newArena(t, max(s.servers, 1))
	began := time.Now()
	for _, v := range a.judge(t, s.run(t, a, "")) {
		t.Errorf("without the bug: %s", v)
	}
	if t.Failed() {
		return
	}
	clean := time.Since(began)
	began = time.Now()
	a.Patience(5 * time.Second)
	for n := range mostRuns {
		found := a.judge(t, s.run(t, a, string(s.bug)+"=on;"))
		for _, v := range found {
			if slices.Contains(s.caught, v.Invariant) {
				t.Logf("%s: clean without it after %.1f s; caught in run %d after %.1f s by %s", s.bug, clean.Seconds(), n+1, time.Since(began).Seconds(), v)
				return
			}
		}
		t.Logf("run %d: %d violations, none that fits: %v", n+1, len(found), found)
	}
	t.Errorf("%s: nobody noticed in %d runs", s.bug, mostRuns)
}

// begin has all servers killed and started with what FAILPOINTS is to say.
func (a *arena) begin(t *testing.T, failpoints string, env ...string) {
	t.Helper()
	for _, s := range a.Servers {
		s.Kill()
	}
	if err := errors.Join(a.EndLeases(t.Context()), a.Start(t.Context(), append(env, "FAILPOINTS="+failpoints)...)); err != nil {
		t.Fatal(err)
	}
}

// load starts clients.
func (a *arena) load(t *testing.T, clients int) *chaos.Load {
	t.Helper()
	a.seed++
	load, err := chaos.StartLoad(t.Context(), a.Cluster, chaos.LoadConfig{Clients: clients, Seed: a.seed, Direct: true})
	if err != nil {
		t.Fatal(err)
	}
	return load
}

// more waits until n more commands were acknowledged.
func (a *arena) more(t *testing.T, load *chaos.Load, n int) {
	t.Helper()
	if err := load.More(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

// said waits until the first server has written text more often than before.
func (a *arena) said(t *testing.T, limit time.Duration, text string, before int) error {
	t.Helper()
	return chaos.Until(t.Context(), limit, func(context.Context) error {
		if now, err := a.Servers[0].Said(text); err != nil || now > before {
			return err
		}
		return fmt.Errorf("%s never said %q", a.Servers[0].Name, text)
	})
}

// count is how often the first server has written text.
func (a *arena) count(t *testing.T, text string) int {
	t.Helper()
	n, err := a.Servers[0].Said(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// restart waits until the first server has ended, and starts it again without faults and bugs.
func (a *arena) restart(t *testing.T) {
	t.Helper()
	limit, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := a.Servers[0].Wait(limit); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(a.EndLeases(limit), a.Servers[0].Start(limit)); err != nil {
		t.Fatal(err)
	}
}

func plainLoad(t *testing.T, a *arena, sown string) *chaos.Load {
	t.Helper()
	a.begin(t, sown)
	load := a.load(t, 4)
	a.more(t, load, 80)
	return load
}

// databaseKilled ends Postgres as a crash would, while commits go on. Postgres writes what nobody waits for as late as its
// settings allow, and nobody else makes it write: relay and processes, which wait for commits of their own, run afterwards.
func databaseKilled(t *testing.T, a *arena, sown string) *chaos.Load {
	t.Helper()
	for _, setting := range []string{"wal_writer_delay = '10s'", "wal_writer_flush_after = '1GB'", "bgwriter_lru_maxpages = 0", "autovacuum = off"} {
		if err := a.Database.Configure(t.Context(), setting); err != nil {
			t.Fatal(err)
		}
	}
	a.begin(t, sown, "WAYBILL_ROLES=api")
	load := a.load(t, 4)
	a.more(t, load, 60)
	if err := errors.Join(a.Database.Kill(), a.Database.Start(t.Context())); err != nil {
		t.Fatal(err)
	}
	a.more(t, load, 10)
	a.begin(t, sown)
	return load
}

// relayWakesUp freezes the process of a relay that has most of a page still to send, has another relay publish that in its
// place and the server forget the ids of those messages, and lets the first one go on.
func relayWakesUp(t *testing.T, a *arena, sown string) *chaos.Load {
	t.Helper()
	const held = "relay.afterPublish: sleep"
	const remembered = 2500 * time.Millisecond // the server forgets an id between one and two seconds later
	heldBefore := a.count(t, held)
	a.begin(t, "", "WAYBILL_ROLES=api")
	load := a.load(t, 4)
	a.more(t, load, 60)
	for _, s := range a.Servers {
		s.Kill()
	}
	first, second := a.Servers[0], a.Servers[1]
	if err := errors.Join(a.EndLeases(t.Context()), first.Start(t.Context(), "FAILPOINTS="+sown+"relay.afterPublish=sleep(3s)@5")); err != nil {
		t.Fatal(err)
	}
	if err := a.said(t, 20*time.Second, held, heldBefore); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(first.Freeze(), a.EndLease(t.Context(), "relay"), second.Start(t.Context())); err != nil {
		t.Fatal(err)
	}
	head, err := a.Head(t.Context())
	if err == nil {
		err = a.Streamed(t.Context(), head)
	}
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-time.After(remembered):
	case <-t.Context().Done():
	}
	if err := first.Thaw(); err != nil {
		t.Fatal(err)
	}
	a.more(t, load, 100)
	return load
}

// projectionKilled kills the process while a projection applies a batch.
func projectionKilled(t *testing.T, a *arena, sown string) *chaos.Load {
	t.Helper()
	const killed = "projection.midApply: kill"
	before := a.count(t, killed)
	a.begin(t, sown+"projection.midApply=kill@250")
	defer a.Supervise(t.Context())()
	load := a.load(t, 4)
	if err := a.said(t, 20*time.Second, killed, before); err != nil {
		t.Fatal(err)
	}
	a.more(t, load, 10)
	return load
}

// intakeRetries tells the intake that commands failed which were carried out.
func intakeRetries(t *testing.T, a *arena, sown string) *chaos.Load {
	t.Helper()
	a.begin(t, sown+"intake.afterCommit=error@2-3")
	load := a.load(t, 1)
	if err := load.Queue(t.Context(), 0, 5, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	return load
}

// intakeKilled kills the process when the queue has forgotten a command.
func intakeKilled(t *testing.T, a *arena, sown string) *chaos.Load {
	t.Helper()
	a.begin(t, sown+"intake.afterFetch=sleep(1s);intake.afterAck=kill@1")
	load := a.load(t, 1)
	queued := make(chan error, 1)
	go func() { queued <- load.Queue(t.Context(), 0, 1, 6*time.Second) }()
	a.restart(t)
	if err := <-queued; err != nil {
		t.Fatal(err)
	}
	return load
}

// streamBeginsLate has the event stream begin behind what the read models have.
func streamBeginsLate(t *testing.T, a *arena, sown string) *chaos.Load {
	t.Helper()
	if err := a.Broker.DeleteStream(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.begin(t, "", "WAYBILL_ROLES=api")
	load := a.load(t, 4)
	a.more(t, load, 60)
	head, err := a.Head(t.Context())
	if err == nil {
		err = a.Broker.MakeStream(t.Context(), head-20)
	}
	if err != nil {
		t.Fatal(err)
	}
	a.begin(t, sown)
	a.more(t, load, 20)
	return load
}

// killedWhileCommitting holds batches up before they are committed, and kills the process then.
func killedWhileCommitting(t *testing.T, a *arena, sown string) *chaos.Load {
	t.Helper()
	const held = "log.beforeCommit: sleep"
	before := a.count(t, held)
	a.begin(t, sown+"log.beforeCommit=sleep(1s)@80-1000")
	load := a.load(t, 24)
	if err := a.said(t, 20*time.Second, held, before+1); err != nil {
		t.Fatal(err)
	}
	a.Servers[0].Kill()
	a.restart(t)
	a.more(t, load, 20)
	return load
}

// messageForged publishes a message into the event stream while the relay is held up, and does what an operator would if
// the relay says that it stopped.
func messageForged(t *testing.T, a *arena, sown string) *chaos.Load {
	t.Helper()
	const held, forked = "relay.afterBarrier: sleep", "state=forked"
	heldBefore, forkedBefore := a.count(t, held), a.count(t, forked)
	a.begin(t, sown+"relay.afterBarrier=sleep(1s)@20")
	load := a.load(t, 4)
	if err := a.said(t, 20*time.Second, held, heldBefore); err != nil {
		t.Fatal(err)
	}
	a.more(t, load, 10)
	if err := a.Broker.Forge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a.said(t, 5*time.Second, forked, forkedBefore) == nil {
		if mended, err := a.MendStream(t.Context()); err != nil || !mended {
			t.Fatalf("the relay found a fork, and doctor had nothing to do: %v", err)
		}
	}
	a.more(t, load, 10)
	return load
}

// lastUnitsOrdered moves an item often enough for a snapshot, and orders one unit more than there is after a restart.
func lastUnitsOrdered(t *testing.T, a *arena, sown string) *chaos.Load {
	t.Helper()
	const received, moves = 1000, 230
	a.begin(t, sown)
	load := a.load(t, 1)
	sku := fmt.Sprintf("AIM-%d", a.seed)
	load.Aim(t.Context(), 0, "receive", sku, received)
	for n := range moves {
		load.Aim(t.Context(), 1+n, "adjust", sku, -1)
	}
	a.Servers[0].Kill()
	a.restart(t)
	load.Aim(t.Context(), 1+moves, "place", sku, received-moves+1)
	return load
}
