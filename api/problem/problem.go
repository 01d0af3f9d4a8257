// Package problem is the one vocabulary in which every edge says why a request did not do what it asked: RFC 9457
// problem documents, the same bytes over HTTP, NATS and the durable intake.
//
// Every problem has a code. Its title, status and explanation are found by [Lookup], and its type is the address of a
// page that this binary serves ([Page]). The package decides nothing: who refuses, and why, is the business of its
// callers.
package problem

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ContentType is the media type of a problem document.
const ContentType = "application/problem+json"

// Problem is a problem document. It is an error, so a function that finds one returns it as such.
//
// The document of a stored refusal holds nothing that differs from one answer to the next (no request id), so that a
// replay is equal to the byte.
type Problem struct { //nolint:errname // a document first, and an error so that functions can return it
	Type      string       `json:"type" doc:"Address of the page that explains the code"`
	Code      string       `json:"code" doc:"Stable kebab-case code: what programs branch on"`
	Title     string       `json:"title" doc:"The code in words"`
	Status    int          `json:"status" doc:"HTTP status, also sent over NATS"`
	Detail    string       `json:"detail,omitempty" doc:"What happened this time, for people"`
	Instance  string       `json:"instance,omitempty" doc:"What it happened to: the command, or the path that was asked for"`
	Retryable bool         `json:"retryable" doc:"True if the same request may well succeed later"`
	Errors    []FieldError `json:"errors,omitempty" doc:"Where the request is wrong"`

	CommandID string          `json:"command_id,omitempty" doc:"The command that was refused"`
	Stream    string          `json:"stream,omitempty" doc:"Whose state refused it"`
	State     string          `json:"state,omitempty" doc:"The state of that aggregate"`
	Version   *int64          `json:"version,omitempty" doc:"The version of that stream"`
	Values    json.RawMessage `json:"values,omitempty" doc:"What was asked and what would be possible"`
	Allowed   []string        `json:"allowed_commands,omitempty" doc:"Commands that the state allows"`
	DryRun    bool            `json:"dry_run,omitempty" doc:"Nothing was stored"`

	RequestID string `json:"request_id,omitempty" doc:"Names this request in the logs"`

	// RetryAfter is when it makes sense to ask again; it travels as a header.
	RetryAfter time.Duration `json:"-"`
}

// FieldError says where a request is wrong, and how.
type FieldError struct {
	Location string `json:"location" doc:"Path of the value, such as body.lines[3].sku"`
	Message  string `json:"message" doc:"What is wrong with it"`
}

// New returns the problem with the given code. A code that is not in the vocabulary becomes [Internal]: the catalogue's
// test keeps that from happening.
func New(code, format string, args ...any) *Problem {
	e, ok := Lookup(code)
	if !ok {
		e, _ = Lookup(Internal)
	}
	detail := format
	if len(args) > 0 {
		detail = fmt.Sprintf(format, args...)
	}
	return &Problem{
		Type: "/problems/" + e.Code, Code: e.Code, Title: e.Title, Status: e.Status, Detail: detail,
		Retryable: e.Retryable, RetryAfter: e.RetryAfter,
	}
}

// Refused returns the problem of a refusal by the domain. A code that is not in the vocabulary keeps its name and gets the
// status of a refusal.
func Refused(code, detail string) *Problem {
	e, ok := Lookup(code)
	if !ok {
		e = Entry{Code: code, Title: "The command was refused", Status: 422}
	}
	return &Problem{Type: "/problems/" + e.Code, Code: e.Code, Title: e.Title, Status: e.Status, Detail: detail, Retryable: e.Retryable, RetryAfter: e.RetryAfter}
}

// Of returns the problem that err carries, or [Internal] for an error that has none: what such an error says is for the
// log, not for the caller.
func Of(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	return New(Internal, "something went wrong here; the request id finds it in the log")
}

// At adds the place of an error within the request.
func (p *Problem) At(location, message string) *Problem {
	p.Errors = append(p.Errors, FieldError{Location: location, Message: message})
	return p
}

// Error implements error.
func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// GetStatus tells the HTTP layer the status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType tells the HTTP layer the media type.
func (p *Problem) ContentType(string) string { return ContentType }

// JSON returns the document. Values that are not JSON would be a fault of the program; they are left out then.
func (p *Problem) JSON() []byte {
	b, err := json.Marshal(p)
	if err != nil {
		q := *p
		q.Values = nil
		if b, err = json.Marshal(&q); err != nil {
			return []byte(`{"type":"/problems/internal","code":"internal","title":"Internal error","status":500,"retryable":true}`)
		}
	}
	return append(b, '\n')
}
