// Package processes runs the process managers: what has to happen next, across aggregates, because something
// happened.
//
// A process manager is pure: [Process.React] is given an input and answers with commands and timers. The [Runner]
// does the rest. It follows the event stream, deals the events out to the partitions, carries out in each what one
// event after the other sets off, and moves state, timers and checkpoint in one transaction. The commands' ids are derived from the input that
// caused them, so an input that is handled again, after a crash or because it was delivered twice, has its effect
// once. What cannot be handled is parked with the later inputs of the same key behind it; every other key flows on.
//
// Processes are not read models: they are never rewound, since what they did has left the house.
package processes

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/vmihailenco/msgpack/v5"

	"waybill/commands"
	"waybill/domain/order"
	"waybill/domain/stock"
	"waybill/eventstore"
)

// Process is a process manager with its state in stored form. [Adapt] makes one of a [Manager].
type Process interface {
	// Name is the key of state, timers and checkpoint, such as "placement"; it is never changed.
	Name() string
	// Types are the event types that it reacts to.
	Types() []string
	// React answers one input to the instance with the given state; nil is an instance nobody started. It is pure:
	// no clock, no randomness, no I/O.
	React(state []byte, in Input) (next []byte, r Reaction, err error)
}

// Manager is a process manager over a state of its own type; its zero value is an instance nobody started.
type Manager[S any] interface {
	Name() string
	Types() []string
	React(s S, in Input) (S, Reaction, error)
}

// Input is what a process reacts to: an [Event], a [Fired] timer, or what became of a command of its own in the
// same turn, [Accepted] or [Refused].
//
//sumtype:decl
type Input interface{ input() }

// Starter is a [Process] or a [Manager] that says which of its events are always the first input of an instance. Those
// need no look at what is stored.
type Starter interface {
	Starts(typ string) bool
}

// Event is an event of the log.
type Event struct {
	eventstore.Event
	Meta eventstore.Meta
	Body any // order.Event or stock.Event
	// Now is when the event is handled; what was late is decided by this clock.
	Now time.Time
}

// Fired is a timer whose time has come. It may come late, and after a crash twice.
type Fired struct {
	Key  string // of the instance
	Name string
	Due  time.Time
	Now  time.Time
}

// Accepted says that the command of a step was accepted.
type Accepted struct {
	Key    string
	Step   string
	Now    time.Time
	Result commands.Result
}

// Refused says that the command of a step was refused. Every other failure is repeated and never seen by a process.
type Refused struct {
	Key     string
	Step    string
	Now     time.Time
	Refusal *commands.Refused
}

func (Event) input()    {}
func (Fired) input()    {}
func (Accepted) input() {}
func (Refused) input()  {}

// Reaction is what a process wants done.
type Reaction struct {
	Commands []Command
	Timers   []Timer  // set, or moved if one of that name is set
	Cancel   []string // names of timers; one that is not set is no matter
	// Waiting says what the instance waits for after this; it is for people. Zero: for nothing.
	Waiting Waiting
	// Done says that the instance has nothing left to do; later inputs still reach it.
	Done bool
}

// Command is one command of a reaction.
type Command struct {
	// Step names it within the turn that one event or timer sets off, over all the commands that follow from it; it
	// is part of the command's id.
	Step  string
	Type  string // such as "stock.reserve"
	Steps []commands.Step
}

// Timer asks for an input at a later time.
type Timer struct {
	Name string
	Due  time.Time
}

// Waiting is what an instance waits for: a code such as "payment", and until when, if there is an end.
type Waiting struct {
	For   string
	Until time.Time
}

// Adapt stores the state of m as msgpack.
func Adapt[S any](m Manager[S]) Process { return adapter[S]{m} }

type adapter[S any] struct{ Manager[S] }

func (a adapter[S]) React(state []byte, in Input) ([]byte, Reaction, error) {
	var s S
	if len(state) > 0 {
		if err := msgpack.Unmarshal(state, &s); err != nil {
			return nil, Reaction{}, fmt.Errorf("decode state of %s: %w", a.Name(), err)
		}
	}
	s, r, err := a.Manager.React(s, in)
	if err != nil {
		return nil, Reaction{}, err
	}
	next, err := msgpack.Marshal(&s)
	if err != nil {
		return nil, Reaction{}, fmt.Errorf("encode state of %s: %w", a.Name(), err)
	}
	return next, r, nil
}

// Starts implements [Starter].
func (a adapter[S]) Starts(typ string) bool {
	s, ok := a.Manager.(Starter)
	return ok && s.Starts(typ)
}

// namespace is that of all derived ids. It is never changed.
var namespace = uuid.MustParse("6f1d6e1a-5a54-5f0e-9c0b-2f4f3a1e7d10") //nolint:gochecknoglobals // a constant; Go has none of this type

// eventTrigger names the turn that an event sets off.
func eventTrigger(process string, id uuid.UUID) uuid.UUID {
	return uuid.NewSHA1(namespace, []byte("event/"+process+"/"+id.String()))
}

// timerTrigger names the turn that a timer sets off: the same one however often it fires.
func timerTrigger(process, key, name string, due time.Time) uuid.UUID {
	return uuid.NewSHA1(namespace, fmt.Appendf(nil, "timer/%s/%s/%s/%d", process, key, name, due.UnixMicro()))
}

// commandID derives the id of a command from the turn and the step.
func commandID(trigger uuid.UUID, step string) uuid.UUID {
	return uuid.NewSHA1(trigger, []byte(step))
}

// decode returns the domain event in e.
func decode(e *eventstore.Event) (any, error) {
	if _, ok := order.ParseStream(e.Stream); ok {
		return order.Decode(e.Type, e.Schema, e.Data)
	}
	if _, _, ok := stock.ParseStream(e.Stream); ok {
		return stock.Decode(e.Type, e.Schema, e.Data)
	}
	return nil, fmt.Errorf("stream %s: %w", e.Stream, errUnknownAggregate)
}

var errUnknownAggregate = errors.New("no aggregate has such streams")
