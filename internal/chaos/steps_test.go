package chaos_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill/internal/chaos"
	"waybill/internal/failpoint"
)

var everyStep = flag.Bool("chaos.steps", false, "TestSteps: every point with every fault, not the short form")

// step is one point with one fault.
type step struct {
	point failpoint.Point
	fault string
}

// pass is which pass of the point fails, so that it comes in the middle of things.
func (s step) pass() int {
	frequent := []failpoint.Point{failpoint.RelayAfterPublish, failpoint.RelayAfterAcks, failpoint.LogBeforeCommit, failpoint.LogAfterCommit}
	seldom := []failpoint.Point{failpoint.ProcessAfterTimers, failpoint.LogAfterRead}
	once := []failpoint.Point{failpoint.RelayAfterCursor, failpoint.ProjectionBeforeSwap, failpoint.ProjectionAfterSwap}
	switch {
	case slices.Contains(frequent, s.point):
		return 30
	case slices.Contains(seldom, s.point):
		return 2
	case slices.Contains(once, s.point): // a session, or a command
		return 1
	default:
		return 4
	}
}

// spec is what FAILPOINTS says for s. What only fails does so three times in a row.
func (s step) spec() string {
	n := s.pass()
	switch s.fault {
	case "error", "done-then-error":
		return fmt.Sprintf("%s=%s@%d-%d", s.point, s.fault, n, n+2)
	default:
		return fmt.Sprintf("%s=%s@%d", s.point, s.fault, n)
	}
}

func faults() []string { return []string{"kill", "sleep(1500ms)", "error", "done-then-error"} }

// shortSteps are the cases of the short form: the kills that are worth most, and the other faults once each.
func shortSteps() []step {
	return []step{
		{failpoint.LogBeforeCommit, "kill"},
		{failpoint.LogAfterCommit, "kill"},
		{failpoint.LogAfterCommit, "done-then-error"},
		{failpoint.CommandBeforeInsert, "error"},
		{failpoint.IntakeAfterCommit, "kill"},
		{failpoint.RelayAfterPublish, "kill"},
		{failpoint.RelayAfterAcks, "done-then-error"},
		{failpoint.ProjectionMidApply, "kill"},
		{failpoint.ProjectionAfterCommit, "kill"},
		{failpoint.ProjectionBeforeSwap, "kill"},
		{failpoint.ProcessAfterCommand, "kill"},
		{failpoint.ProcessBeforeState, "sleep(1500ms)"},
	}
}

// TestSteps (L1) makes the engine fail at one named moment after the other, under load, with real servers; lets it be
// started again and come to rest; and wants nothing to be wrong. With -chaos.steps it takes every moment with every
// fault. Some cases share a cluster, whose log grows from case to case.
func TestSteps(t *testing.T) {
	cases := shortSteps()
	if *everyStep {
		cases = nil
		for _, p := range failpoint.Points() {
			for _, f := range faults() {
				cases = append(cases, step{p.Point, f})
			}
		}
	}
	for n, some := range shares(cases) {
		part, _, _ := strings.Cut(string(some[0].point), ".")
		t.Run(fmt.Sprintf("%s-%d", part, n+1), func(t *testing.T) {
			t.Parallel()
			a := newArena(t, 1)
			for _, s := range some {
				t.Run(s.spec(), func(t *testing.T) { a.take(t, s) })
			}
		})
	}
}

// shares cuts the cases into those that share a cluster: of one part of the engine in the long form, and so few that what
// the cluster was ever asked can be asked again after each.
func shares(cases []step) [][]step {
	const most = 8
	if !*everyStep {
		return slices.Collect(slices.Chunk(cases, (len(cases)+1)/2)) // two at a time are all that two processors carry
	}
	var all [][]step
	for _, s := range cases {
		part, _, _ := strings.Cut(string(s.point), ".")
		if n := len(all) - 1; n >= 0 && len(all[n]) < most && strings.HasPrefix(string(all[n][0].point), part+".") {
			all[n] = append(all[n], s)
			continue
		}
		all = append(all, []step{s})
	}
	return all
}

// arena is a cluster that sees one case after the other, and everything that its clients were ever told.
type arena struct {
	*chaos.Cluster
	all  *chaos.History
	seed uint64
	// faulty says that commands were made to fail for no reason that the program knows: then 500 is the right answer.
	faulty bool
}

func newArena(t *testing.T, servers int) *arena {
	t.Helper()
	return &arena{Cluster: chaos.New(t, chaos.Config{Servers: servers}), all: chaos.NewHistory()}
}

// mark is what a process writes when a fault takes place.
func (s step) mark() string { return fmt.Sprintf("failpoint: %s: %s at pass", s.point, s.fault) }

func (a *arena) take(t *testing.T, s step) {
	t.Helper()
	began := time.Now()
	ctx := t.Context()
	server := a.Servers[0]
	before, err := server.Said(s.mark())
	if err != nil {
		t.Fatal(err)
	}
	swap := s.point == failpoint.ProjectionBeforeSwap || s.point == failpoint.ProjectionAfterSwap
	server.Kill() // without warning, as always
	var env []string
	if !swap {
		env = []string{"FAILPOINTS=" + s.spec()}
	}
	deaths := server.Deaths()
	a.faulty = a.faulty || s.fault == "error" && strings.HasPrefix(string(s.point), "command.")
	if err := errors.Join(server.Launch(env...), a.EndLeases(ctx)); err != nil {
		t.Fatal(err)
	}
	defer a.Supervise(ctx)()
	a.seed++
	load, err := chaos.StartLoad(ctx, a.Cluster, chaos.LoadConfig{Clients: 4, Seed: a.seed, Direct: true})
	if err != nil {
		t.Fatal(err)
	}
	filled := time.Since(began)
	switch {
	case swap:
		a.rebuild(t, s)
	case strings.HasPrefix(string(s.point), "intake."):
		if err := load.Queue(ctx, 0, 12, 40*time.Second); err != nil {
			t.Fatal(err)
		}
		fallthrough
	default:
		a.await(t, s, before, deaths)
	}
	if err := load.More(ctx, 30); err != nil {
		t.Fatal(err)
	}
	failed := time.Since(began)
	a.settle(t, load)
	t.Logf("%.1f s: stock filled after %.1f s, failed and at work again after %.1f s", time.Since(began).Seconds(), filled.Seconds(), failed.Seconds())
}

// await waits until the fault has taken place since the counts were taken, and where it is a kill, until the process is
// there again.
func (a *arena) await(t *testing.T, s step, before, deaths int) {
	t.Helper()
	server := a.Servers[0]
	if err := chaos.Until(t.Context(), 30*time.Second, func(ctx context.Context) error {
		now, err := server.Said(s.mark())
		switch {
		case err != nil:
			return err
		case now == before:
			return fmt.Errorf("no process ever passed %s in that way", s.point)
		case s.fault == "kill" && (server.Deaths() == deaths || !server.Running()):
			return errors.New("it was not started again")
		}
		return a.EndLeases(ctx)
	}); err != nil {
		t.Fatal(err)
	}
}

// rebuild has an operator rebuild a read model by a command that fails, and again by one that does not.
func (a *arena) rebuild(t *testing.T, s step) {
	t.Helper()
	rebuild := []string{"projections", "rebuild", "order_list", "--yes"}
	_, errs, code, err := a.RunWith(t.Context(), []string{"FAILPOINTS=" + s.spec()}, rebuild...)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(errs), s.mark()) || (code == 0) != strings.HasPrefix(s.fault, "sleep") {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	if slices.Contains([]string{"kill", "error"}, s.fault) {
		if _, errs, code, err := a.Run(t.Context(), rebuild...); err != nil || code != 0 {
			t.Fatalf("exit code %d, %v: %s", code, err, errs)
		}
	}
}

// settle ends the load and wants nothing to be wrong.
func (a *arena) settle(t *testing.T, load *chaos.Load) {
	t.Helper()
	for _, v := range a.judge(t, load) {
		if a.faulty && strings.Contains(v.Says, "as if there were a fault in the program") {
			continue // there was: we put it there
		}
		t.Error(v)
	}
}

// judge ends the load and returns what is wrong.
func (a *arena) judge(t *testing.T, load *chaos.Load) []chaos.Violation {
	t.Helper()
	limit, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	h := load.Stop(limit)
	h.Merge(a.all)
	a.all = h
	found, err := chaos.Check(t.Context(), a.all, a.Cluster)
	if err != nil {
		t.Errorf("check: %v", err)
	}
	return found
}
