// Package domain holds what all aggregates share: the interface of a refusal, the instant that every
// command and event carries, the mark on personal data, and the checks on names and text.
//
// It decides nothing itself: the rules live in the aggregate packages order and stock. Everything below
// this folder is pure: no clock, no randomness, no input or output, no goroutine. Time and ids come in with the
// command, so a decision can be replayed and always comes out the same.
package domain

import (
	"strconv"
	"time"
)

// Refusal is a decision against a command: the command was understood, the rules or the state do not
// allow it, and nothing has happened. Concrete refusals are structs whose exported fields carry the
// values that matter (what was asked, what would be possible), with json tags.
//
// A decider returns a Refusal, or any other error for a fault in the program, or events, or nothing at all (already
// done). Match with errors.AsType[order.HoldActive] or read the code.
type Refusal interface {
	error
	// RefusalCode is a stable kebab-case code: never renamed, never reused.
	RefusalCode() string
}

// Time is an instant in microseconds since the Unix epoch, UTC: the precision of the log. Zero is "not set". Instants
// are compared with the ordinary operators. It is stored as an integer.
type Time int64

// TimeOf returns t cut to microseconds. The zero time.Time becomes the zero Time.
func TimeOf(t time.Time) Time {
	if t.IsZero() {
		return 0
	}
	return Time(t.UnixMicro())
}

// Time returns t as a time.Time in UTC; the zero Time becomes the zero time.Time.
func (t Time) Time() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(t)).UTC()
}

// IsZero reports whether t is not set.
func (t Time) IsZero() bool { return t == 0 }

// Add returns t moved by d, cut to microseconds.
func (t Time) Add(d time.Duration) Time { return t + Time(d/time.Microsecond) }

// String returns t in RFC 3339 with microseconds, or "" for the zero Time.
func (t Time) String() string {
	if t == 0 {
		return ""
	}
	return t.Time().Format("2006-01-02T15:04:05.000000Z07:00")
}

// MarshalJSON writes t in RFC 3339, or null for the zero Time.
func (t Time) MarshalJSON() ([]byte, error) {
	if t == 0 {
		return []byte("null"), nil
	}
	return strconv.AppendQuote(nil, t.String()), nil
}

// InvalidField refuses a command with a field that no state would accept.
type InvalidField struct {
	Field  string `json:"field"`  // path of the field, such as "lines[3].sku"
	Reason string `json:"reason"` // what is wrong with it
}

// Error implements error.
func (r InvalidField) Error() string { return r.Field + " " + r.Reason }

// RefusalCode implements [Refusal].
func (InvalidField) RefusalCode() string { return "invalid-field" }

// LimitExceeded refuses a command with more or larger things than the engine takes.
type LimitExceeded struct {
	Field  string `json:"field"`  // path of the field, such as "lines"
	Limit  int64  `json:"limit"`  // the most that is taken
	Actual int64  `json:"actual"` // what was given
	Unit   string `json:"unit"`   // what is counted: "bytes", "lines", "units", …
}

// Error implements error.
func (r LimitExceeded) Error() string {
	return r.Field + " has " + strconv.FormatInt(r.Actual, 10) + " " + r.Unit + ", the limit is " + strconv.FormatInt(r.Limit, 10)
}

// RefusalCode implements [Refusal].
func (LimitExceeded) RefusalCode() string { return "limit-exceeded" }
