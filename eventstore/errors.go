package eventstore

import (
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// The reasons for which a commit does not take place. Each comes wrapped in an error that carries the values.
var (
	// ErrConflict is matched when a stream has another version than the commit expected.
	ErrConflict = errors.New("stream has another version")
	// ErrDuplicateCommand is matched when the command already has an outcome.
	ErrDuplicateCommand = errors.New("command already has an outcome")
	// ErrClaimed is matched when another commit holds a claim.
	ErrClaimed = errors.New("key is already claimed")
	// ErrInvalid is matched when a commit breaks a rule of its form: the caller is at fault, and nothing was queued.
	ErrInvalid = errors.New("invalid commit")
	// ErrOutcomeUnknown is matched when it could not be found out whether the commit took place. Ask [Outcomes] for
	// the command, or send the same command again: it cannot take effect twice.
	ErrOutcomeUnknown = errors.New("outcome unknown")
	// ErrClosed is matched when the log no longer takes commits; nothing was queued.
	ErrClosed = errors.New("log is closed")
	// ErrFenced is matched when the log has another epoch than this process started with: it was restored.
	ErrFenced = errors.New("log has another epoch")
)

// ConflictError says which stream stood elsewhere, and where.
type ConflictError struct {
	Stream           string
	Expected, Actual int64
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("stream %s is at version %d, expected %d", e.Stream, e.Actual, e.Expected)
}

// Unwrap makes errors.Is(err, ErrConflict) true.
func (e *ConflictError) Unwrap() error { return ErrConflict }

// DuplicateCommandError carries the outcome that the command already has.
type DuplicateCommandError struct{ Outcome Outcome }

func (e *DuplicateCommandError) Error() string {
	return fmt.Sprintf("command %s already has an outcome at position %d", e.Outcome.CommandID, e.Outcome.Receipt.First)
}

// Unwrap makes errors.Is(err, ErrDuplicateCommand) true.
func (e *DuplicateCommandError) Unwrap() error { return ErrDuplicateCommand }

// ClaimedError says who holds the key: the commit whose first event is at Position.
type ClaimedError struct {
	Key      string
	Position int64
}

func (e *ClaimedError) Error() string {
	return fmt.Sprintf("key %q is claimed by the commit at position %d", e.Key, e.Position)
}

// Unwrap makes errors.Is(err, ErrClaimed) true.
func (e *ClaimedError) Unwrap() error { return ErrClaimed }

// FencedError says which epoch was expected and which one the log has.
type FencedError struct{ Expected, Actual uuid.UUID }

func (e *FencedError) Error() string {
	return fmt.Sprintf("log has epoch %s, this process started with %s: the log was restored; restart this process", e.Actual, e.Expected)
}

// Unwrap makes errors.Is(err, ErrFenced) true.
func (e *FencedError) Unwrap() error { return ErrFenced }
