package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"waybill/api/auth"
	"waybill/api/dispatch"
	"waybill/api/problem"
	"waybill/api/wire"
	"waybill/commands"
	"waybill/eventstore"
)

// script is a bus that fails as it is told: the errors below cannot be had from a real one at will.
type script struct{ err error }

func (s script) Execute(context.Context, commands.Command) (commands.Result, error) {
	return commands.Result{}, s.err
}

func (s script) Outcome(context.Context, uuid.UUID) (commands.Result, error) {
	return commands.Result{}, s.err
}

func dispatcher(t *testing.T, bus dispatch.Bus, change ...func(*dispatch.Config)) *dispatch.Dispatcher {
	t.Helper()
	table, err := wire.NewTable()
	if err != nil {
		t.Fatal(err)
	}
	cfg := dispatch.Config{Bus: bus, Table: table, Logger: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&cfg)
	}
	d, err := dispatch.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func request() *dispatch.Request {
	return &dispatch.Request{
		Principal: &auth.Principal{Name: "key:tester", Scopes: auth.Scopes()}, Type: "stock.count", RequestID: "req_1",
		Body: []byte(`{"sku":"A","location":"B","counted":1}`), Key: "k",
	}
}

// TestEveryFailureHasItsProblem: what the bus may return, and what is answered.
func TestEveryFailureHasItsProblem(t *testing.T) {
	for _, test := range []struct {
		err    error
		code   string
		status int
	}{
		{commands.ErrKeyReused, problem.KeyReused, 422},
		{commands.ErrInFlight, problem.InFlight, 409},
		{commands.ErrContended, problem.Contended, 503},
		{commands.ErrInvalid, problem.Malformed, 400},
		{fmt.Errorf("%w: %w", eventstore.ErrOutcomeUnknown, context.DeadlineExceeded), problem.OutcomeUnknown, 503},
		{fmt.Errorf("%w: %w", eventstore.ErrOutcomeUnknown, commands.ErrContended), problem.OutcomeUnknown, 503},
		{context.DeadlineExceeded, problem.TimedOut, 503},
		{context.Canceled, problem.TimedOut, 503},
		{eventstore.ErrClosed, problem.Draining, 503},
		{&net.OpError{Op: "dial", Err: errors.New("refused")}, problem.Unavailable, 503},
		{&pgconn.PgError{Code: "57P01"}, problem.Unavailable, 503},
		{fmt.Errorf("load: %w", &pgconn.PgError{Code: "55P03"}), problem.Unavailable, 503}, // somebody holds a lock for too long
		{&pgconn.PgError{Code: "57014"}, problem.Unavailable, 503},                         // a statement took too long
		{&pgconn.PgError{Code: "53300"}, problem.Unavailable, 503},                         // too many connections
		{&pgconn.PgError{Code: "42601"}, problem.Internal, 500},
		{fmt.Errorf("read: %w", io.ErrUnexpectedEOF), problem.Unavailable, 503},
		{&commands.VersionError{Stream: "stock-A@B", Expected: 3, Actual: 4}, problem.VersionMismatch, 412},
		{&commands.Refused{Code: "insufficient-stock", Detail: "no"}, "insufficient-stock", 422},
		{&commands.Refused{Code: "refused-by-the-future", Detail: "no"}, "refused-by-the-future", 422},
		{errors.New("secret of the database"), problem.Internal, 500},
	} {
		r := dispatcher(t, script{err: fmt.Errorf("execute: %w", test.err)}).Do(t.Context(), request())
		if r.Status != test.status || r.Problem == nil || r.Problem.Code != test.code || r.Problem.Type != "/problems/"+test.code || strings.Contains(string(r.Body), "secret") {
			t.Errorf("%v: got %d %s", test.err, r.Status, r.Body)
		}
		refused := test.code == "insufficient-stock" || test.code == "refused-by-the-future"
		if r.Stored != refused || strings.Contains(string(r.Body), "request_id") == refused {
			t.Errorf("%v: stored %t: %s", test.err, r.Stored, r.Body)
		}
	}
}

func TestKeys(t *testing.T) {
	one, two := &auth.Principal{Name: "key:one"}, &auth.Principal{Name: "key:two"}
	v7 := uuid.Must(uuid.NewV7()).String()
	seen := map[uuid.UUID]string{}
	for _, key := range []string{"a", "b", v7, uuid.NewString()} {
		for _, p := range []*auth.Principal{one, two} {
			id := dispatch.CommandID(p, key)
			if before, ok := seen[id]; ok {
				t.Errorf("%s of %s and %s are one command", key, p.Name, before)
			}
			seen[id] = key + " of " + p.Name
			if id != dispatch.CommandID(p, key) || id.String() == key || id.Variant() != uuid.RFC4122 {
				t.Errorf("%s of %s is %s", key, p.Name, id)
			}
		}
	}
	if id := dispatch.CommandID(one, v7); id.Version() != 8 || id.String()[:13] != v7[:13] {
		t.Errorf("%s became %s: its time is lost", v7, id)
	}
	if dispatch.CommandID(one, v7) != dispatch.CommandID(one, strings.ToUpper(v7)) {
		t.Error("a UUID has no case")
	}
	r := request()
	r.Key = ""
	if got := dispatcher(t, script{err: commands.ErrInFlight}, func(c *dispatch.Config) { c.RequireKey = true }).Do(t.Context(), r); got.Problem.Code != problem.KeyRequired {
		t.Errorf("got %s", got.Body)
	}
}

// hanging is a bus that waits for its context.
type hanging struct{ script }

func (hanging) Execute(ctx context.Context, _ commands.Command) (commands.Result, error) {
	<-ctx.Done()
	return commands.Result{}, context.Cause(ctx)
}

func TestTimeout(t *testing.T) {
	d := dispatcher(t, hanging{}, func(c *dispatch.Config) { c.Timeout = 10 * time.Millisecond })
	if r := d.Do(t.Context(), request()); r.Problem == nil || r.Problem.Code != problem.TimedOut || !r.Problem.Retryable {
		t.Errorf("got %s", r.Body)
	}
}

func TestConfigIsChecked(t *testing.T) {
	if _, err := dispatch.New(dispatch.Config{}); err == nil || !strings.Contains(err.Error(), "Bus") {
		t.Errorf("got %v", err)
	}
}
