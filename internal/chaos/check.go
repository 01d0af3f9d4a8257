package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"
)

// Violation is a promise that was not kept.
type Violation struct {
	// Invariant is its name in docs/evidence/chaos.md, such as "I1".
	Invariant string
	// Says tells what was found.
	Says string
}

// String is the name of the invariant and what was found.
func (v Violation) String() string { return v.Invariant + ": " + v.Says }

// violations collects what was found, the first of each kind.
type violations struct {
	mu    sync.Mutex
	found []Violation
	count map[string]int
}

// most is how many violations of one invariant are told.
const most = 10

func (v *violations) add(invariant, format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.count == nil {
		v.count = map[string]int{}
	}
	v.count[invariant]++
	switch n := v.count[invariant]; {
	case n <= most:
		v.found = append(v.found, Violation{invariant, fmt.Sprintf(format, args...)})
	case n == most+1:
		v.found = append(v.found, Violation{invariant, "and more"})
	}
}

// Check waits until everything is where the log is, and holds what the clients were told against what is stored: after
// the load was stopped and all faults are healed, with serve processes running. It returns what was violated; the error
// says that something could not be checked.
func Check(ctx context.Context, h *History, c *Cluster) ([]Violation, error) {
	var v violations
	if err := c.Drain(ctx); err != nil {
		v.add("I11", "after the heal: %v", err)
	}
	h.resolved(&v)
	if err := askAgain(ctx, h, c, &v); err != nil {
		return v.found, err
	}
	log, err := readLog(ctx, c)
	if err != nil {
		return v.found, err
	}
	log.dense(&v)
	log.outcomes(h, &v)
	log.realTime(h, &v)
	log.stock(h, &v)
	log.orders(&v)
	h.follower.check(ctx, c, log, &v)
	if err := log.levels(ctx, c, &v); err != nil {
		return v.found, err
	}
	if err := log.stream(ctx, c, &v); err != nil {
		return v.found, err
	}
	if err := c.verify(ctx, &v); err != nil {
		return v.found, err
	}
	if err := c.doctor(ctx, &v); err != nil {
		return v.found, err
	}
	if err := c.leaks(ctx, &v); err != nil {
		return v.found, err
	}
	return v.found, c.logs(&v)
}

// resolved wants every look to have been new enough, and every command to have an outcome, and one that was said rightly.
func (h *History) resolved(v *violations) {
	for _, says := range h.stale {
		v.add("I13", "%s", says)
	}
	for _, o := range h.Operations() {
		for _, a := range o.Attempts {
			if a.Code == "internal" {
				v.add("I8", "%s %s was answered 500 by %s, as if there were a fault in the program", o.Kind, o.Key, a.Server)
			}
		}
		switch o.Outcome {
		case Unknown:
			last := o.Attempts[len(o.Attempts)-1]
			v.add("I11", "%s %s has no outcome after %d attempts, the last: %d %s %s", o.Kind, o.Key, len(o.Attempts), last.Status, last.Code, last.Err)
		case Invalid:
			v.add("I8", "%s %s was turned away: %d %s", o.Kind, o.Key, o.Status, o.Body)
		case Accepted, Refused:
			o.honest(v)
		}
	}
}

// honest wants an answer that promised that nothing was stored to have been right: if all attempts before the last got
// such an answer, the last cannot have found an outcome that was there already.
func (o *Operation) honest(v *violations) {
	last := len(o.Attempts) - 1
	if !o.Attempts[last].Replayed {
		return
	}
	for _, a := range o.Attempts[:last] {
		if !a.Nothing {
			return
		}
	}
	codes := make([]string, last)
	for i := range codes {
		codes[i] = o.Attempts[i].Code
	}
	v.add("I8", "%s %s was answered [%s], which promise that nothing was stored, and then found stored", o.Kind, o.Key, strings.Join(codes, " "))
}

// askAgain sends every command once more under its key, to any of the servers or over NATS, and wants the same answer to
// the byte.
func askAgain(ctx context.Context, h *History, c *Cluster, v *violations) error {
	const clients, limit = 8, 30 * time.Second
	s := newSender(c, clients)
	defer s.close()
	todo := make(chan *Operation)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for n := range clients {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(n), 1)) //nolint:gosec // which server is asked is of no weight
			for o := range todo {
				err := until(ctx, limit, func(ctx context.Context) error {
					var to *Server
					if r.IntN(8) > 0 {
						to = c.Servers[r.IntN(len(c.Servers))]
					}
					return s.again(ctx, o, to, v)
				})
				if err != nil {
					mu.Lock()
					failed = fmt.Errorf("ask for the outcome of %s again: %w", o.Key, err)
					mu.Unlock()
				}
			}
		})
	}
	for _, o := range h.Operations() {
		if o.Outcome == Accepted || o.Outcome == Refused {
			todo <- o
		}
	}
	close(todo)
	wg.Wait()
	return failed
}

// again wants the answer that an operation got to be given once more.
func (s *sender) again(ctx context.Context, o *Operation, to *Server, v *violations) error {
	got, err := s.send(ctx, o, to, 10*time.Second)
	switch {
	case err != nil:
		return err
	case got.again():
		return fmt.Errorf("%d %s", got.status, got.body)
	case got.status != o.Status && (got.status >= 300 || o.Status >= 300), got.body != o.Body: // NATS has one status for success
		v.add("I8", "%s %s was answered %d %q, and now %d %q", o.Kind, o.Key, o.Status, o.Body, got.status, got.body)
	case !got.replayed:
		v.add("I8", "%s %s was answered before, and is now carried out as if it were new", o.Kind, o.Key)
	case got.position != o.Position:
		v.add("I8", "%s %s was at position %d, and now it is at %d", o.Kind, o.Key, o.Position, got.position)
	}
	return nil
}

// verify runs `waybill verify`.
func (c *Cluster) verify(ctx context.Context, v *violations) error {
	out, errs, code, err := c.Run(ctx, "verify", "-o", "json")
	if err != nil {
		return err
	}
	var results []struct {
		Invariant  string   `json:"invariant"`
		Violations []string `json:"violations"`
		Skipped    string   `json:"skipped"`
	}
	if err := json.Unmarshal(out, &results); err != nil {
		v.add("verify", "exit code %d: %s", code, tail(errs))
		return nil //nolint:nilerr // it is a finding
	}
	for _, r := range results {
		for _, says := range r.Violations {
			v.add(r.Invariant, "verify: %s", says)
		}
		if r.Skipped != "" {
			v.add(r.Invariant, "verify: not checked: %s", r.Skipped)
		}
	}
	if code != 0 && len(v.found) == 0 {
		v.add("verify", "exit code %d: %s", code, tail(errs))
	}
	return nil
}

// finding is what `waybill doctor` says of one thing.
type finding struct {
	Area  string `json:"area"`
	State string `json:"state"`
	Says  string `json:"says"`
	Next  string `json:"next"`
}

func (c *Cluster) findings(ctx context.Context) ([]finding, error) {
	out, errs, code, err := c.Run(ctx, "doctor", "-o", "json")
	if err != nil {
		return nil, err
	}
	var all []finding
	if err := json.Unmarshal(out, &all); err != nil {
		return nil, fmt.Errorf("waybill doctor: exit code %d: %w: %s%s", code, err, tail(out), tail(errs))
	}
	return all, nil
}

// doctor runs `waybill doctor`, which may find nothing to do for a person. That the database has no standby, and that the
// one who asks is its owner, is how a cluster of this package is made.
func (c *Cluster) doctor(ctx context.Context, v *violations) error {
	all, err := c.findings(ctx)
	if err != nil {
		return err
	}
	for _, f := range all {
		if f.State == "problem" || f.State == "warning" && f.Area != "database" {
			v.add("I11", "doctor: %s: %s: %s; next: %s", f.Area, f.State, f.Says, f.Next)
		}
	}
	return nil
}

// logs looks for what no process may ever write.
func (c *Cluster) logs(v *violations) error {
	for _, s := range c.Servers {
		text, err := os.ReadFile(s.Log)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:") || strings.Contains(line, "DATA RACE") {
				v.add("panic", "%s: %s", s.Name, strings.TrimSpace(line))
			}
		}
	}
	return nil
}
