package relay

import (
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// The reasons for which the relay or a reader of the stream stops. Each comes wrapped in an error that carries the values.
var (
	// ErrFork is matched when the stream and the log say different things about one position.
	ErrFork = errors.New("stream and log have forked")
	// ErrConfig is matched when the stream exists with a configuration that the relay must not write to.
	ErrConfig = errors.New("stream has an unusable configuration")
	// ErrGap is matched when the stream lacks events that the consumer is to deliver.
	ErrGap = errors.New("stream has a gap")
	// ErrBehind is matched when a [Fanout] is asked for events that it does not keep.
	ErrBehind = errors.New("not among the newest events")
	// ErrEpoch is matched when a message is of another epoch than the consumer follows.
	ErrEpoch = errors.New("stream has another epoch")
	// ErrClosed is matched when the consumer was closed.
	ErrClosed = errors.New("consumer is closed")
)

// doctor is the command that explains a fork and offers the way out of it.
const doctor = "waybill doctor"

// ForkError says where the stream and the log part. Nothing is published while it stands.
type ForkError struct {
	Position   int64     // first position found to differ; 0 if they differ as a whole
	Reason     string    // what differs, such as "the stream is ahead of the log"
	Head       int64     // last position of the log
	Last       int64     // last sequence of the stream
	LogEpoch   uuid.UUID // epoch of the log
	Epoch      uuid.UUID // epoch that the stream carries; zero if it does not say
	Underlying error     // what made a message unreadable, if that is the reason
}

func (e *ForkError) Error() string {
	at := ""
	if e.Position > 0 {
		at = fmt.Sprintf(" at position %d", e.Position)
	}
	why := ""
	if e.Underlying != nil {
		why = ": " + e.Underlying.Error()
	}
	return fmt.Sprintf("stream and log differ%s: %s (log ends at %d in epoch %s, stream at %d)%s; nothing is published until this is settled: run `%s`",
		at, e.Reason, e.Head, e.LogEpoch, e.Last, why, doctor)
}

// Unwrap makes errors.Is(err, ErrFork) true.
func (e *ForkError) Unwrap() []error {
	if e.Underlying != nil {
		return []error{ErrFork, e.Underlying}
	}
	return []error{ErrFork}
}

// Run returns the command that helps.
func (e *ForkError) Run() string { return doctor }

// ConfigError says which settings of the stream the relay must not live with.
type ConfigError struct {
	Stream string
	Drift  []string // one sentence a setting
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("stream %s: %v; correct the stream, or run `%s` to rebuild it from the log", e.Stream, e.Drift, doctor)
}

// Unwrap makes errors.Is(err, ErrConfig) true.
func (e *ConfigError) Unwrap() error { return ErrConfig }

// Run returns the command that helps.
func (e *ConfigError) Run() string { return doctor }

// GapError says which events the stream does not have, or does not have in a readable form (Underlying says why).
// They are to be read from the log. The consumer that returned it goes on at To+1.
type GapError struct {
	From, To   int64 // first and last missing position
	Underlying error // nil for a plain hole
}

func (e *GapError) Error() string {
	if e.Underlying != nil {
		return fmt.Sprintf("stream has no event at position %d: %v; read it from the log", e.From, e.Underlying)
	}
	return fmt.Sprintf("stream has no events at positions %d to %d: read them from the log", e.From, e.To)
}

// Unwrap makes errors.Is(err, ErrGap) true.
func (e *GapError) Unwrap() []error {
	if e.Underlying != nil {
		return []error{ErrGap, e.Underlying}
	}
	return []error{ErrGap}
}

// BehindError says which events a [Fanout] has passed and does not keep, or never had because the stream has a gap. They
// are to be read from the log.
type BehindError struct {
	From, To int64 // first and last of them
}

func (e *BehindError) Error() string {
	return fmt.Sprintf("positions %d to %d are not among the newest events that are kept: read them from the log", e.From, e.To)
}

// Unwrap makes errors.Is(err, ErrBehind) true.
func (e *BehindError) Unwrap() error { return ErrBehind }

// EpochError says that the stream was rebuilt from a restored log. Checkpoints of the epoch Want mean nothing in the
// epoch Got: whoever receives it stops and says what to run.
type EpochError struct {
	Position  int64 // of the first message of the other epoch
	Want, Got uuid.UUID
}

func (e *EpochError) Error() string {
	return fmt.Sprintf("stream is of epoch %s from position %d on, expected epoch %s: the log was restored: run `%s`", e.Got, e.Position, e.Want, doctor)
}

// Unwrap makes errors.Is(err, ErrEpoch) true.
func (e *EpochError) Unwrap() error { return ErrEpoch }
