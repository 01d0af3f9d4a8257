package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"waybill/api/problem"
)

// Check is something that must work before this instance takes requests. How far behind a read model is, is no such
// thing: that is for alerts.
type Check struct {
	Name string
	// Advisory checks must have worked once, all of them together, before the first request. After that they are shown
	// with ?verbose and keep no requests away: commands are taken without NATS, and what is read may be older, which
	// every answer says. Turning all instances away would make an outage of it.
	Advisory bool
	// Do returns nil if it works. It gets 2 s.
	Do func(ctx context.Context) error
}

// checkTimeout bounds one check.
const checkTimeout = 2 * time.Second

// isTooLarge tells whether a body ended at its limit.
func isTooLarge(err error) bool {
	_, ok := errors.AsType[*http.MaxBytesError](err)
	return ok
}

// openRoutes are those that need no principal: they say nothing about orders.
func (s *Server) openRoutes() []*route {
	get := func(path string, h handler) *route {
		return &route{method: http.MethodGet, path: path, open: true, uncounted: true, handle: h}
	}
	routes := []*route{
		get("/livez", func(w http.ResponseWriter, _ *http.Request, _ *call) { writeText(w, http.StatusOK, "ok\n") }),
		get("/readyz", s.readyz),
		get("/startupz", s.startupz),
		get("/openapi.json", func(w http.ResponseWriter, _ *http.Request, _ *call) {
			w.Header().Set("Content-Type", "application/openapi+json")
			_, _ = w.Write(s.openapi) // the client went away
		}),
		get("/problems", s.problems),
		get("/problems/{code}", s.problemPage),
	}
	if s.cfg.Gatherer != nil {
		metrics := promhttp.HandlerFor(s.cfg.Gatherer, promhttp.HandlerOpts{EnableOpenMetrics: true})
		routes = append(routes, get("/metrics", func(w http.ResponseWriter, r *http.Request, _ *call) { metrics.ServeHTTP(w, r) }))
	}
	return routes
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // the client went away
}

// readyz says whether this instance should get requests; with ?verbose, why not.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request, _ *call) {
	status, text := s.ready(r.Context())
	if !r.URL.Query().Has("verbose") {
		text = "ready\n"
		if status != http.StatusOK {
			text = "not ready\n"
		}
	}
	if status != http.StatusOK {
		w.Header().Set("Retry-After", "1")
	}
	writeText(w, status, text)
}

func (s *Server) ready(ctx context.Context) (status int, verbose string) {
	var b strings.Builder
	status = http.StatusOK
	if s.draining.Load() {
		status = http.StatusServiceUnavailable
		b.WriteString("[-] draining: this instance is shutting down\n")
	}
	all := true
	for _, c := range s.cfg.Checks {
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		err := c.Do(ctx)
		cancel()
		switch {
		case err == nil:
			fmt.Fprintf(&b, "[+] %s\n", c.Name)
			continue
		case c.Advisory && s.settled.Load():
			fmt.Fprintf(&b, "[!] %s: %v\n", c.Name, err)
		default:
			status = http.StatusServiceUnavailable
			fmt.Fprintf(&b, "[-] %s: %v\n", c.Name, err)
		}
		all = false
	}
	if all {
		s.settled.Store(true)
	}
	return status, b.String()
}

// startupz says whether this instance has come up.
func (s *Server) startupz(w http.ResponseWriter, _ *http.Request, _ *call) {
	if !s.started.Load() {
		writeText(w, http.StatusServiceUnavailable, "starting\n")
		return
	}
	writeText(w, http.StatusOK, "started\n")
}

// wantsHTML tells a browser from a program.
func wantsHTML(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/html") }

func (s *Server) problems(w http.ResponseWriter, r *http.Request, c *call) {
	s.page(w, r, c, func(b *bytes.Buffer, html bool) error { return problem.Index(b, html) })
}

func (s *Server) problemPage(w http.ResponseWriter, r *http.Request, c *call) {
	e, ok := problem.Lookup(r.PathValue("code"))
	if !ok {
		writeProblem(w, c, problem.New(problem.NotFound, "there is no problem %q; /problems lists them all", r.PathValue("code")))
		return
	}
	s.page(w, r, c, func(b *bytes.Buffer, html bool) error { return problem.Page(b, e, html) })
}

// page answers with a document for a person.
func (s *Server) page(w http.ResponseWriter, r *http.Request, c *call, render func(b *bytes.Buffer, html bool) error) {
	var b bytes.Buffer
	html := wantsHTML(r)
	if err := render(&b, html); err != nil {
		writeProblem(w, c, problem.Of(err))
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	if html {
		h.Set("Content-Type", "text/html; charset=utf-8")
	}
	h.Set("Vary", "Accept")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	_, _ = w.Write(b.Bytes()) // the client went away
}
