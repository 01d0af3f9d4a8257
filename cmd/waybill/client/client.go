// Package client talks to a running Waybill over its public HTTP interface, for the command line. It knows addresses,
// keys and problem documents, and nothing of what a terminal looks like.
package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Client is one server and the key to it.
type Client struct {
	// Base is the address, such as "http://127.0.0.1:8080".
	Base string
	// Key is the API key.
	Key string
	// HTTP makes the requests; nil means http.DefaultClient.
	HTTP *http.Client
}

// Problem is what the server said when it did not do what it was asked (RFC 9457).
type Problem struct {
	Code    string          `json:"code"`
	Title   string          `json:"title"`
	Status  int             `json:"status"`
	Detail  string          `json:"detail"`
	State   string          `json:"state"`
	Values  json.RawMessage `json:"values"`
	Allowed []string        `json:"allowed_commands"`
	Errors  []struct {
		Location string `json:"location"`
		Message  string `json:"message"`
	} `json:"errors"`
	RequestID string `json:"request_id"`

	base string // of the server that said it
}

// Page is the address of the page that says what the code means and what to do, empty if the server has none.
func (p *Problem) Page() string {
	if p.base == "" || strings.HasPrefix(p.Code, httpCode) {
		return ""
	}
	return p.base + "/problems/" + p.Code
}

func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Title)
	if p.Detail != "" {
		b.WriteString(": " + p.Detail)
	}
	for _, e := range p.Errors {
		if !strings.Contains(p.Detail, e.Location) {
			fmt.Fprintf(&b, "; %s %s", e.Location, e.Message)
		}
	}
	if len(p.Allowed) > 0 {
		fmt.Fprintf(&b, " (possible now: %s)", strings.Join(p.Allowed, ", "))
	}
	return b.String()
}

// ErrUnreachable is matched when no server answered.
var ErrUnreachable = errors.New("no server answers")

// ErrCutOff is matched, beside [ErrUnreachable], when a server was there and went away before it had answered: whether
// it did what it was asked is not known.
var ErrCutOff = fmt.Errorf("%w any more", ErrUnreachable)

// httpCode begins the code of an answer that is no problem document.
const httpCode = "http-"

// Reply is an answer with the headers that matter.
type Reply struct {
	Status   int
	Body     []byte
	Replayed bool   // the command had been sent before
	Key      string // the idempotency key under which a command went
}

// Command is a command to send to an address of its own.
type Command struct {
	Path    string
	Body    []byte
	Key     string // idempotency key; empty: the server makes one
	IfMatch string // version, empty for any
	DryRun  bool
}

// Get asks for path and returns the body.
func (c *Client) Get(ctx context.Context, path string, query url.Values) (Reply, error) {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Base+path, http.NoBody)
	if err != nil {
		return Reply{}, fmt.Errorf("ask %s for %s: %w", c.Base, path, err)
	}
	return c.do(req)
}

// Send sends a command.
func (c *Client) Send(ctx context.Context, cmd Command) (Reply, error) {
	path := cmd.Path
	if cmd.DryRun {
		path += "?dry_run=true"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Base+path, bytes.NewReader(cmd.Body))
	if err != nil {
		return Reply{}, fmt.Errorf("send to %s%s: %w", c.Base, path, err)
	}
	req.Header.Set("Content-Type", "application/json")
	if cmd.Key != "" {
		req.Header.Set("Idempotency-Key", cmd.Key)
	}
	if cmd.IfMatch != "" {
		req.Header.Set("If-Match", strconv.Quote(strings.Trim(cmd.IfMatch, `"`)))
	}
	return c.do(req)
}

func (c *Client) do(req *http.Request) (Reply, error) {
	resp, err := c.start(req)
	if err != nil {
		return Reply{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return Reply{}, fmt.Errorf("%w at %s: read the answer of %s: %w", ErrCutOff, c.Base, req.URL.Path, err)
	}
	r := Reply{
		Status: resp.StatusCode, Body: body, Replayed: resp.Header.Get("Idempotency-Replayed") == "true", Key: resp.Header.Get("Idempotency-Key"),
	}
	return r, c.problem(resp.StatusCode, body)
}

// start sends req with the key.
func (c *Client) start(req *http.Request) (*http.Response, error) {
	if c.Key != "" {
		req.Header.Set("Authorization", "Bearer "+c.Key)
	}
	h := c.HTTP
	if h == nil {
		h = http.DefaultClient
	}
	resp, err := h.Do(req)
	if err != nil {
		if cause := context.Cause(req.Context()); cause != nil {
			return nil, cause
		}
		if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
			return nil, fmt.Errorf("%w at %s: %w", ErrUnreachable, c.Base, err)
		}
		return nil, fmt.Errorf("%w at %s: %w", ErrCutOff, c.Base, err)
	}
	return resp, nil
}

// problem returns what a status and body say went wrong, nil if nothing did.
func (c *Client) problem(status int, body []byte) error {
	err := problem(status, body)
	if p, ok := errors.AsType[*Problem](err); ok {
		p.base = c.Base
	}
	return err
}

func problem(status int, body []byte) error {
	if status < 400 {
		return nil
	}
	p := &Problem{}
	if err := json.Unmarshal(body, p); err != nil || p.Code == "" {
		p = &Problem{Code: httpCode + strconv.Itoa(status), Title: http.StatusText(status), Detail: strings.TrimSpace(string(body[:min(len(body), 200)]))}
	}
	p.Status = status
	return p
}

// Verdict is the answer to one line of a batch.
type Verdict struct {
	Line     int             `json:"line"`
	Status   int             `json:"status"`
	Key      string          `json:"idempotency_key"`
	Replayed bool            `json:"replayed"`
	Body     json.RawMessage `json:"body"`
}

// Problem returns what went wrong with the line, nil if it was accepted.
func (v *Verdict) Problem() *Problem {
	if p, ok := errors.AsType[*Problem](problem(v.Status, v.Body)); ok {
		return p
	}
	return nil
}

// Batch sends envelopes, one a line, and calls f with the verdict on each, in order. It returns when all are there.
func (c *Client) Batch(ctx context.Context, lines io.Reader, f func(Verdict) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Base+"/v1/commands:batch", lines)
	if err != nil {
		return fmt.Errorf("send a batch to %s: %w", c.Base, err)
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	resp, err := c.start(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 400 {
		body, err := io.ReadAll(resp.Body)
		return errors.Join(c.problem(resp.StatusCode, body), err)
	}
	d := json.NewDecoder(resp.Body)
	for {
		var v Verdict
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w at %s: read the verdicts of a batch: %w", ErrCutOff, c.Base, err)
		}
		if err := f(v); err != nil {
			return err
		}
	}
}

// Event is one event of a stream.
type Event struct {
	Position int64
	Type     string
	Data     []byte // JSON
}

// Stream follows the events from position from on and calls f with each, until ctx ends or f fails. When the
// connection breaks it resumes behind the last one.
func (c *Client) Stream(ctx context.Context, query url.Values, from int64, f func(Event) error) error {
	last := from - 1
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		before := last
		err := c.stream(ctx, query, &last, f)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, ErrUnreachable) && err != nil {
			return err
		}
		if errors.Is(err, ErrUnreachable) && last == from-1 {
			return err // it was never there
		}
		if last > before {
			pause = 100 * time.Millisecond
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// stream follows until the connection ends; last is the position of the last event.
func (c *Client) stream(ctx context.Context, query url.Values, last *int64, f func(Event) error) error {
	q := url.Values{}
	maps.Copy(q, query)
	q.Set("from", strconv.FormatInt(*last+1, 10))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Base+"/v1/stream?"+q.Encode(), http.NoBody)
	if err != nil {
		return fmt.Errorf("follow the events of %s: %w", c.Base, err)
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := c.start(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 400 {
		body, err := io.ReadAll(resp.Body)
		return errors.Join(c.problem(resp.StatusCode, body), err)
	}
	return readEvents(resp.Body, last, f)
}

// readEvents reads server-sent events until the body ends, which is an unexpected end: a stream has none.
func readEvents(body io.Reader, last *int64, f func(Event) error) error {
	in := bufio.NewReaderSize(body, 64<<10)
	e := Event{}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return io.ErrUnexpectedEOF
		}
		field, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case strings.TrimRight(line, "\r\n") == "":
			if e.Data != nil {
				if err := f(e); err != nil {
					return err
				}
				*last = e.Position
			}
			e = Event{}
		case field == "id":
			if e.Position, err = strconv.ParseInt(value, 10, 64); err != nil {
				return fmt.Errorf("event with id %q: %w", value, err)
			}
		case field == "event":
			e.Type = value
		case field == "data":
			e.Data = append(e.Data, value...)
		}
	}
}
