package dispatch

import (
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"

	"waybill/api/auth"
	"waybill/api/problem"
	"waybill/api/wire"
	"waybill/commands"
)

// Open reads an envelope, {"type": …, "data": {…}} with its optional fields, and fills the request with what it says. It
// wins over what the transport's headers said; but two different idempotency keys are a problem.
func (d *Dispatcher) Open(r *Request) *problem.Problem {
	v, p := Read(r)
	if p != nil {
		return p
	}
	e, p := d.table.OpenEnvelope(v)
	if p != nil {
		return p
	}
	r.Type, r.Payload = e.Type, e.Data
	switch {
	case e.Key != "" && r.Key != "" && e.Key != r.Key:
		return problem.New(problem.InvalidKey, "the header Idempotency-Key and body.idempotency_key name two commands").
			At("body.idempotency_key", "differs from the header Idempotency-Key")
	case e.Key != "":
		r.Key = e.Key
	}
	if e.Expected != nil {
		r.Expected = e.Expected
	}
	if e.CorrelationID != "" {
		r.CorrelationID = e.CorrelationID
	}
	if e.CausationID != "" {
		r.CausationID = e.CausationID
	}
	r.DryRun = r.DryRun || e.DryRun
	return nil
}

// Envelope carries out the command in an envelope.
func (d *Dispatcher) Envelope(ctx context.Context, r *Request) Reply {
	if p := d.Open(r); p != nil {
		return d.fail(r, Reply{}, p)
	}
	return d.Do(ctx, r)
}

// maySee tells whether the outcome of a command is about nothing but what the principal may read or change. Where that
// is not known, because the command could not be looked up, the error says no more than that.
func maySee(p *auth.Principal, result *commands.Result, err error) bool {
	var streams []string
	for _, s := range result.Streams {
		streams = append(streams, s.Stream)
	}
	if err != nil {
		refused, ok := errors.AsType[*commands.Refused](err)
		if !ok {
			return true
		}
		streams = []string{refused.Stream}
	}
	for _, s := range streams {
		may := p.May(auth.Admin)
		switch {
		case strings.HasPrefix(s, "order-"):
			may = p.May(auth.OrdersRead) || p.May(auth.OrdersWrite) || p.May(auth.RefundsWrite)
		case strings.HasPrefix(s, "stock-"):
			may = p.May(auth.StockRead) || p.May(auth.StockWrite)
		}
		if !may {
			return false
		}
	}
	return len(streams) > 0
}

// Outcome returns what became of a command, named by its id or by an idempotency key of the principal's own, as the
// answer that it got then. What is about streams that the principal may neither read nor change is not found.
func (d *Dispatcher) Outcome(ctx context.Context, principal *auth.Principal, name, requestID string) Reply {
	r := &Request{Principal: principal, RequestID: requestID}
	var ids []uuid.UUID
	if id, err := uuid.Parse(name); err == nil {
		ids = append(ids, id)
	}
	if CheckKey(name) == nil {
		ids = append(ids, CommandID(principal, name))
	}
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	for _, id := range ids {
		result, err := d.bus.Outcome(ctx, id)
		if errors.Is(err, commands.ErrUnknownCommand) || !maySee(principal, &result, err) {
			continue
		}
		result.Replayed = true
		return d.outcome(ctx, r, Reply{CommandID: id}, &result, err)
	}
	return d.fail(r, Reply{}, problem.New(problem.CommandNotFound, "there is no outcome under %q", name))
}

// outcome wraps the stored answer.
func (d *Dispatcher) outcome(ctx context.Context, r *Request, reply Reply, result *commands.Result, err error) Reply {
	spec := &wire.Spec{Created: len(result.Events) > 0 && result.Events[0].Version == 1 && result.Events[0].Type == "order.placed"}
	if err == nil {
		reply = d.render(ctx, r, spec, reply, result, nil)
	} else {
		reply = d.renderError(ctx, r, reply, err)
		if !reply.Stored {
			return reply
		}
	}
	body, p := wire.OutcomeJSON(reply.CommandID, reply.Problem != nil, reply.Status, reply.Body)
	if p != nil {
		return d.fail(r, reply, p)
	}
	reply.Status, reply.Body, reply.Problem = 200, body, nil
	return reply
}
