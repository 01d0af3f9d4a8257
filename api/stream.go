package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"waybill/api/auth"
	"waybill/api/problem"
	"waybill/api/wire"
	"waybill/eventstore"
)

// eventFilter says which events of the log are wanted; all conditions must hold.
type eventFilter struct {
	types       []string // any of them; one that ends in "." stands for all that begin with it
	stream      string
	order       string // everything that belongs to the order, whichever stream it stands in
	actor       string
	correlation string
}

func (f *eventFilter) wants(e *eventstore.Event, m *eventstore.Meta) bool {
	switch {
	case len(f.types) > 0 && !slices.ContainsFunc(f.types, func(t string) bool {
		return e.Type == t || strings.HasSuffix(t, ".") && strings.HasPrefix(e.Type, t)
	}):
		return false
	case f.stream != "" && e.Stream != f.stream,
		f.order != "" && m.Key != f.order,
		f.actor != "" && m.Actor != f.actor,
		f.correlation != "" && m.CorrelationID != f.correlation:
		return false
	}
	return true
}

// stream answers GET /v1/stream: the log as server-sent events, from any position on and then live. The id of every
// event is its position, so a client that comes back with Last-Event-ID misses nothing and sees nothing twice. A client
// that does not read is cut off: it, too, comes back where it was.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, c *call) {
	if s.streams.Add(1) > int64(s.cfg.MaxStreams) {
		s.streams.Add(-1)
		writeProblem(w, c, problem.New(problem.StreamLimit, "%d clients follow the events already", s.cfg.MaxStreams))
		return
	}
	s.metrics.streams.Inc()
	defer func() {
		s.streams.Add(-1)
		s.metrics.streams.Dec()
	}()
	f, after, p := s.streamRequest(r)
	if p != nil {
		writeProblem(w, c, p)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.stopping, cancel)()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	out := &eventWriter{w: w, rc: http.NewResponseController(w), timeout: s.cfg.WriteTimeout, now: s.now, reveal: c.principal.May(auth.PersonalRead)}
	// The time to read the request is over; from here on the connection only tells when the client is gone.
	if err := out.rc.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		writeProblem(w, c, problem.Of(err))
		return
	}
	w.WriteHeader(http.StatusOK)
	known := func() bool { // a stream may live long: a key that is revoked, or loses its scope, ends it
		p, err := s.cfg.Auth.Authenticate(ctx, r.Header.Get("Authorization"))
		return err == nil && c.route.allows(p) && p.May(auth.PersonalRead) == out.reveal
	}
	_ = s.follow(ctx, out, f, after, known) // the end of a stream is the client's business; it resumes by itself
}

// keyCheck is how often an open stream asks whether its key still holds. What is known of a key may be some seconds old
// itself; the two add up.
const keyCheck = time.Second

// follow sends events until something ends. It asks known every [keyCheck], busy or not.
func (s *Server) follow(ctx context.Context, out *eventWriter, f eventFilter, after int64, known func() bool) error {
	if err := out.send([]byte("retry: 2000\n: from " + strconv.FormatInt(after+1, 10) + "\n\n")); err != nil {
		return err
	}
	beat := time.NewTicker(s.cfg.Heartbeat)
	defer beat.Stop()
	check := time.NewTicker(keyCheck)
	defer check.Stop()
	for {
		select {
		case <-check.C:
			if !known() {
				return auth.ErrUnknownCredential
			}
		default:
		}
		events, changed, err := s.tail.After(ctx, after)
		if err != nil {
			return err
		}
		if len(events) == 0 {
			select {
			case <-changed:
			case <-check.C:
				if !known() {
					return auth.ErrUnknownCredential
				}
			case <-beat.C:
				// The position lets a client with a narrow filter resume near the head, not at its last event.
				if err := out.send([]byte(": hb\nid: " + strconv.FormatInt(after, 10) + "\n\n")); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
			continue
		}
		for i := range events {
			if err := out.event(&events[i], &f); err != nil {
				return err
			}
		}
		after = events[len(events)-1].Position
		if err := out.flush(); err != nil {
			return err
		}
	}
}

// streamRequest reads where to begin and what to send. Without a place to begin, it is the end of the log.
func (s *Server) streamRequest(r *http.Request) (_ eventFilter, after int64, _ *problem.Problem) {
	f, from, p := parseEventFilter(r.URL.Query())
	if p != nil {
		return f, 0, p
	}
	head, err := s.cfg.Log.Head(r.Context())
	if err != nil {
		return f, 0, problem.New(problem.Unavailable, "the log cannot be read at the moment")
	}
	// Last-Event-ID wins over from: a browser that reconnects repeats the address as it was.
	location := "query.from"
	switch last := r.Header.Get("Last-Event-ID"); {
	case last != "":
		location = "header.Last-Event-ID"
		if after, err = strconv.ParseInt(last, 10, 64); err != nil || after < 0 {
			return f, 0, invalidParameter(location, "must be a position")
		}
	case from != "":
		position, err := strconv.ParseInt(from, 10, 64)
		if err != nil || position < 0 {
			return f, 0, invalidParameter(location, "must be a position")
		}
		after = max(position-1, 0)
	default:
		after = head.Position
	}
	if after > head.Position {
		return f, 0, invalidParameter(location, fmt.Sprintf("is beyond the end of the log, which is %d: was the log restored?", head.Position))
	}
	return f, after, nil
}

func invalidParameter(location, message string) *problem.Problem {
	return problem.New(problem.InvalidParameter, "%s %s", location, message).At(location, message)
}

func parseEventFilter(q url.Values) (f eventFilter, from string, p *problem.Problem) {
	for name, values := range q {
		value := values[len(values)-1]
		switch name {
		case "from":
			from = value
		case "types":
			for _, v := range values {
				f.types = append(f.types, strings.FieldsFunc(v, func(r rune) bool { return r == ',' })...)
			}
		case "stream":
			f.stream = value
		case "order":
			f.order = value
		case "actor":
			f.actor = value
		case "correlation_id":
			f.correlation = value
		default:
			return f, "", invalidParameter("query."+name, "is not a parameter of this route")
		}
	}
	return f, from, nil
}

// eventWriter writes server-sent events, each within its time.
type eventWriter struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	timeout time.Duration
	now     func() time.Time
	reveal  bool
	buf     []byte
}

// sendAbove is how much is gathered before it is written.
const sendAbove = 32 << 10

func (o *eventWriter) event(e *eventstore.Event, f *eventFilter) error {
	m, err := e.Metadata()
	if err != nil {
		return err
	}
	if !f.wants(e, &m) {
		return nil
	}
	ce, err := wire.NewEvent(e, &m, o.reveal)
	if err != nil {
		return err
	}
	data, err := json.Marshal(&ce)
	if err != nil {
		return fmt.Errorf("render event %d: %w", e.Position, err)
	}
	o.buf = append(o.buf, "id: "...)
	o.buf = strconv.AppendInt(o.buf, e.Position, 10)
	o.buf = append(append(o.buf, "\nevent: "...), e.Type...)
	o.buf = append(append(append(o.buf, "\ndata: "...), data...), "\n\n"...)
	if len(o.buf) >= sendAbove {
		return o.write()
	}
	return nil
}

func (o *eventWriter) send(b []byte) error {
	o.buf = append(o.buf, b...)
	return o.flush()
}

// write hands the gathered bytes on. A client that does not take them in time is cut off.
func (o *eventWriter) write() error {
	if len(o.buf) == 0 {
		return nil
	}
	if err := o.rc.SetWriteDeadline(o.now().Add(o.timeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("set deadline of stream: %w", err)
	}
	_, err := o.w.Write(o.buf)
	o.buf = o.buf[:0]
	if err != nil {
		return fmt.Errorf("write stream: %w", err)
	}
	return nil
}

func (o *eventWriter) flush() error {
	if err := o.write(); err != nil {
		return err
	}
	if err := o.rc.Flush(); err != nil {
		return fmt.Errorf("flush stream: %w", err)
	}
	return nil
}
