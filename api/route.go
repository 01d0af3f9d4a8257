package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"waybill/api/auth"
	"waybill/api/problem"
)

// call is what the guard has found out about a request.
type call struct {
	principal *auth.Principal // nil on open routes
	requestID string
	route     *route
}

// handler answers a request that the guard let through.
type handler func(w http.ResponseWriter, r *http.Request, c *call)

// route is one row of the table of routes. A route without a scope that is not open does not exist: the mux refuses it.
type route struct {
	method, path string
	scope        auth.Scope
	anyScope     []auth.Scope // one of these will do; in place of scope
	open         bool         // needs no principal
	uncounted    bool         // does not take a place among the requests in flight: health, and streams with a cap of their own
	handle       handler
	fields       []string // names in braces of the path

	metrics *routeMetrics
}

func (r *route) pattern() string { return r.method + " " + r.path }

// allows reports whether the principal has what the route needs.
func (r *route) allows(p *auth.Principal) bool {
	return slices.ContainsFunc(r.scopes(), p.May)
}

func (r *route) scopes() []auth.Scope {
	if r.scope != "" {
		return []auth.Scope{r.scope}
	}
	return r.anyScope
}

// table is the mux with a guard before every route. The HTTP framework registers its operations here too, so none can
// slip past.
type table struct {
	mux    *http.ServeMux
	server *Server
	routes []*route
	// planned are the routes that the framework will register, by pattern.
	planned map[string]*route
	err     error
}

func newTable(s *Server) *table {
	return &table{mux: http.NewServeMux(), server: s, planned: map[string]*route{}}
}

// plan announces a route that the framework registers.
func (t *table) plan(r *route) { t.planned[r.pattern()] = r }

// HandleFunc takes a route from the framework. One that was not planned is a fault that keeps the server from starting.
func (t *table) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	r, ok := t.planned[pattern]
	if !ok {
		t.err = errors.Join(t.err, fmt.Errorf("route %s is in no table", pattern))
		return
	}
	r.handle = func(w http.ResponseWriter, req *http.Request, c *call) {
		h(w, req.WithContext(context.WithValue(req.Context(), callKey{}, c)))
	}
	t.add(r)
}

// ServeHTTP implements the framework's interface.
func (t *table) ServeHTTP(w http.ResponseWriter, r *http.Request) { t.mux.ServeHTTP(w, r) }

// add puts a route into the table.
func (t *table) add(r *route) {
	if !r.open && len(r.scopes()) == 0 {
		t.err = errors.Join(t.err, fmt.Errorf("route %s has no scope and is not open", r.pattern()))
		return
	}
	r.fields = pathFields(r.path)
	r.metrics = t.server.metrics.route(r.pattern())
	t.routes = append(t.routes, r)
	t.mux.HandleFunc(r.pattern(), func(w http.ResponseWriter, req *http.Request) { t.server.serve(w, req, r) })
}

// callKey finds the call in a context.
type callKey struct{}

// callFrom returns what the guard found out. Every handler runs behind the guard, so there always is one.
func callFrom(ctx context.Context) *call {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok {
		return &call{principal: &auth.Principal{}}
	}
	return c
}

// fallback answers what no route takes: 405 with the methods there are, or 404.
func (t *table) fallback() *route {
	return &route{path: "/", open: true, handle: func(w http.ResponseWriter, r *http.Request, c *call) {
		var methods []string
		for _, m := range []string{http.MethodGet, http.MethodPost} {
			probe := &http.Request{Method: m, URL: r.URL, Host: r.Host}
			if _, pattern := t.mux.Handler(probe); pattern != "" && pattern != "/" {
				methods = append(methods, m)
			}
		}
		if len(methods) > 0 {
			w.Header().Set("Allow", strings.Join(methods, ", "))
			writeProblem(w, c, problem.New(problem.MethodNotAllowed, "%s is not possible at %s", r.Method, r.URL.Path))
			return
		}
		if t.server.cfg.Fallback != nil {
			t.server.cfg.Fallback.ServeHTTP(w, r)
			return
		}
		writeProblem(w, c, problem.New(problem.NotFound, "nothing is served at %s", r.URL.Path))
	}}
}

// Route is what can be told of a route.
type Route struct {
	Method, Path string
	Open         bool     // needs no principal
	Scopes       []string // one of these is needed
}

// Routes returns the table of routes, sorted by path and method.
func (s *Server) Routes() []Route {
	list := make([]Route, 0, len(s.table.routes))
	for _, r := range s.table.routes {
		out := Route{Method: r.method, Path: r.path, Open: r.open}
		for _, scope := range r.scopes() {
			out.Scopes = append(out.Scopes, string(scope))
		}
		list = append(list, out)
	}
	slices.SortFunc(list, func(a, b Route) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Method, b.Method))
	})
	return list
}
