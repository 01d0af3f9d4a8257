package problem

import (
	"net/http"
	"slices"
	"time"
)

// The codes of problems that the edges themselves find. Codes of refusals come from the domain and stand in
// refusals.go.
const (
	Malformed        = "malformed"
	InvalidParameter = "invalid-parameter"
	UnknownCommand   = "unknown-command"
	UnsupportedMedia = "unsupported-media-type"
	NotAcceptable    = "not-acceptable"
	TooLarge         = "too-large"
	TooDeep          = "too-deep"
	TooManyItems     = "too-many-items"
	KeyRequired      = "idempotency-key-required"
	InvalidKey       = "invalid-idempotency-key"
	KeyReused        = "idempotency-key-reused"
	InFlight         = "command-in-flight"
	VersionMismatch  = "version-mismatch"
	Contended        = "contended"
	OutcomeUnknown   = "outcome-unknown"
	Unauthenticated  = "unauthenticated"
	Forbidden        = "forbidden"
	ChannelForbidden = "channel-forbidden"
	NotFound         = "not-found"
	MethodNotAllowed = "method-not-allowed"
	OrderNotFound    = "order-not-found"
	StockNotFound    = "stock-not-found"
	CommandNotFound  = "command-not-found"
	VersionNotFound  = "version-not-found"
	ProjectionBehind = "projection-behind"
	RateLimited      = "rate-limited"
	Overloaded       = "overloaded"
	Unavailable      = "unavailable"
	Draining         = "draining"
	TimedOut         = "timed-out"
	StreamLimit      = "stream-limit"
	Internal         = "internal"
)

// Entry is what there is to know of a code.
type Entry struct {
	Code       string
	Title      string
	Status     int
	Retryable  bool
	RetryAfter time.Duration // zero: no advice
	Means      string        // what has happened, whole sentences
	Do         string        // what to do about it, whole sentences
}

// Lookup returns the entry of a code, of the edges or of the domain.
func Lookup(code string) (Entry, bool) {
	if e, ok := edge(code); ok {
		return e, true
	}
	return refusal(code)
}

// Codes returns every code of the vocabulary, sorted.
func Codes() []string {
	return slices.Sorted(slices.Values(slices.Concat(edgeCodes(), refusalCodes())))
}

func edgeCodes() []string {
	return []string{
		Malformed, InvalidParameter, UnknownCommand, UnsupportedMedia, NotAcceptable, TooLarge, TooDeep, TooManyItems,
		KeyRequired, InvalidKey, KeyReused, InFlight, VersionMismatch, Contended, OutcomeUnknown, Unauthenticated, Forbidden,
		ChannelForbidden, NotFound, MethodNotAllowed, OrderNotFound, StockNotFound, CommandNotFound,
		VersionNotFound, ProjectionBehind, RateLimited, Overloaded, Unavailable, Draining, TimedOut, StreamLimit, Internal,
	}
}

func edge(code string) (Entry, bool) {
	e := Entry{Code: code}
	switch code {
	case Malformed:
		e.Title, e.Status = "The request is malformed", http.StatusBadRequest
		e.Means = "The body could not be read as the command it claims to be: bad syntax, an unknown or doubled field, a wrong type, a number with a fraction or beyond 64 bits, text that is not UTF-8, or something after the end. Nothing was stored, and the idempotency key is still free."
		e.Do = "Correct the places named in errors[] and send it again; the same Idempotency-Key may be used."
	case InvalidParameter:
		e.Title, e.Status = "A parameter is invalid", http.StatusBadRequest
		e.Means = "A parameter in the path, the query or a header is missing, unknown, or has a value that is not allowed."
		e.Do = "See errors[] for which one, and /openapi.json for what is allowed."
	case UnknownCommand:
		e.Title, e.Status = "No such command", http.StatusNotFound
		e.Means = "The envelope names a command type that this engine does not take from outside. Confirming, rejecting and expiring orders, for example, is the work of its processes."
		e.Do = "Use one of the types listed in /openapi.json."
	case UnsupportedMedia:
		e.Title, e.Status = "Media type not supported", http.StatusUnsupportedMediaType
		e.Means = "Bodies are application/json or application/msgpack; batches are application/x-ndjson."
		e.Do = "Send the Content-Type that fits the body."
	case NotAcceptable:
		e.Title, e.Status = "No acceptable media type", http.StatusNotAcceptable
		e.Means = "The Accept header rules out everything that this address can answer with."
		e.Do = "Accept application/json."
	case TooLarge:
		e.Title, e.Status = "The body is too large", http.StatusRequestEntityTooLarge
		e.Means = "The body is longer than the limit, which is 256 KiB for a command unless configured otherwise."
		e.Do = "Split it, or send a batch: its limit is for each line."
	case TooDeep:
		e.Title, e.Status = "The body is nested too deeply", http.StatusBadRequest
		e.Means = "Arrays and objects may nest 32 levels deep."
		e.Do = "Send the shape that /openapi.json documents."
	case TooManyItems:
		e.Title, e.Status = "Too many items", http.StatusRequestEntityTooLarge
		e.Means = "A list in the body is longer than it may be; an order has at most 1,000 lines."
		e.Do = "Split it into several commands."
	case KeyRequired:
		e.Title, e.Status = "An Idempotency-Key is required", http.StatusBadRequest
		e.Means = "This server is configured to take only commands that can safely be sent again."
		e.Do = "Send a header Idempotency-Key with a fresh UUID, and the same one on every attempt."
	case InvalidKey:
		e.Title, e.Status = "The Idempotency-Key is invalid", http.StatusBadRequest
		e.Means = "A key is 1 to 100 printable ASCII characters."
		e.Do = "A UUID is a good key."
	case KeyReused:
		e.Title, e.Status = "The Idempotency-Key was used for another command", http.StatusUnprocessableEntity
		e.Means = "A key names one command for ever. This key was sent before with another body, type or target. Nothing was done this time."
		e.Do = "Use a fresh key for a new command. To see what the first one did: GET /v1/commands/{key}."
	case InFlight:
		e.Title, e.Status, e.Retryable, e.RetryAfter = "The command is being carried out", http.StatusConflict, true, time.Second
		e.Means = "A command with this key is being carried out at this moment."
		e.Do = "Send it again in a moment: the answer will be the outcome of the first."
	case VersionMismatch:
		e.Title, e.Status = "The version has moved on", http.StatusPreconditionFailed
		e.Means = "If-Match (over NATS: Expected-Version) named a version that the aggregate no longer has, or never had. Nothing was stored, and the idempotency key is still free."
		e.Do = "Read the aggregate again, decide again, and send the command with its new version; or leave the header out if any version will do."
	case Contended:
		e.Title, e.Status, e.Retryable, e.RetryAfter = "Too many writers at once", http.StatusServiceUnavailable, true, time.Second
		e.Means = "The aggregate kept changing under every attempt to decide the command. Nothing was stored."
		e.Do = "Send it again with the same key."
	case OutcomeUnknown:
		e.Title, e.Status, e.Retryable, e.RetryAfter = "The outcome is not known yet", http.StatusServiceUnavailable, true, time.Second
		e.Means = "The connection to the log was lost, or time ran out, while the command was being stored. It may or may not have taken effect."
		e.Do = "Send it again with the same key, or ask GET /v1/commands/{key}: it cannot take effect twice."
	case Unauthenticated:
		e.Title, e.Status = "Who are you?", http.StatusUnauthorized
		e.Means = "The request carries no API key, or one that is unknown or revoked."
		e.Do = "Send Authorization: Bearer wb_… with a key that is valid."
	case Forbidden:
		e.Title, e.Status = "Not allowed", http.StatusForbidden
		e.Means = "The API key is valid, but lacks the scope that this needs."
		e.Do = "Use a key with the scope that detail names, or ask an administrator for one."
	case ChannelForbidden:
		e.Title, e.Status = "Not allowed in this channel", http.StatusForbidden
		e.Means = "The API key is restricted to certain channels, and the command names another."
		e.Do = "Name one of the key's own channels, or use another key."
	case NotFound:
		e.Title, e.Status = "No such page", http.StatusNotFound
		e.Means = "Nothing is served at this address."
		e.Do = "See /openapi.json for what there is."
	case MethodNotAllowed:
		e.Title, e.Status = "Method not allowed", http.StatusMethodNotAllowed
		e.Means = "The address exists, but not for this method; the Allow header lists the ones it has."
		e.Do = "Use one of those."
	case OrderNotFound:
		e.Title, e.Status = "No such order", http.StatusNotFound
		e.Means = "There is no order with this id at the point in time that was asked for."
		e.Do = "Check the id. A fresh order may not be visible yet: pass the Consistency-Token of the reply that placed it."
	case StockNotFound:
		e.Title, e.Status = "No such stock item", http.StatusNotFound
		e.Means = "Nothing was ever received, counted or configured for this SKU at this location."
		e.Do = "Check both names; spaces and slashes in the address must be percent-encoded."
	case CommandNotFound:
		e.Title, e.Status = "No such command", http.StatusNotFound
		e.Means = "There is no outcome under this command id, nor under this idempotency key of yours. It was never sent, is still on its way, or was malformed: such commands are not stored."
		e.Do = "If you expected one, send the command again with the same key."
	case VersionNotFound:
		e.Title, e.Status = "No such version", http.StatusNotFound
		e.Means = "The aggregate has not reached the version or position that was asked for."
		e.Do = "Ask for one up to its current version."
	case ProjectionBehind:
		e.Title, e.Status, e.Retryable, e.RetryAfter = "The read model is behind", http.StatusServiceUnavailable, true, time.Second
		e.Means = "The query asked for a read model that has seen a certain position (min_position or Consistency-Token), and it did not get there in the time allowed. An older answer would have been wrong, so none is given."
		e.Do = "Ask again, or allow more time with Prefer: wait=N (seconds)."
	case RateLimited:
		e.Title, e.Status, e.Retryable, e.RetryAfter = "Too many requests", http.StatusTooManyRequests, true, time.Second
		e.Means = "This principal sends more requests than it may."
		e.Do = "Slow down; Retry-After says when the next one is welcome."
	case Overloaded:
		e.Title, e.Status, e.Retryable, e.RetryAfter = "The server is busy", http.StatusServiceUnavailable, true, time.Second
		e.Means = "As many requests as this server works on at a time are being worked on. This one was not started."
		e.Do = "Send it again after Retry-After, with the same key."
	case Unavailable:
		e.Title, e.Status, e.Retryable, e.RetryAfter = "A part that this needs is unavailable", http.StatusServiceUnavailable, true, 2*time.Second
		e.Means = "The database, or another part that the request needs, cannot be reached at the moment."
		e.Do = "Send it again with the same key. GET /readyz?verbose says which part it is."
	case Draining:
		e.Title, e.Status, e.Retryable, e.RetryAfter = "The server is shutting down", http.StatusServiceUnavailable, true, time.Second
		e.Means = "This instance finishes what it has begun and takes nothing new."
		e.Do = "Send it again: another instance, or this one after its restart, will take it."
	case TimedOut:
		e.Title, e.Status, e.Retryable, e.RetryAfter = "Time ran out", http.StatusServiceUnavailable, true, time.Second
		e.Means = "The request took longer than it may. A query had no effect; a command may have one (see outcome-unknown)."
		e.Do = "Send it again, commands with the same key."
	case StreamLimit:
		e.Title, e.Status, e.Retryable, e.RetryAfter = "Too many open event streams", http.StatusServiceUnavailable, true, 5*time.Second
		e.Means = "As many clients as this server serves follow /v1/stream already."
		e.Do = "Close streams that are not needed, or follow the events over NATS."
	case Internal:
		e.Title, e.Status, e.Retryable = "Internal error", http.StatusInternalServerError, true
		e.Means = "A fault of this program. What happened is in its log under the request id."
		e.Do = "Report it with the request id. A command may be sent again with the same key."
	default:
		return Entry{}, false
	}
	return e, true
}
