package service

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"

	"waybill/api/auth"
	"waybill/api/dispatch"
	"waybill/api/problem"
)

// get finds a header whatever its case: NATS headers keep theirs, and those of HTTP have none.
func get(h nats.Header, name string) string {
	if v := h.Get(name); v != "" {
		return v
	}
	for k, values := range h {
		if len(values) > 0 && strings.EqualFold(k, name) {
			return values[0]
		}
	}
	return ""
}

// Request reads what the headers of a message say of a command: Authorization, Content-Type, Idempotency-Key,
// Expected-Version, Dry-Run, Correlation-Id, Causation-Id, traceparent and Request-Id. The caller adds type and body.
func Request(ctx context.Context, a auth.Authenticator, h nats.Header, log *slog.Logger) (dispatch.Request, *problem.Problem) {
	req := dispatch.Request{
		MediaType: get(h, "Content-Type"), Key: get(h, "Idempotency-Key"), CorrelationID: get(h, "Correlation-Id"),
		CausationID: get(h, "Causation-Id"), Traceparent: get(h, "traceparent"), RequestID: get(h, "Request-Id"),
	}
	if len(req.RequestID) > 64 {
		req.RequestID = ""
	}
	principal, err := a.Authenticate(ctx, get(h, "Authorization"))
	if errors.Is(err, auth.ErrUnknownCredential) {
		return req, problem.New(problem.Unauthenticated, "an API key is needed in the header Authorization: Bearer wb_…")
	}
	if err != nil {
		log.ErrorContext(ctx, "cannot authenticate", slog.Any("error", err))
		return req, problem.New(problem.Unavailable, "it cannot be found out at the moment who you are")
	}
	req.Principal = principal
	if v := get(h, "Expected-Version"); v != "" {
		expected, err := strconv.ParseInt(strings.Trim(v, `"`), 10, 64)
		if err != nil || expected < 0 {
			return req, problem.New(problem.InvalidParameter, "Expected-Version is a version, such as 7").At("header.Expected-Version", "must be a version")
		}
		req.Expected = &expected
	}
	if v := get(h, "Dry-Run"); v != "" {
		if req.DryRun, err = strconv.ParseBool(v); err != nil {
			return req, problem.New(problem.InvalidParameter, "Dry-Run is true or false").At("header.Dry-Run", "must be true or false")
		}
	}
	return req, nil
}

// ReplyHeader says in headers what HTTP says in its own.
func ReplyHeader(r *dispatch.Reply) nats.Header {
	h := nats.Header{"Content-Type": {r.ContentType()}}
	if r.Key != "" {
		h.Set("Idempotency-Key", r.Key)
	}
	if r.Replayed {
		h.Set("Idempotency-Replayed", "true")
	}
	if r.HasVersion {
		h.Set("Version", strconv.FormatInt(r.Version, 10))
	}
	if r.Position > 0 {
		h.Set("Consistency-Token", strconv.FormatInt(r.Position, 10))
	}
	return h
}
