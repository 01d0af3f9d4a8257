package chaos_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill/internal/chaos"
)

var (
	chaosDuration = flag.Duration("chaos.duration", 0, "how long the nemesis breaks things in all; 0: the short form")
	chaosEpisode  = flag.Duration("chaos.episode", 2*time.Minute, "how long it breaks one cluster, in the long form")
	chaosSeed     = flag.Uint64("chaos.seed", 0, "seed of the first episode; 0: a random one")
)

const shortEpisode = 20 * time.Second

// shortSeeds are the fixed ones of the short form. TestShortSeeds holds them to what they were chosen for.
func shortSeeds() []uint64 { return []uint64{58, 925} }

// TestNemesis breaks everything that can be broken from outside, in the order of a seed, while clients go on; heals it,
// and wants nothing to be wrong. In its short form it takes two fixed seeds and a random one; with -chaos.duration it
// goes on with fresh clusters and further seeds until that time is over.
func TestNemesis(t *testing.T) {
	seed := *chaosSeed
	if seed == 0 {
		seed = uint64(rand.Uint32())
	}
	if *chaosDuration > 0 {
		kills := 0
		for end := time.Now().Add(*chaosDuration); time.Now().Before(end) && !t.Failed(); seed++ {
			duration := min(*chaosEpisode, time.Until(end))
			t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { kills += nemesis(t, seed, duration).Kills })
		}
		t.Logf("%d processes were killed in all", kills)
		return
	}
	for _, s := range append(shortSeeds(), seed) {
		t.Run(fmt.Sprintf("seed=%d", s), func(t *testing.T) {
			t.Parallel()
			nemesis(t, s, shortEpisode)
		})
	}
}

// nemesis is one episode: a fresh cluster, load, faults, heal, check.
func nemesis(t *testing.T, seed uint64, duration time.Duration) chaos.Report {
	t.Helper()
	ctx := t.Context()
	// The engine gives up before the clients do, so that it is heard what it says then.
	c := chaos.New(t, chaos.Config{Env: []string{"WAYBILL_LIMITS_COMMAND_TIMEOUT=3s"}})
	var load *chaos.Load
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		t.Logf("to repeat it: ./run chaos -- -chaos.seed=%d -chaos.duration=%s -chaos.episode=%[2]s", seed, duration)
		if load != nil {
			if err := load.History().Write(filepath.Join(c.Dir, "history.jsonl")); err != nil {
				t.Error(err)
			}
		}
	})
	if err := c.Start(ctx); err != nil {
		t.Fatal(err)
	}
	load, err := chaos.StartLoad(ctx, c, chaos.LoadConfig{Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	report, err := chaos.Nemesis(ctx, c, seed, duration, func(line string) { t.Log(line) })
	if err != nil {
		t.Errorf("a fault could not be carried out: %v", err)
	}
	healed := time.Now()
	h := stopped(ctx, load)
	t.Logf("%d rounds, %d kills, %d bits flipped, %d exits: %s", report.Rounds, report.Kills, report.Flips, report.Exits, faultsOf(report))
	t.Logf("%s; attempts without an outcome: %s", h.Summary(), h.Failures())
	if err := c.Drain(ctx); err != nil {
		t.Errorf("I11: after the heal: %v", err)
	}
	t.Logf("everything is where the log is %s after the heal", time.Since(healed).Round(10*time.Millisecond))
	if report.Flips > 0 { // the one fault after which a person may have to act, as docs/operations.md says
		mended, err := c.MendStream(ctx)
		if err != nil {
			t.Error(err)
		}
		if mended {
			t.Log("the stream was damaged in its middle and rebuilt by `waybill doctor --rebuild-stream`")
		}
	}
	found, err := chaos.Check(ctx, h, c)
	if err != nil {
		t.Errorf("check: %v", err)
	}
	for _, v := range found {
		t.Error(v)
	}
	end, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for _, s := range c.Servers {
		if code, err := s.Terminate(end); err != nil || code != 0 {
			t.Errorf("%s does not end in order: exit code %d, %v", s.Name, code, err)
		}
	}
	return report
}

// stopped ends a load: what has no outcome a minute after the heal never gets one.
func stopped(ctx context.Context, load *chaos.Load) *chaos.History {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return load.Stop(ctx)
}

// TestShortSeeds wants the fixed seeds to break most of what can be broken: whoever changes the faults changes what a seed
// means.
func TestShortSeeds(t *testing.T) {
	seen := map[string]bool{}
	for _, seed := range shortSeeds() {
		plan := chaos.NewPlan(seed, 2)
		for at := time.Duration(0); at < shortEpisode; {
			round := plan.Next()
			longest := time.Duration(0)
			for _, a := range round.Actions {
				seen[a.Fault] = true
				longest = max(longest, a.After+a.Hold)
			}
			at += longest + round.Quiet + 500*time.Millisecond // for what it takes to do it
		}
	}
	for _, name := range []string{
		"bit flipped", "end of the log locked", "nats set back", "nats wiped", "postgres killed", "serve-2 killed", "stream deleted",
		"to-postgres answers lost",
	} {
		if !seen[name] {
			t.Errorf("the fixed seeds leave out %q", name)
		}
	}
	if len(seen) < 20 {
		t.Errorf("the fixed seeds have %d kinds of faults only: %v", len(seen), slices.Sorted(maps.Keys(seen)))
	}
}

func faultsOf(r chaos.Report) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(r.Faults)) {
		all = append(all, fmt.Sprintf("%s %d", name, r.Faults[name]))
	}
	return strings.Join(all, ", ")
}
