package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// fault is one way to break a cluster. run breaks it, waits for as long as the action says, and heals it.
type fault struct {
	name        string
	on          string // what it concerns: two faults on one thing would undo each other
	often       int    // how many of it are in the deck
	least, most time.Duration
	run         func(ctx context.Context, n *nemesis, a Action) error
}

// faults are all of them. Their order and numbers are part of what a seed means.
func faults(servers int) []fault {
	all := append(databaseFaults(), brokerFaults()...)
	all = append(all, linkFaults("to-postgres", func(c *Cluster) *Link { return c.ToDatabase })...)
	all = append(all, linkFaults("to-nats", func(c *Cluster) *Link { return c.ToBroker })...)
	for i := range servers {
		all = append(all, serverFaults(i)...)
	}
	return all
}

func serverFaults(i int) []fault {
	name := fmt.Sprintf("serve-%d", i+1)
	of := func(n *nemesis) *Server { return n.cluster.Servers[i] }
	return []fault{
		{name + " killed", name, 4, 0, 500 * time.Millisecond, func(ctx context.Context, n *nemesis, a Action) error {
			of(n).Kill()
			n.killed()
			wait(ctx, a.Hold)
			return nil
		}},
		{name + " killed as it comes up", name, 1, 100 * time.Millisecond, 700 * time.Millisecond, func(ctx context.Context, n *nemesis, a Action) error {
			for range 3 {
				of(n).Kill()
				n.killed()
				wait(ctx, restartAfter+a.Hold)
			}
			return nil
		}},
		// The lease of a relay is good for 4 s, that of a process for 10 s: another takes over, and then this one wakes up.
		{name + " frozen", name, 2, 4500 * time.Millisecond, 12 * time.Second, func(ctx context.Context, n *nemesis, a Action) error {
			if err := of(n).Freeze(); err != nil {
				return err
			}
			wait(ctx, a.Hold)
			return of(n).Thaw()
		}},
		{name + " frozen for a moment", name, 1, 100 * time.Millisecond, 2 * time.Second, func(ctx context.Context, n *nemesis, a Action) error {
			if err := of(n).Freeze(); err != nil {
				return err
			}
			wait(ctx, a.Hold)
			return of(n).Thaw()
		}},
		{name + " replaced in order", name, 1, 0, time.Second, func(ctx context.Context, n *nemesis, a Action) error {
			limit, cancel := context.WithTimeout(ctx, startLimit)
			defer cancel()
			if _, err := of(n).Terminate(limit); err != nil {
				return err
			}
			wait(ctx, a.Hold)
			return of(n).Launch()
		}},
	}
}

func databaseFaults() []fault {
	const on = "postgres"
	down := func(how func(ctx context.Context, n *nemesis) error) func(context.Context, *nemesis, Action) error {
		return func(ctx context.Context, n *nemesis, a Action) error {
			if err := how(ctx, n); err != nil {
				return err
			}
			wait(ctx, a.Hold)
			return n.cluster.Database.Start(ctx)
		}
	}
	held := func(statements ...string) func(context.Context, *nemesis, Action) error {
		return func(ctx context.Context, n *nemesis, a Action) error {
			return n.cluster.Database.Hold(ctx, a.Hold, statements[a.Draw%uint64(len(statements))])
		}
	}
	return []fault{
		{"postgres killed", on, 1, 0, 3 * time.Second, down(func(_ context.Context, n *nemesis) error {
			n.killed()
			return n.cluster.Database.Kill()
		})},
		{"postmaster killed", on, 1, 0, 2 * time.Second, down(func(_ context.Context, n *nemesis) error {
			n.killed()
			return n.cluster.Database.KillPostmaster()
		})},
		{"postgres stopped at once", on, 1, 0, 4 * time.Second, down(func(ctx context.Context, n *nemesis) error {
			return n.cluster.Database.StopAtOnce(ctx)
		})},
		{"session killed", on, 1, 0, time.Second, func(ctx context.Context, n *nemesis, a Action) error {
			killed, err := n.cluster.Database.KillBackend(ctx, chance(a))
			if err != nil {
				return err
			}
			if killed {
				n.killed()
			}
			wait(ctx, a.Hold)
			return nil
		}},
		{"session frozen", on, 2, time.Second, 7 * time.Second, func(ctx context.Context, n *nemesis, a Action) error {
			return n.cluster.Database.FreezeBackend(ctx, a.Hold, chance(a))
		}},
		{"end of the log locked", on, 2, 500 * time.Millisecond, 8 * time.Second, held(`SELECT position FROM waybill.log_head FOR UPDATE`)},
		{"table locked", on, 2, 500 * time.Millisecond, 7 * time.Second, held(
			`LOCK TABLE waybill.events IN ACCESS EXCLUSIVE MODE`, `LOCK TABLE waybill.outcomes`, `LOCK TABLE waybill.leases`,
			`LOCK TABLE projections.versions`, `LOCK TABLE processes.checkpoints`, `LOCK TABLE processes.instances`)},
	}
}

func brokerFaults() []fault {
	const on = "nats"
	down := func(meanwhile func(n *nemesis, a Action) error) func(context.Context, *nemesis, Action) error {
		return func(ctx context.Context, n *nemesis, a Action) error {
			n.cluster.Broker.Kill()
			n.killed()
			err := meanwhile(n, a)
			wait(ctx, a.Hold)
			return errors.Join(err, n.cluster.Broker.Start(ctx))
		}
	}
	return []fault{
		{"nats killed", on, 2, 0, 4 * time.Second, down(func(n *nemesis, _ Action) error { return n.cluster.Broker.CopyStore() })},
		{"nats wiped", on, 1, 0, 2 * time.Second, down(func(n *nemesis, _ Action) error { return n.cluster.Broker.WipeStore() })},
		{"nats set back", on, 2, 0, 2 * time.Second, setBack},
		{"stream deleted", on, 1, 0, time.Second, func(ctx context.Context, n *nemesis, a Action) error {
			err := until(ctx, 10*time.Second, n.cluster.Broker.DeleteStream)
			wait(ctx, a.Hold)
			return err
		}},
		{"bit flipped", on, 1, 0, time.Second, down(func(n *nemesis, a Action) error {
			where, err := n.cluster.Broker.FlipByte(chance(a))
			if where != "" {
				n.log("flipped %s", where)
				n.mu.Lock()
				n.report.Flips++
				n.mu.Unlock()
			}
			return err
		})},
		{"nats frozen", on, 1, 500 * time.Millisecond, 6 * time.Second, func(ctx context.Context, n *nemesis, a Action) error {
			if err := n.cluster.Broker.Freeze(); err != nil {
				return err
			}
			wait(ctx, a.Hold)
			return n.cluster.Broker.Thaw()
		}},
	}
}

// setBack puts an older copy of the store in the place of the newer. If there is none yet, one is made first.
func setBack(ctx context.Context, n *nemesis, a Action) error {
	b := n.cluster.Broker
	b.Kill()
	n.killed()
	done, err := b.ReplaceStore(chance(a))
	if err == nil && !done {
		if err := errors.Join(b.CopyStore(), b.Start(ctx)); err != nil {
			return err
		}
		wait(ctx, time.Second+a.Hold) // it gets older
		b.Kill()
		n.killed()
		_, err = b.ReplaceStore(chance(a))
	}
	wait(ctx, a.Hold)
	return errors.Join(err, b.Start(ctx))
}

func linkFaults(on string, of func(*Cluster) *Link) []fault {
	broken := func(how func(l *Link, a Action) error) func(context.Context, *nemesis, Action) error {
		return func(ctx context.Context, n *nemesis, a Action) error {
			l := of(n.cluster)
			err := how(l, a)
			wait(ctx, a.Hold)
			return errors.Join(err, l.Heal(ctx))
		}
	}
	return []fault{
		{on + " slow", on, 1, time.Second, 6 * time.Second, broken(func(l *Link, a Action) error {
			r := chance(a)
			return l.Slow(between(r, 10*time.Millisecond, 400*time.Millisecond), between(r, 0, 200*time.Millisecond))
		})},
		{on + " narrow", on, 1, time.Second, 5 * time.Second, broken(func(l *Link, a Action) error {
			return l.Narrow(8 + chance(a).Int64N(120))
		})},
		{on + " half open", on, 1, time.Second, 8 * time.Second, broken(func(l *Link, _ Action) error { return l.Silence() })},
		{on + " answers lost", on, 1, 500 * time.Millisecond, 5 * time.Second, broken(func(l *Link, _ Action) error { return l.LoseAnswers() })},
		{on + " reset", on, 1, 100 * time.Millisecond, 2 * time.Second, broken(func(l *Link, _ Action) error { return l.Reset() })},
		{on + " cut", on, 1, 100 * time.Millisecond, 5 * time.Second, broken(func(l *Link, _ Action) error { l.Cut(); return nil })},
	}
}

// chance is what an action draws from for whatever it has to choose.
func chance(a Action) *rand.Rand {
	return rand.New(rand.NewPCG(a.Draw, 0)) //nolint:gosec // it has to be repeatable
}
