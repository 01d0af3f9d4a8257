package projections

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The reasons for which a runner stops or a caller has to decide. Most come wrapped in an error with the values.
var (
	// ErrEpoch is matched when the log was restored and the read model was folded from the log before that.
	ErrEpoch = errors.New("read model is of another epoch than the log")
	// ErrAhead is matched when a read model has seen more than the log has.
	ErrAhead = errors.New("read model is ahead of the log")
	// ErrHole is matched when the log lacks a position: its first promise is broken.
	ErrHole = errors.New("log has a hole")
	// ErrBehind is matched when a read model has not seen a position that was asked for.
	ErrBehind = errors.New("projection is behind")
	// ErrUnknown is matched when there is no such projection, or no such version of it.
	ErrUnknown = errors.New("no such projection")
	// ErrParked is matched when a parked event still cannot be applied.
	ErrParked = errors.New("event is parked")
	// ErrSchemaChanged is matched when the tables of a version were made by other SQL than the program now has.
	ErrSchemaChanged = errors.New("schema was changed without a new version")
	// ErrTooManyParked is matched when so many keys would be parked that the fault is not in the events.
	ErrTooManyParked = errors.New("too many parked keys")
	// ErrLive is matched when something is asked for that is not possible with the live version.
	ErrLive = errors.New("version is live")
)

// errFenced means that the checkpoint is not where this runner left it: another runner, or an operator, moved it.
var errFenced = errors.New("checkpoint was moved by another runner")

// EpochError says which epochs do not agree.
type EpochError struct {
	Projection string
	Source     string    // what has the other epoch: "log" or "feed"
	Checkpoint uuid.UUID // epoch of the checkpoint
	Other      uuid.UUID
}

func (e *EpochError) Error() string {
	return fmt.Sprintf("projection %s is of epoch %s, the %s is of epoch %s: the log was restored: run `%s`",
		e.Projection, e.Checkpoint, e.Source, e.Other, e.Run())
}

// Unwrap makes errors.Is(err, ErrEpoch) true.
func (e *EpochError) Unwrap() error { return ErrEpoch }

// Run returns the command that helps: if log and checkpoint agree, it is the stream that has to be made anew.
func (e *EpochError) Run() string {
	if e.Source == "feed" {
		return "waybill doctor"
	}
	return "waybill projections rebuild " + e.Projection
}

// AheadError says that a checkpoint is past the end of a log of the same epoch: the log lost its tail without being
// given a new epoch, or what is read is a replica that lags.
type AheadError struct {
	Projection     string
	Position, Head int64
}

func (e *AheadError) Error() string {
	return fmt.Sprintf("projection %s has seen position %d, the log ends at %d: the log lost its end: run `waybill doctor`", e.Projection, e.Position, e.Head)
}

// Unwrap makes errors.Is(err, ErrAhead) true.
func (e *AheadError) Unwrap() error { return ErrAhead }

// Run returns the command that helps.
func (e *AheadError) Run() string { return "waybill doctor" }

// HoleError says which position was due and which came.
type HoleError struct{ Want, Got int64 }

func (e *HoleError) Error() string {
	return fmt.Sprintf("log has position %d where %d was due: run `waybill verify`", e.Got, e.Want)
}

// Unwrap makes errors.Is(err, ErrHole) true.
func (e *HoleError) Unwrap() error { return ErrHole }

// BehindError says how far a read model is, and what was asked for.
type BehindError struct {
	Projection     string
	Position, Want int64
}

func (e *BehindError) Error() string {
	return fmt.Sprintf("projection %s is at position %d, %d was asked for", e.Projection, e.Position, e.Want)
}

// Unwrap makes errors.Is(err, ErrBehind) true.
func (e *BehindError) Unwrap() error { return ErrBehind }

// UnknownError names the version that there is not; Version 0 stands for the live one.
type UnknownError struct {
	Projection string
	Version    int
}

func (e *UnknownError) Error() string {
	if e.Version == 0 {
		return fmt.Sprintf("projection %s has no live version", e.Projection)
	}
	return fmt.Sprintf("projection %s has no version %d", e.Projection, e.Version)
}

// Unwrap makes errors.Is(err, ErrUnknown) true.
func (e *UnknownError) Unwrap() error { return ErrUnknown }

// ParkedError says which event could not be applied when its key was tried again.
type ParkedError struct {
	Projection, Key string
	Position        int64
	Err             error
}

func (e *ParkedError) Error() string {
	return fmt.Sprintf("projection %s, key %s: event %d: %v", e.Projection, e.Key, e.Position, e.Err)
}

// Unwrap makes errors.Is(err, ErrParked) true, and the reason visible.
func (e *ParkedError) Unwrap() []error { return []error{ErrParked, e.Err} }

// fault sorts the errors of a batch by what is to be done about them.
type fault int

const (
	faultEvent     fault = iota // the event, or the code that folds it: it will fail again
	faultTransient              // the way to the database, its tables, or a neighbour: try again
	faultSlow                   // a statement ran out of time: try again, but not for ever
)

func classify(err error) fault {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch pg.Code {
		case "40001", "40P01", "55P03": // serialization failure, deadlock, lock not available
			return faultTransient
		case "57014": // statement timeout
			return faultSlow
		case "42P01", "42703", "3F000": // undefined table, column, schema: somebody changed the tables, for every event
			return faultTransient
		}
		switch pg.Code[:2] {
		case "08", "53", "57", "58", "XX": // connection, resources, operator intervention, system, internal error
			return faultTransient
		}
		return faultEvent
	}
	if errors.Is(err, pgx.ErrTxCommitRollback) {
		return faultEvent // Apply went on after a statement had failed, and said nothing
	}
	if _, ok := errors.AsType[*applyError](err); ok && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) && !isConnection(err) {
		return faultEvent
	}
	return faultTransient
}

// isConnection tells whether the connection broke under a statement: its error is not one of the server's.
func isConnection(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	return pgconn.SafeToRetry(err) || isNetwork(err)
}

// applyError marks what came out of Projection.Apply, Key or the decoding of an event.
type applyError struct{ err error }

func (e *applyError) Error() string { return e.err.Error() }
func (e *applyError) Unwrap() error { return e.err }
