package failpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Error is what a point with the fault error or done-then-error returns.
type Error struct {
	Point Point
	Lost  bool // the step was done, and the answer was lost
}

func (e *Error) Error() string {
	if e.Lost {
		return "failpoint " + string(e.Point) + ": answer lost"
	}
	return "failpoint " + string(e.Point) + ": failed"
}

// Unwrap makes a lost answer look like a connection that broke.
func (e *Error) Unwrap() error {
	if e.Lost {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// plan is what happens at which pass of which point.
type plan struct {
	rules map[Point][]*rule
	bugs  map[Bug]bool
	out   io.Writer // is told what happens
}

// The faults, but for the sleeps.
const (
	faultKill          = "kill"
	faultError         = "error"
	faultDoneThenError = "done-then-error"
)

type rule struct {
	at          Point         // where it was asked for
	fault       string        // as it was asked for
	pause       time.Duration // of a sleep
	first, last int64
	passed      atomic.Int64
}

func (p *plan) hit(ctx context.Context, point Point) error {
	var due *rule
	for _, r := range p.rules[point] {
		if n := r.passed.Add(1); due == nil && r.first <= n && n <= r.last {
			due = r
			fmt.Fprintf(p.out, "failpoint: %s: %s at pass %d\n", r.at, r.fault, n)
		}
	}
	if due == nil {
		return nil
	}
	switch due.fault {
	case faultKill:
		self, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = self.Kill()
		}
		if err != nil {
			return fmt.Errorf("failpoint %s: %w", due.at, err)
		}
		select {} // the signal is on its way
	case faultError:
		return &Error{Point: due.at}
	case faultDoneThenError:
		return &Error{Point: due.at, Lost: true}
	default:
		t := time.NewTimer(due.pause)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		return nil
	}
}

func parse(spec string) (*plan, error) {
	p := &plan{rules: map[Point][]*rule{}, bugs: map[Bug]bool{}, out: os.Stderr}
	for entry := range strings.SplitSeq(spec, ";") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		name, what, ok := strings.Cut(entry, "=")
		if !ok {
			return nil, fmt.Errorf("%q: want name=fault", entry)
		}
		if err := p.add(name, what); err != nil {
			return nil, fmt.Errorf("%q: %w", entry, err)
		}
	}
	return p, nil
}

func (p *plan) add(name, what string) error {
	if slices.ContainsFunc(Bugs(), func(b BugInfo) bool { return string(b.Bug) == name }) {
		if what != "on" {
			return errors.New("a bug is on, or not named")
		}
		p.bugs[Bug(name)] = true
		return nil
	}
	points := Points()
	i := slices.IndexFunc(points, func(i PointInfo) bool { return string(i.Point) == name })
	if i < 0 {
		return errors.New("there is no such point or bug")
	}
	r, err := parseRule(what)
	if err != nil {
		return err
	}
	r.at = points[i].Point
	stands := r.at
	if r.fault == faultDoneThenError && points[i].Then != "" {
		stands = points[i].Then
	}
	p.rules[stands] = append(p.rules[stands], r)
	return nil
}

const forever = 1<<63 - 1

func parseRule(what string) (*rule, error) {
	fault, passes, limited := strings.Cut(what, "@")
	r := &rule{fault: fault, first: 1, last: forever}
	if limited {
		from, to, span := strings.Cut(passes, "-")
		if !span {
			to = from
		}
		var errFirst, errLast error
		r.first, errFirst = strconv.ParseInt(from, 10, 64)
		r.last, errLast = strconv.ParseInt(to, 10, 64)
		if errFirst != nil || errLast != nil || r.first < 1 || r.last < r.first {
			return nil, fmt.Errorf("passes are @3 or @1-5, not @%s", passes)
		}
	}
	switch fault {
	case faultKill, faultError, faultDoneThenError:
		return r, nil
	}
	pause, begins := strings.CutPrefix(fault, "sleep(")
	pause, ends := strings.CutSuffix(pause, ")")
	if !begins || !ends {
		return nil, fmt.Errorf("there is no fault %q: there are kill, sleep(200ms), error and done-then-error", fault)
	}
	var err error
	if r.pause, err = time.ParseDuration(pause); err != nil || r.pause <= 0 {
		return nil, fmt.Errorf("%q is no time to sleep", pause)
	}
	return r, nil
}
