package api

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/time/rate"

	"waybill/api/auth"
	"waybill/api/problem"
)

// recorder remembers what was answered. It passes flushing and deadlines through.
type recorder struct {
	http.ResponseWriter

	status   int
	override int // status in place of the one that the framework sends
}

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) {
	if w.override != 0 {
		status = w.override
	}
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// serve is the guard: every request to every route passes here.
func (s *Server) serve(rw http.ResponseWriter, r *http.Request, rt *route) {
	start := s.now()
	w := &recorder{ResponseWriter: rw}
	c := &call{requestID: requestID(r), route: rt}
	rw.Header().Set("Request-Id", c.requestID)
	rw.Header().Set("X-Content-Type-Options", "nosniff")
	defer s.finish(w, r, c, start)
	if !rt.uncounted {
		// Queries may wait for their read model; they must not take the room of the commands that move it.
		places := &s.queries
		if rt.method == http.MethodPost {
			places = &s.commands
		}
		if places.Add(1) > int64(s.cfg.MaxInFlight) {
			places.Add(-1)
			writeProblem(w, c, problem.New(problem.Overloaded, "%d such requests are being worked on already", s.cfg.MaxInFlight))
			return
		}
		s.metrics.inFlight.Inc()
		defer func() {
			places.Add(-1)
			s.metrics.inFlight.Dec()
		}()
	}
	if !rt.open {
		if p := s.admit(r, c); p != nil {
			if p.Code == problem.Unauthenticated {
				rw.Header().Set("WWW-Authenticate", `Bearer realm="waybill"`)
			}
			writeProblem(w, c, p)
			return
		}
	}
	if p := checkAddress(r, rt); p != nil {
		writeProblem(w, c, p)
		return
	}
	rt.handle(w, r, c)
}

// checkAddress refuses names that nothing can have, and a query of which a part would be passed over. How long a name or
// a value may be is for whoever reads it to say.
func checkAddress(r *http.Request, rt *route) *problem.Problem {
	for _, name := range rt.fields {
		if !isText(r.PathValue(name)) {
			return invalidParameter("path."+name, "is not text")
		}
	}
	if r.URL.RawQuery == "" || rt.path == "/" {
		return nil
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return problem.New(problem.InvalidParameter, "the query cannot be read: %v", err).At("query", err.Error())
	}
	for name, values := range query {
		if !isText(name) {
			return invalidParameter("query", "has a parameter whose name is not text")
		}
		if slices.ContainsFunc(values, func(v string) bool { return !isText(v) }) {
			return invalidParameter("query."+name, "is not text")
		}
	}
	return nil
}

// isText tells whether s is text that can be stored: valid UTF-8 without NUL.
func isText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// admit finds the principal and checks what it may do.
func (s *Server) admit(r *http.Request, c *call) *problem.Problem {
	p, err := s.cfg.Auth.Authenticate(r.Context(), r.Header.Get("Authorization"))
	switch {
	case errors.Is(err, auth.ErrUnknownCredential):
		s.log.InfoContext(r.Context(), "request not authenticated", slog.String("request_id", c.requestID), slog.String("route", c.route.pattern()))
		return problem.New(problem.Unauthenticated, "an API key is needed: Authorization: Bearer wb_…")
	case err != nil:
		s.log.ErrorContext(r.Context(), "cannot authenticate", slog.String("request_id", c.requestID), slog.Any("error", err))
		return problem.New(problem.Unavailable, "it cannot be found out at the moment who you are")
	}
	c.principal = p
	if !c.route.allows(p) {
		s.log.InfoContext(r.Context(), "request not allowed", slog.String("request_id", c.requestID), slog.String("principal", p.Name), slog.String("route", c.route.pattern()))
		return problem.New(problem.Forbidden, "this needs the scope %s", joinScopes(c.route.scopes()))
	}
	if wait := s.limits.reserve(p.Name, s.now()); wait > 0 {
		limited := problem.New(problem.RateLimited, "more than %v requests a second", s.cfg.Rate)
		limited.RetryAfter = wait
		return limited
	}
	return nil
}

func joinScopes(scopes []auth.Scope) string {
	names := make([]string, len(scopes))
	for i, s := range scopes {
		names[i] = string(s)
	}
	return strings.Join(names, " or ")
}

// finish counts and logs the request, and turns a panic into an answer.
func (s *Server) finish(w *recorder, r *http.Request, c *call, start time.Time) {
	if fault := recover(); fault != nil {
		if err, ok := fault.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(fault)
		}
		s.log.ErrorContext(r.Context(), "handler panicked", slog.String("request_id", c.requestID), slog.String("route", c.route.pattern()),
			slog.Any("panic", fault), slog.String("stack", string(debug.Stack())))
		if w.status == 0 {
			writeProblem(w, c, problem.Of(nil))
		}
	}
	took := s.now().Sub(start)
	status := w.status
	if status == 0 {
		status = 499 // the client went away before there was an answer
	}
	c.route.metrics.observe(status, took, c.route.uncounted)
	level := slog.LevelDebug
	if status >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	if !s.log.Enabled(r.Context(), level) {
		return
	}
	name := ""
	if c.principal != nil {
		name = c.principal.Name
	}
	s.log.LogAttrs(r.Context(), level, "request", slog.String("request_id", c.requestID), slog.String("route", c.route.pattern()),
		slog.String("principal", name), slog.Int("status", status), slog.Duration("took", took))
}

// requestID takes over the caller's id if it is harmless, and makes one otherwise.
func requestID(r *http.Request) string {
	for _, h := range []string{"Request-Id", "X-Request-Id"} {
		id := r.Header.Get(h)
		if id != "" && len(id) <= 64 && !strings.ContainsFunc(id, func(c rune) bool {
			return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("._-", c)
		}) {
			return id
		}
	}
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], rand.Uint64()) //nolint:gosec // names a request, guards nothing
	return "req_" + hex.EncodeToString(b[:])
}

// writeProblem answers with a problem document.
func writeProblem(w http.ResponseWriter, c *call, p *problem.Problem) {
	p.RequestID = c.requestID
	h := w.Header()
	h.Set("Content-Type", problem.ContentType)
	retryAfter(h, p)
	w.WriteHeader(p.Status)
	_, _ = w.Write(p.JSON()) // the client went away: there is nobody to tell
}

// retryAfter sets the header, in whole seconds, rounded up.
func retryAfter(h http.Header, p *problem.Problem) {
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.RetryAfter.Seconds()))))
	}
}

// limits are the token buckets of the principals.
type limits struct {
	rate  rate.Limit
	burst int

	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

// reserve takes a token, or says how long to wait for one.
func (l *limits) reserve(principal string, now time.Time) time.Duration {
	l.mu.Lock()
	b, ok := l.buckets[principal]
	if !ok {
		b = rate.NewLimiter(l.rate, l.burst)
		l.buckets[principal] = b
	}
	l.mu.Unlock()
	r := b.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

// wait takes a token as soon as there is one; it is false if ctx ended first.
func (l *limits) wait(ctx context.Context, principal string, now func() time.Time) bool {
	for {
		d := l.reserve(principal, now())
		if d <= 0 {
			return ctx.Err() == nil
		}
		t := time.NewTimer(d)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return false
		}
	}
}
