package relay

import (
	"errors"
	"time"

	"github.com/google/uuid"
)

// State is what a relay is doing.
type State string

// The states of a relay.
//
//	stopped → looking → publishing ⇄ looking
//	             ├→ standby   another relay holds the lease
//	             ├→ retrying  the log or JetStream cannot be reached, or did not answer
//	             └→ forked    stream and log differ: a person has to choose
//
// From each of the last three it looks again by itself, and goes on when it can.
const (
	Stopped    State = "stopped"
	Looking    State = "looking"
	Publishing State = "publishing"
	Standby    State = "standby"
	Retrying   State = "retrying"
	Forked     State = "forked"
)

func states() []State { return []State{Stopped, Looking, Publishing, Standby, Retrying, Forked} }

// Status is what a relay knows of itself, for a readiness check and for doctor.
type Status struct {
	State     State
	Since     time.Time // of State
	Published int64     // every position up to here was in the stream when it last looked or heard
	Head      int64     // last position of the log that it knows of
	Epoch     uuid.UUID
	Holes     int   // messages missing between the stream's first and last; consumers read those from the log
	Err       error // what keeps it from publishing; nil if nothing does
	Run       string
}

// Ready reports whether the relay does its work, or leaves it to another that does.
func (s *Status) Ready() bool { return s.State == Publishing || s.State == Standby }

// Status returns what the relay is doing now.
func (r *Relay) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

// enter changes the state. It logs a change, and not a repetition.
func (r *Relay) enter(s State, err error) {
	run := ""
	if helps, ok := errors.AsType[interface {
		error
		Run() string
	}](err); ok {
		run = helps.Run()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.status.State != s {
		r.status.State, r.status.Since = s, r.cfg.Now()
		r.metrics.enter(s)
	}
	r.status.Err, r.status.Run = err, run
}

// saw records what is known of the ends of log and stream; zero leaves a value as it is.
func (r *Relay) saw(head, published int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if head > 0 {
		r.status.Head = head
	}
	if published > 0 {
		r.status.Published = published
	}
	r.metrics.lag.Set(float64(max(r.status.Head-r.status.Published, 0)))
}
