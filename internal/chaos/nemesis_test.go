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
	for _, s := range []uint64{3, 5, seed} {
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
	c := chaos.New(t, chaos.Config{})
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
	resolve, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	h := load.Stop(resolve)
	t.Logf("%d rounds, %d kills, %d bits flipped: %s", report.Rounds, report.Kills, report.Flips, faultsOf(report))
	t.Log(h.Summary())
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
	return report
}

func faultsOf(r chaos.Report) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(r.Faults)) {
		all = append(all, fmt.Sprintf("%s %d", name, r.Faults[name]))
	}
	return strings.Join(all, ", ")
}
