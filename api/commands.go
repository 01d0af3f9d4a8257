package api

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"waybill/api/dispatch"
	"waybill/api/problem"
	"waybill/api/wire"
	"waybill/internal/failpoint"
)

// bodies are buffers for request bodies.
type bodies struct{ pool sync.Pool }

func (b *bodies) get() *bytes.Buffer {
	if buf, ok := b.pool.Get().(*bytes.Buffer); ok {
		buf.Reset()
		return buf
	}
	return new(bytes.Buffer)
}

func (b *bodies) put(buf *bytes.Buffer) {
	if buf.Cap() <= 64<<10 {
		b.pool.Put(buf)
	}
}

// body reads a request body up to the limit.
func (s *Server) body(buf *bytes.Buffer, w http.ResponseWriter, r *http.Request) *problem.Problem {
	if r.ContentLength > s.cfg.MaxBody {
		return tooLarge(s.cfg.MaxBody)
	}
	_, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, s.cfg.MaxBody))
	if err == nil {
		return nil
	}
	if isTooLarge(err) {
		return tooLarge(s.cfg.MaxBody)
	}
	return problem.New(problem.Malformed, "the body could not be read to its end").At("body", "ends early, or took too long")
}

func tooLarge(limit int64) *problem.Problem {
	return problem.New(problem.TooLarge, "the body is larger than %d bytes", limit)
}

// commandRoutes makes the routes of all commands from their table.
func (s *Server) commandRoutes() []*route {
	var routes []*route
	for i := range s.dispatch.Table().Specs {
		spec := &s.dispatch.Table().Specs[i]
		routes = append(routes, &route{method: http.MethodPost, path: spec.Path, scope: spec.Scope, handle: s.command(spec)})
	}
	return append(routes,
		&route{method: http.MethodPost, path: "/v1/commands", anyScope: writeScopes(), handle: s.envelope},
		&route{method: http.MethodPost, path: "/v1/commands:batch", anyScope: writeScopes(), handle: s.batch},
		&route{method: http.MethodGet, path: "/v1/commands/{id}", anyScope: anyScopes(), handle: s.outcome},
	)
}

// pathFields returns the names in braces of a path: fields of the payload.
func pathFields(path string) []string {
	var names []string
	for part := range strings.SplitSeq(path, "/") {
		if strings.HasPrefix(part, "{") {
			names = append(names, strings.Trim(part, "{}"))
		}
	}
	return names
}

// command answers the route of one command.
func (s *Server) command(spec *wire.Spec) handler {
	fields := pathFields(spec.Path)
	return func(w http.ResponseWriter, r *http.Request, c *call) {
		req, p := s.request(r, c)
		if p != nil {
			writeProblem(w, c, p)
			return
		}
		buf := s.bodies.get()
		defer s.bodies.put(buf)
		if p := s.body(buf, w, r); p != nil {
			writeProblem(w, c, p)
			return
		}
		req.Type, req.Body = spec.Type, buf.Bytes()
		if len(fields) > 0 {
			req.Target = make(map[string]string, len(fields))
			for _, f := range fields {
				req.Target[f] = r.PathValue(f)
			}
		}
		reply := s.dispatch.Do(r.Context(), &req)
		writeReply(w, &reply)
		_ = failpoint.Hit(r.Context(), failpoint.CommandAfterReply) // nobody is left to be told of an error
	}
}

// envelope answers POST /v1/commands.
func (s *Server) envelope(w http.ResponseWriter, r *http.Request, c *call) {
	req, p := s.request(r, c)
	if p != nil {
		writeProblem(w, c, p)
		return
	}
	buf := s.bodies.get()
	defer s.bodies.put(buf)
	if p := s.body(buf, w, r); p != nil {
		writeProblem(w, c, p)
		return
	}
	req.Body = buf.Bytes()
	reply := s.dispatch.Envelope(r.Context(), &req)
	writeReply(w, &reply)
}

// outcome answers GET /v1/commands/{id}.
func (s *Server) outcome(w http.ResponseWriter, r *http.Request, c *call) {
	reply := s.dispatch.Outcome(r.Context(), c.principal, r.PathValue("id"), c.requestID)
	reply.Key = ""
	writeReply(w, &reply)
}

// request reads the headers and parameters that all commands share.
func (s *Server) request(r *http.Request, c *call) (dispatch.Request, *problem.Problem) {
	req := dispatch.Request{
		Principal: c.principal, MediaType: r.Header.Get("Content-Type"), Key: r.Header.Get("Idempotency-Key"), RequestID: c.requestID,
		CorrelationID: r.Header.Get("Correlation-Id"), CausationID: r.Header.Get("Causation-Id"), Traceparent: traceparent(r.Header.Get("Traceparent")),
	}
	if p := checkHeaders(r.Header); p != nil {
		return req, p
	}
	var p *problem.Problem
	if req.Expected, p = ifMatch(r.Header.Get("If-Match")); p != nil {
		return req, p
	}
	if r.URL.RawQuery == "" {
		return req, nil
	}
	for name, values := range r.URL.Query() {
		if name != "dry_run" {
			return req, problem.New(problem.InvalidParameter, "there is no parameter %q", name).At("query."+name, "is not a parameter of this route")
		}
		dry, err := strconv.ParseBool(values[len(values)-1])
		if err != nil {
			return req, problem.New(problem.InvalidParameter, "dry_run is true or false").At("query.dry_run", "must be true or false")
		}
		req.DryRun = dry
	}
	return req, nil
}

// checkHeaders refuses headers that would be passed over in silence: a key that is none, two of them, a coding of the body.
func checkHeaders(h http.Header) *problem.Problem {
	if keys := h.Values("Idempotency-Key"); len(keys) > 1 {
		return problem.New(problem.InvalidKey, "Idempotency-Key stands %d times", len(keys)).At("header.Idempotency-Key", "stands more than once")
	} else if len(keys) == 1 && keys[0] == "" {
		return dispatch.CheckKey("")
	}
	if coding := h.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return problem.New(problem.UnsupportedMedia, "Content-Encoding %q is not taken: send the body as it is", coding).
			At("header.Content-Encoding", "must be absent")
	}
	return nil
}

// ifMatch reads the version that the aggregate must have: a strong entity tag such as "7", or nothing. "*" asks for
// what every command on an existing aggregate needs anyway.
func ifMatch(header string) (*int64, *problem.Problem) {
	if header == "" || header == "*" {
		return nil, nil
	}
	text := strings.TrimSpace(header)
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		text = text[1 : len(text)-1]
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil || v < 0 {
		return nil, problem.New(problem.InvalidParameter, `If-Match is one version in quotes, such as "7"`).At("header.If-Match", `must be one version in quotes, such as "7"`)
	}
	return &v, nil
}

// traceparent passes on a W3C trace context, and drops what is none.
func traceparent(header string) string {
	if len(header) != 55 || header[2] != '-' || header[35] != '-' || header[52] != '-' {
		return ""
	}
	for i := range len(header) {
		if c := header[i]; c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return ""
		}
	}
	return header
}

// writeReply answers a command.
func writeReply(w http.ResponseWriter, reply *dispatch.Reply) {
	h := w.Header()
	h.Set("Content-Type", reply.ContentType())
	h.Set("Content-Length", strconv.Itoa(len(reply.Body)))
	if reply.Key != "" {
		h.Set("Idempotency-Key", reply.Key)
	}
	if reply.Replayed {
		h.Set("Idempotency-Replayed", "true")
	}
	if reply.HasVersion {
		h.Set("Etag", `"`+strconv.FormatInt(reply.Version, 10)+`"`)
	}
	if reply.Position > 0 {
		h.Set("Consistency-Token", strconv.FormatInt(reply.Position, 10))
	}
	if reply.OrderID != "" {
		h.Set("Location", "/v1/orders/"+reply.OrderID)
	}
	if reply.Problem != nil {
		retryAfter(h, reply.Problem)
	}
	w.WriteHeader(reply.Status)
	_, _ = w.Write(reply.Body) // the client went away: its key finds the outcome
}
