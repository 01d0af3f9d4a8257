// Package dispatch carries a command from any edge to the bus and renders what became of it: HTTP, the NATS service, the
// durable intake and batches all go through [Dispatcher.Do], so that one command gets one answer, equal to the byte,
// whichever way it came.
//
// It authorises by the scope of the command, decodes, gives the command its id and fingerprint, and puts every outcome
// into the words of package problem. It does not authenticate, limit rates or speak any protocol.
package dispatch

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"waybill/api/auth"
	"waybill/api/problem"
	"waybill/api/wire"
	"waybill/commands"
	"waybill/eventstore"
)

// Media types of command bodies.
const (
	JSON    = "application/json"
	Msgpack = "application/msgpack"

	// curlDefault is what curl -d says of any body. It is read as JSON, so that the first command that somebody tries by
	// hand works; it opens no door to forms of other sites, as every request carries its key in a header.
	curlDefault = "application/x-www-form-urlencoded"
)

// Bus is what carries commands out: [commands.Bus] is one.
type Bus interface {
	Execute(ctx context.Context, c commands.Command) (commands.Result, error)
	Outcome(ctx context.Context, id uuid.UUID) (commands.Result, error)
}

// Config configures [New]. The zero value of every field but Bus, Table and Logger is a default.
type Config struct {
	Bus    Bus          // required
	Table  *wire.Table  // required
	Logger *slog.Logger // required
	// Timeout bounds the execution of one command; 10 s by default.
	Timeout time.Duration
	// RequireKey refuses commands without an idempotency key.
	RequireKey bool
	// Now tells the time; the wall clock by default.
	Now func() time.Time
}

// Dispatcher carries commands to the bus.
type Dispatcher struct {
	bus        Bus
	table      *wire.Table
	log        *slog.Logger
	timeout    time.Duration
	requireKey bool
	now        func() time.Time
}

// New returns a dispatcher.
func New(c Config) (*Dispatcher, error) {
	switch {
	case c.Bus == nil:
		return nil, errors.New("dispatcher: Bus is missing")
	case c.Table == nil:
		return nil, errors.New("dispatcher: Table is missing")
	case c.Logger == nil:
		return nil, errors.New("dispatcher: Logger is missing")
	case c.Timeout < 0:
		return nil, fmt.Errorf("dispatcher: Timeout %s is negative", c.Timeout)
	}
	d := &Dispatcher{bus: c.Bus, table: c.Table, log: c.Logger, timeout: cmp.Or(c.Timeout, 10*time.Second), requireKey: c.RequireKey, now: c.Now}
	if d.now == nil {
		d.now = time.Now
	}
	return d, nil
}

// Table returns the table of commands.
func (d *Dispatcher) Table() *wire.Table { return d.table }

// Request is a command as an edge took it.
type Request struct {
	Principal *auth.Principal // required
	Type      string          // name of the command
	MediaType string          // of Body, as in the Content-Type header; empty means JSON
	Body      []byte
	Payload   *wire.Value       // in place of Body, if it was read already
	Target    map[string]string // fields of the payload that the address names, such as order_id
	Key       string            // idempotency key; empty: a fresh one is made
	Expected  *int64            // version that the aggregate must have
	DryRun    bool

	CorrelationID string
	CausationID   string
	Traceparent   string
	RequestID     string
}

// Reply is the answer to a command.
type Reply struct {
	Status    int
	Body      []byte // JSON: an accepted command, or a problem document
	Problem   *problem.Problem
	Key       string // idempotency key under which the command can be sent again
	CommandID uuid.UUID
	OrderID   string // of an order that was placed
	Version   int64  // of the aggregate, if HasVersion
	Position  int64  // in the log; 0 if nothing is known
	Replayed  bool   // the outcome was stored before
	Stored    bool   // the outcome is in the log: sending the command again gives this answer again

	HasVersion bool
}

// ContentType returns the media type of the body.
func (r *Reply) ContentType() string {
	if r.Problem != nil {
		return problem.ContentType
	}
	return JSON
}

// Do carries out one command.
func (d *Dispatcher) Do(ctx context.Context, r *Request) Reply {
	spec, ok := d.table.Find(r.Type)
	if !ok {
		return d.fail(r, Reply{}, problem.New(problem.UnknownCommand, "there is no command %q", r.Type))
	}
	if !r.Principal.May(spec.Scope) {
		return d.fail(r, Reply{}, problem.New(problem.Forbidden, "%s needs the scope %s", r.Type, spec.Scope))
	}
	c, reply, p := d.prepare(spec, r)
	if p != nil {
		return d.fail(r, reply, p)
	}
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	result, err := d.bus.Execute(ctx, c)
	reply.CommandID = c.ID
	return d.render(ctx, r, spec, reply, &result, err)
}

// prepare turns the request into a command.
func (d *Dispatcher) prepare(spec *wire.Spec, r *Request) (commands.Command, Reply, *problem.Problem) {
	key, p := d.key(r.Key)
	if p != nil {
		return commands.Command{}, Reply{}, p
	}
	reply := Reply{Key: key}
	id := CommandID(r.Principal, key)
	v, p := Read(r)
	if p != nil {
		return commands.Command{}, reply, p
	}
	if p := v.SetTarget(r.Target); p != nil {
		return commands.Command{}, reply, p
	}
	payload, canonical, p := spec.Decode(v)
	if p != nil {
		return commands.Command{}, reply, p
	}
	b, p := payload.Build(wire.Stamp{CommandID: id, Now: d.now().UTC()})
	if p != nil {
		return commands.Command{}, reply, p
	}
	if b.Channel != "" && !r.Principal.MayUseChannel(b.Channel) {
		return commands.Command{}, reply, problem.New(problem.ChannelForbidden, "this key may not use the channel %q", b.Channel)
	}
	return commands.Command{
		ID: id, Type: spec.Type, Fingerprint: fingerprint(r.Principal, spec.Type, canonical),
		Actor: r.Principal.Name, Channel: b.Channel, CorrelationID: r.CorrelationID, CausationID: r.CausationID,
		Traceparent: r.Traceparent, Key: b.Key, Steps: b.Steps, Expected: r.Expected, DryRun: r.DryRun,
	}, reply, nil
}

// fingerprint tells two commands under one key apart.
func fingerprint(p *auth.Principal, typ string, canonical []byte) []byte {
	h := sha256.New()
	h.Write([]byte(p.Name + "\x00" + typ + "\x00"))
	h.Write(canonical)
	return h.Sum(nil)
}

// Read parses the body of a request by its media type.
func Read(r *Request) (*wire.Value, *problem.Problem) {
	if r.Payload != nil {
		return r.Payload, nil
	}
	if len(r.Body) == 0 && len(r.Target) > 0 { // the address says it all
		v := wire.Object()
		return &v, nil
	}
	mediaType := JSON
	if r.MediaType != "" && r.MediaType != JSON {
		var err error
		if mediaType, _, err = mime.ParseMediaType(r.MediaType); err != nil {
			return nil, problem.New(problem.UnsupportedMedia, "Content-Type %q cannot be read", r.MediaType)
		}
	}
	var v wire.Value
	var p *problem.Problem
	switch mediaType {
	case JSON, curlDefault:
		v, p = wire.ParseJSON(r.Body)
	case Msgpack, "application/x-msgpack", "application/vnd.msgpack":
		v, p = wire.ParseMsgpack(r.Body)
	default:
		return nil, problem.New(problem.UnsupportedMedia, "Content-Type %q is not %s or %s", mediaType, JSON, Msgpack)
	}
	return &v, p
}

// fail answers with a problem that was found before the command was carried out.
func (d *Dispatcher) fail(r *Request, reply Reply, p *problem.Problem) Reply {
	p.RequestID = r.RequestID
	reply.Status, reply.Problem, reply.Body = p.Status, p, p.JSON()
	return reply
}

// render puts the outcome of a command into an answer.
func (d *Dispatcher) render(ctx context.Context, r *Request, spec *wire.Spec, reply Reply, result *commands.Result, err error) Reply {
	if err != nil {
		return d.renderError(ctx, r, reply, err)
	}
	a := wire.NewAccepted(result)
	body, merr := json.Marshal(a)
	if merr != nil {
		return d.renderError(ctx, r, reply, fmt.Errorf("render result of %s: %w", reply.CommandID, merr))
	}
	reply.Body = append(body, '\n')
	reply.Status = 200
	if spec.Created && !result.DryRun {
		reply.Status, reply.OrderID = 201, a.OrderID
	}
	reply.Replayed, reply.Stored, reply.Position = result.Replayed, !result.DryRun, result.Position
	if reply.HasVersion = len(result.Streams) > 0; reply.HasVersion {
		reply.Version = result.Streams[0].Version
	}
	return reply
}

func (d *Dispatcher) renderError(ctx context.Context, r *Request, reply Reply, err error) Reply {
	if refused, ok := errors.AsType[*commands.Refused](err); ok {
		p := d.refusal(refused, reply.CommandID)
		reply.Status, reply.Problem, reply.Body = p.Status, p, p.JSON()
		reply.Replayed, reply.Stored, reply.Position = refused.Replayed, !refused.DryRun, refused.Position
		return reply
	}
	p := d.problemOf(ctx, r, reply.CommandID, err)
	if moved, ok := errors.AsType[*commands.VersionError](err); ok {
		reply.Version, reply.HasVersion = moved.Actual, true
	}
	return d.fail(r, reply, p)
}

// refusal renders a refusal. Nothing in it changes from one answer to the next. What is possible is what may be asked for
// from outside.
func (d *Dispatcher) refusal(refused *commands.Refused, id uuid.UUID) *problem.Problem {
	p := problem.Refused(refused.Code, refused.Detail)
	p.Instance, p.CommandID = "/v1/commands/"+id.String(), id.String()
	p.Stream, p.State, p.Values, p.Allowed, p.DryRun = refused.Stream, refused.State, refused.Values, d.table.Outside(refused.Allowed), refused.DryRun
	p.Version = &refused.Version
	return p
}

func (d *Dispatcher) problemOf(ctx context.Context, r *Request, id uuid.UUID, err error) *problem.Problem {
	if moved, ok := errors.AsType[*commands.VersionError](err); ok {
		p := problem.New(problem.VersionMismatch, "%s is at version %d, the command expects %d", moved.Stream, moved.Actual, moved.Expected)
		p.Stream, p.Version = moved.Stream, &moved.Actual
		p.Values = fmt.Appendf(nil, `{"expected":%d,"actual":%d}`, moved.Expected, moved.Actual)
		return p
	}
	instance := "/v1/commands/" + id.String()
	switch {
	case errors.Is(err, commands.ErrKeyReused):
		return at(problem.New(problem.KeyReused, "the key was used for another command: use a new key for a new command"), instance)
	case errors.Is(err, commands.ErrInFlight):
		return at(problem.New(problem.InFlight, "the command is being carried out at this moment"), instance)
	case errors.Is(err, eventstore.ErrOutcomeUnknown):
		d.log.WarnContext(ctx, "command outcome unknown", slog.String("request_id", r.RequestID), slog.String("command_id", id.String()),
			slog.String("command", r.Type), slog.Any("error", err))
		return at(problem.New(problem.OutcomeUnknown, "it is not known yet whether the command took effect"), instance)
	case errors.Is(err, commands.ErrContended):
		return at(problem.New(problem.Contended, "the aggregate kept changing under every attempt"), instance)
	case errors.Is(err, commands.ErrInvalid):
		return problem.New(problem.Malformed, "%v", err)
	case errors.Is(err, commands.ErrUnknownCommand):
		return problem.New(problem.CommandNotFound, "there is no outcome of this command")
	case errors.Is(err, eventstore.ErrClosed):
		return problem.New(problem.Draining, "the log takes no more commits here")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return at(problem.New(problem.TimedOut, "the command was not carried out in time; nothing was stored"), instance)
	}
	p := problem.Of(err)
	if Unreachable(err) {
		p = problem.New(problem.Unavailable, "the log cannot be reached at the moment; nothing was stored")
	}
	d.log.ErrorContext(ctx, "command failed", slog.String("request_id", r.RequestID), slog.String("command_id", id.String()),
		slog.String("command", r.Type), slog.String("principal", r.Principal.Name), slog.Any("error", err))
	return p
}

func at(p *problem.Problem, instance string) *problem.Problem {
	p.Instance = instance
	return p
}

// Unreachable tells whether err comes from the way to the database, or from how it is at the moment, rather than from what
// was asked of it.
func Unreachable(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		// Class 08 is the connection's, 53 that of a full server, 57P01 to 57P03 are one that goes down or comes up. 55P03
		// is a lock that somebody else held for too long, 57014 a statement that took too long, usually behind a lock too.
		// https://www.postgresql.org/docs/current/errcodes-appendix.html
		return strings.HasPrefix(pg.Code, "08") || strings.HasPrefix(pg.Code, "53") || strings.HasPrefix(pg.Code, "57P") ||
			pg.Code == "55P03" || pg.Code == "57014"
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
