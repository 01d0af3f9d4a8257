package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Action is one fault of a plan: what, when, for how long. Draw feeds whatever else it has to choose.
type Action struct {
	Fault string
	After time.Duration // since its round began
	Hold  time.Duration
	Draw  uint64
}

// String says it as a line of the log does.
func (a Action) String() string {
	return fmt.Sprintf("%s after %s for %s", a.Fault, a.After.Round(10*time.Millisecond), a.Hold.Round(10*time.Millisecond))
}

// Round is a few faults at once, and a quiet gap after the last of them has ended.
type Round struct {
	Actions []Action
	Quiet   time.Duration
}

// Report is what a nemesis did.
type Report struct {
	Rounds int
	Faults map[string]int // how often each was carried out
	Kills  int            // processes that were ended with SIGKILL
	Flips  int            // bits that were flipped in the files of JetStream
	Exits  int            // how often a serve process ended by itself and was started again
}

// Plan is the endless sequence of rounds of one seed: nothing in it depends on what happens.
type Plan struct {
	faults []fault
	deck   []string // what is still to come before everything is shuffled again, so that nothing is left out for long
	r      *rand.Rand
}

// NewPlan returns the plan of a seed for a cluster with a number of serve processes.
func NewPlan(seed uint64, servers int) *Plan {
	return &Plan{faults: faults(servers), r: rand.New(rand.NewPCG(seed, 0xc4a05))} //nolint:gosec // it has to be repeatable
}

// Next returns the next round: one to three faults, of which no two concern the same thing.
func (p *Plan) Next() Round {
	round := Round{Quiet: between(p.r, 300*time.Millisecond, 2*time.Second)}
	var taken []string
	for range 1 + p.r.IntN(3) {
		f, ok := p.draw(taken)
		if !ok {
			break
		}
		taken = append(taken, f.on)
		round.Actions = append(round.Actions, Action{
			Fault: f.name, After: between(p.r, 0, 800*time.Millisecond), Hold: between(p.r, f.least, f.most), Draw: p.r.Uint64(),
		})
	}
	return round
}

// draw takes the next fault of the deck that concerns nothing that is taken.
func (p *Plan) draw(taken []string) (fault, bool) {
	if len(p.deck) == 0 {
		for _, f := range p.faults {
			for range f.often {
				p.deck = append(p.deck, f.name)
			}
		}
		p.r.Shuffle(len(p.deck), func(i, j int) { p.deck[i], p.deck[j] = p.deck[j], p.deck[i] })
	}
	for i, name := range p.deck {
		f := find(p.faults, name)
		if !slices.Contains(taken, f.on) {
			p.deck = slices.Delete(p.deck, i, i+1)
			return f, true
		}
	}
	return fault{}, false
}

func find(all []fault, name string) fault {
	return all[slices.IndexFunc(all, func(f fault) bool { return f.name == name })]
}

func between(r *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(r.Int64N(int64(most-least)+1))
}

// Nemesis breaks a cluster by the plan of a seed for a while, and heals it. What it does is told to log, and written to
// nemesis.log in the folder of the cluster. The error says that a fault could not be carried out.
func Nemesis(ctx context.Context, c *Cluster, seed uint64, duration time.Duration, log func(string)) (Report, error) {
	file, err := os.Create(filepath.Join(c.Dir, "nemesis.log"))
	if err != nil {
		return Report{}, err
	}
	defer file.Close()
	n := &nemesis{cluster: c, report: Report{Faults: map[string]int{}}}
	n.log = func(format string, args ...any) {
		line := fmt.Sprintf(format, args...)
		fmt.Fprintf(file, "%s %s\n", time.Now().UTC().Format("15:04:05.000"), line)
		log(line)
	}
	stop := c.Supervise(ctx)
	defer stop()
	plan := NewPlan(seed, len(c.Servers))
	for end := time.Now().Add(duration); time.Now().Before(end) && ctx.Err() == nil; {
		n.round(ctx, plan.faults, plan.Next())
	}
	err = errors.Join(n.failed, c.Heal(ctx))
	for _, s := range c.Servers {
		err = errors.Join(err, n.up(ctx, s))
		n.report.Exits += s.Exits()
	}
	return n.report, err
}

type nemesis struct {
	cluster *Cluster
	log     func(format string, args ...any)

	mu     sync.Mutex
	report Report
	failed error
}

func (n *nemesis) round(ctx context.Context, all []fault, round Round) {
	texts := make([]string, len(round.Actions))
	for i, a := range round.Actions {
		texts[i] = a.String()
	}
	n.log("round %d: %s", n.report.Rounds+1, strings.Join(texts, " + "))
	var wg sync.WaitGroup
	for _, a := range round.Actions {
		wg.Go(func() {
			wait(ctx, a.After)
			err := find(all, a.Fault).run(ctx, n, a)
			n.mu.Lock()
			defer n.mu.Unlock()
			n.report.Faults[a.Fault]++
			if err != nil && ctx.Err() == nil {
				n.failed = errors.Join(n.failed, fmt.Errorf("%s: %w", a, err))
			}
		})
	}
	wg.Wait()
	n.report.Rounds++
	wait(ctx, round.Quiet)
}

func (n *nemesis) killed() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.report.Kills++
}

// up waits until the supervisor has brought a serve process up.
func (n *nemesis) up(ctx context.Context, s *Server) error {
	return until(ctx, startLimit, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second) // it may end and be started again meanwhile
		defer cancel()
		if err := s.Ready(ctx); err != nil {
			return errors.New(err.Error()) // final for one process is not final for the next
		}
		return nil
	})
}
