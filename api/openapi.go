package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"waybill/api/auth"
	"waybill/api/problem"
	"waybill/api/wire"
	"waybill/domain/money"
	"waybill/projections/orderdetail"
)

// securityScheme is the name of the one way to authenticate.
const securityScheme = "apiKey"

const description = `Waybill is an event-sourced order processing engine.

Every command has an idempotency key and one outcome for ever; every reply names the position of the log that it stands
at, and every query can ask for a read model that has seen it. Errors are RFC 9457 problem documents whose type is a page
of this server. The same commands are taken over NATS, with the same bodies.`

// describe registers the queries with huma, adds what is not huma's, and returns the OpenAPI document.
func (s *Server) describe(t *table) ([]byte, error) {
	registry := huma.NewMapRegistry("#/components/schemas/", schemaName)
	registry.RegisterTypeAlias(reflect.TypeFor[orderdetail.Text](), reflect.TypeFor[string]())
	registry.RegisterTypeAlias(reflect.TypeFor[money.Money](), reflect.TypeFor[wire.Money]())
	a := humago.New(t, huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: "Waybill", Version: s.cfg.Version, Description: description},
			Components: &huma.Components{
				Schemas: registry,
				SecuritySchemes: map[string]*huma.SecurityScheme{
					securityScheme: {Type: "http", Scheme: "bearer", BearerFormat: "wb_<environment>_<random>", Description: "An API key, in Authorization: Bearer"},
				},
			},
			Tags: []*huma.Tag{
				{Name: "orders"}, {Name: "stock"}, {Name: "commands", Description: "Commands of any type"}, {Name: "events", Description: "The log"}, {Name: "system"},
			},
		},
		Formats:       map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{s.transform},
	})
	doc := a.OpenAPI()
	registry.Schema(reflect.TypeFor[problem.Problem](), true, "Problem")
	registry.Schema(reflect.TypeFor[wire.Accepted](), true, "Accepted")
	s.registerQueries(a, t)
	s.registerSystem(a, t)
	for i := range s.dispatch.Table().Specs {
		doc.AddOperation(commandOperation(registry, &s.dispatch.Table().Specs[i]))
	}
	for _, op := range s.plainOperations(registry) {
		doc.AddOperation(op)
	}
	b, err := json.MarshalIndent(doc, "", " ")
	if err != nil {
		return nil, fmt.Errorf("render OpenAPI document: %w", err)
	}
	return append(b, '\n'), nil
}

// schemaName names the schemas of types. Those of the read models begin with the model: several have a Line or an Item.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	if model, ok := strings.CutPrefix(t.PkgPath(), "waybill/projections/"); ok && t.Name() != "" && !strings.Contains(t.Name(), "[") {
		return strings.ToUpper(model[:1]) + model[1:] + name
	}
	return name
}

// transform puts the errors that huma finds into our vocabulary.
func (s *Server) transform(ctx huma.Context, _ string, v any) (any, error) {
	c := callFrom(ctx.Context())
	switch e := v.(type) {
	case *problem.Problem:
		e.RequestID = c.requestID
		if e.RetryAfter > 0 {
			ctx.SetHeader("Retry-After", strconv.Itoa(max(1, int(e.RetryAfter.Seconds()))))
		}
		return e, nil
	case *huma.ErrorModel:
		p := problem.New(problem.InvalidParameter, "%s", e.Detail)
		switch e.Status {
		case http.StatusNotAcceptable:
			p = problem.New(problem.NotAcceptable, "%s", e.Detail)
		case http.StatusInternalServerError:
			p = problem.Of(nil)
		}
		for _, d := range e.Errors {
			if d != nil {
				p = p.At(d.Location, d.Message)
			}
		}
		if n := len(p.Errors); n > 0 && p.Code == problem.InvalidParameter {
			p.Detail = p.Errors[0].Location + ": " + p.Errors[0].Message
			if n > 1 {
				p.Detail += " (and " + strconv.Itoa(n-1) + " more)"
			}
		}
		p.RequestID = c.requestID
		if _, w := humago.Unwrap(ctx); w != nil {
			if r, ok := w.(*recorder); ok {
				r.override = p.Status
			}
		}
		return p, nil
	}
	return v, nil
}

func problemResponse() *huma.Response {
	return &huma.Response{
		Description: "A problem; its code says which",
		Content:     map[string]*huma.MediaType{problem.ContentType: {Schema: &huma.Schema{Ref: "#/components/schemas/Problem"}}},
	}
}

func joinSentences(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " ")
}

// header documents a header parameter.
func header(name, description string) *huma.Param {
	return &huma.Param{Name: name, In: "header", Description: description, Schema: &huma.Schema{Type: huma.TypeString}}
}

// commandHeaders are what every command takes.
func commandHeaders() []*huma.Param {
	return []*huma.Param{
		header("Idempotency-Key", "Names the command for ever; 1 to 100 characters, a UUID is best. The same key and body give the same answer again, over HTTP and NATS alike. Without one, the reply names the key that was made."),
		header("If-Match", `The version that the aggregate must have, such as "7"; else 412`),
		header("Correlation-Id", "Shared by everything that one request of yours sets off"),
		header("Causation-Id", "What led to this command"),
		header("traceparent", "W3C trace context"),
		{Name: "dry_run", In: "query", Description: "Say what would happen, and store nothing", Schema: &huma.Schema{Type: huma.TypeBoolean}},
	}
}

// replyHeaders are what every answer to a command carries.
func replyHeaders() map[string]*huma.Param {
	text := func(description string) *huma.Param {
		return &huma.Param{Description: description, Schema: &huma.Schema{Type: huma.TypeString}}
	}
	return map[string]*huma.Param{
		"Idempotency-Key":      text("The key of the command"),
		"Idempotency-Replayed": text("true if the command was carried out before"),
		"ETag":                 text("The version of the aggregate"),
		"Consistency-Token":    text("The position, for queries that must see what was written"),
		"Request-Id":           text("Names the request in the logs"),
	}
}

// commandOperation describes the route of one command.
func commandOperation(r huma.Registry, spec *wire.Spec) *huma.Operation {
	op := &huma.Operation{
		OperationID: strings.NewReplacer(".", "-", "_", "-").Replace(spec.Type), Method: http.MethodPost, Path: spec.Path, Summary: spec.Summary,
		Tags:        []string{strings.Replace(strings.SplitN(spec.Type, ".", 2)[0], "order", "orders", 1)},
		Description: strings.TrimSpace(fmt.Sprintf("The command `%s`. Over NATS: a request to `%s`, or durably to `%s`. Needs the scope `%s`. %s", spec.Type, spec.Subject(), spec.IntakeSubject(), spec.Scope, spec.Note)),
		Security:    []map[string][]string{{securityScheme: {}}},
	}
	body := payloadSchema(r, spec.Shape)
	for _, f := range pathFields(spec.Path) {
		op.Parameters = append(op.Parameters, &huma.Param{Name: f, In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}})
		body.Required = slices.DeleteFunc(body.Required, func(name string) bool { return name == f })
	}
	op.Parameters = append(op.Parameters, commandHeaders()...)
	var example any
	if err := json.Unmarshal([]byte(spec.Example), &example); err != nil {
		example = spec.Example // the test that carries out every example sees to it that this does not happen
	}
	content := func() *huma.MediaType { return &huma.MediaType{Schema: body, Example: example} }
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"application/json": content(), "application/msgpack": {Schema: body},
	}}
	status := "200"
	if spec.Created {
		status = "201"
	}
	op.Responses = map[string]*huma.Response{
		status: {
			Description: "Accepted, and stored", Headers: replyHeaders(),
			Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Ref: "#/components/schemas/Accepted"}}},
		},
		"default": problemResponse(),
	}
	return op
}

// payloadSchema returns the schema of a payload, as a copy that may be changed.
func payloadSchema(r huma.Registry, shape any) *huma.Schema {
	s := *huma.SchemaFromType(r, reflect.TypeOf(shape))
	s.Required = slices.Clone(s.Required)
	return &s
}

// envelopeSchema describes an envelope; what data holds depends on type.
func envelopeSchema(r huma.Registry, types []string) *huma.Schema {
	s := payloadSchema(r, wire.EnvelopeDoc{})
	names := make([]any, len(types))
	for i, t := range types {
		names[i] = t
	}
	s.Properties["type"].Enum = names
	return s
}

// plainOperations describe the routes that are neither queries of huma's nor made from the table of commands.
func (s *Server) plainOperations(r huma.Registry) []*huma.Operation {
	secured := []map[string][]string{{securityScheme: {}}}
	envelope := envelopeSchema(r, s.dispatch.Table().Types())
	text := func(description, mediaType string) map[string]*huma.Response {
		return map[string]*huma.Response{
			"200":     {Description: description, Content: map[string]*huma.MediaType{mediaType: {Schema: &huma.Schema{Type: huma.TypeString}}}},
			"default": problemResponse(),
		}
	}
	accepted := &huma.Schema{Ref: "#/components/schemas/Accepted"}
	outcome := r.Schema(reflect.TypeFor[wire.CommandOutcome](), true, "CommandOutcome")
	example := map[string]any{"type": "stock.count", "idempotency_key": "count-2026-11-22", "data": map[string]any{"sku": "MUG", "location": "BER1", "counted": 12}}
	query := func(name, description string) *huma.Param {
		return &huma.Param{Name: name, In: "query", Description: description, Schema: &huma.Schema{Type: huma.TypeString}}
	}
	return []*huma.Operation{
		{
			OperationID: "send-command", Method: http.MethodPost, Path: "/v1/commands", Summary: "Send a command of any type", Tags: []string{"commands"}, Security: secured,
			Description: "The fields of the envelope win over the headers, but the two may not name different idempotency keys. Needs the scope of the command.", Parameters: commandHeaders(),
			RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: envelope, Example: example}, "application/msgpack": {Schema: envelope}}},
			Responses: map[string]*huma.Response{
				"200":     {Description: "Accepted; 201 for a new order", Headers: replyHeaders(), Content: map[string]*huma.MediaType{"application/json": {Schema: accepted}}},
				"default": problemResponse(),
			},
		},
		{
			OperationID: "send-commands", Method: http.MethodPost, Path: "/v1/commands:batch", Summary: "Send many commands", Tags: []string{"commands"}, Security: secured,
			Description: "NDJSON: an envelope a line in, a verdict a line out ({line, status, idempotency_key, replayed, body}), in the order of the lines and while the body is still coming in. Lines about one order or stock item, or under one key, are carried out one after the other, the rest side by side. Every line stands for itself; give each a key, and the whole batch can be sent again.",
			RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{ndjson: {Schema: &huma.Schema{Type: huma.TypeString}, Example: `{"type":"stock.count","idempotency_key":"count-1","data":{"sku":"MUG","location":"BER1","counted":12}}` + "\n"}}},
			Responses:   text("A verdict a line", ndjson),
		},
		{
			OperationID: "get-command", Method: http.MethodGet, Path: "/v1/commands/{id}", Summary: "What became of a command, also of a refused one", Tags: []string{"commands"}, Security: secured,
			Description: "By its id, or by an idempotency key of your own.",
			Parameters:  []*huma.Param{{Name: "id", In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}}},
			Responses: map[string]*huma.Response{
				"200":     {Description: "The stored answer", Content: map[string]*huma.MediaType{"application/json": {Schema: outcome}}},
				"default": problemResponse(),
			},
		},
		{
			OperationID: "follow-events", Method: http.MethodGet, Path: "/v1/stream", Summary: "Follow the log, from any position on and then live", Tags: []string{"events"}, Security: secured,
			Description: fmt.Sprintf("Server-sent events: id is the position, event the type, data the event as in /v1/events. Reconnect with Last-Event-ID (browsers do) to miss nothing. A client that does not read is cut off, never skipped. Needs the scope `%s`; personal data shows only with `%s`.", auth.EventsRead, auth.PersonalRead),
			Parameters: []*huma.Param{
				query("from", "Position to begin with; without it, and without Last-Event-ID, what is new"), header("Last-Event-ID", "Position that was seen last; wins over from"),
				query("types", "Types of events, separated by commas; order. stands for all that begin with it"), query("stream", "Events of one stream"),
				query("order", "Everything that belongs to an order"), query("actor", "Events caused by this principal"), query("correlation_id", "Events of this correlation"),
			},
			Responses: text("Events, until either side ends it", "text/event-stream"),
		},
		{OperationID: "livez", Method: http.MethodGet, Path: "/livez", Summary: "Is the process alive?", Tags: []string{"system"}, Responses: text("Yes", "text/plain")},
		{
			OperationID: "readyz", Method: http.MethodGet, Path: "/readyz", Summary: "Should this instance get requests?", Tags: []string{"system"},
			Parameters: []*huma.Param{query("verbose", "Say what was checked")}, Responses: text("Yes; 503 for no", "text/plain"),
		},
		{OperationID: "startupz", Method: http.MethodGet, Path: "/startupz", Summary: "Has this instance come up?", Tags: []string{"system"}, Responses: text("Yes; 503 for no", "text/plain")},
		{OperationID: "metrics", Method: http.MethodGet, Path: "/metrics", Summary: "Prometheus metrics", Tags: []string{"system"}, Responses: text("Metrics", "text/plain")},
		{OperationID: "openapi", Method: http.MethodGet, Path: "/openapi.json", Summary: "This document", Tags: []string{"system"}, Responses: text("OpenAPI 3.1", "application/openapi+json")},
		{OperationID: "list-problems", Method: http.MethodGet, Path: "/problems", Summary: "All problem codes", Tags: []string{"system"}, Responses: text("A page, HTML or text", "text/html")},
		{
			OperationID: "get-problem", Method: http.MethodGet, Path: "/problems/{code}", Summary: "What a problem code means", Tags: []string{"system"},
			Parameters: []*huma.Param{{Name: "code", In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}}}, Responses: text("A page, HTML or text", "text/html"),
		},
	}
}

// writeScopes are those with which some command may be sent.
func writeScopes() []auth.Scope {
	return []auth.Scope{auth.OrdersWrite, auth.RefundsWrite, auth.StockWrite}
}

// anyScopes are those with which an outcome may be asked for.
func anyScopes() []auth.Scope {
	return []auth.Scope{auth.OrdersRead, auth.OrdersWrite, auth.RefundsWrite, auth.StockRead, auth.StockWrite}
}
