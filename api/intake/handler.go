package intake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"waybill/api/dispatch"
	"waybill/api/problem"
	"waybill/api/service"
	"waybill/internal/failpoint"
	"waybill/internal/wmjetstream"
)

// storeTimeout bounds the storing of poison.
const storeTimeout = 10 * time.Second

// waitError is the error of a command that may have another outcome later, without anybody changing the message.
type waitError struct{ code string }

func (e *waitError) Error() string { return "has to wait: " + e.code }

// poisonError is the error of a command that can never be carried out.
type poisonError struct {
	reply     dispatch.Reply
	principal string // empty: not authenticated
}

func (e *poisonError) Error() string { return "can never be carried out: " + e.reply.Problem.Code }

// isPoison tells what goes to the poison queue. A panic does: it would come again at every attempt.
func isPoison(err error) bool {
	if _, ok := errors.AsType[*poisonError](err); ok {
		return true
	}
	_, ok := errors.AsType[middleware.RecoveredPanicError](err)
	return ok
}

// handler carries out one message: it decodes, dispatches, and says what became of it.
type handler struct {
	*Config
	messages *prometheus.CounterVec
}

// handle is the Watermill handler. What was begun is finished, whatever ends meanwhile.
func (h *handler) handle(m *message.Message) error {
	d, ok := wmjetstream.DeliveryOf(m)
	if !ok {
		return fmt.Errorf("message %s is not of the work queue", m.UUID)
	}
	if err := m.Context().Err(); err != nil {
		return err
	}
	ctx := context.WithoutCancel(m.Context())
	if failpoint.On(failpoint.BugAckBeforeCommit) {
		m.Ack()
	}
	if err := failpoint.Hit(ctx, failpoint.IntakeAfterFetch); err != nil {
		return err
	}
	reply, principal := h.carryOut(ctx, d, m.Payload)
	if err := failpoint.Hit(ctx, failpoint.IntakeAfterCommit); err != nil {
		return err
	}
	switch {
	case reply.Problem == nil:
		h.messages.WithLabelValues("accepted").Inc()
	case reply.Stored:
		h.messages.WithLabelValues("refused").Inc()
	case reply.Problem.Retryable:
		h.messages.WithLabelValues("retried").Inc()
		if d.Attempt == 1 {
			h.Logger.WarnContext(ctx, "command of intake has to wait", slog.Uint64("sequence", d.Sequence), slog.String("code", reply.Problem.Code))
		}
		return &waitError{reply.Problem.Code}
	default:
		return h.poison(m, reply, principal)
	}
	h.tell(ctx, d, &reply)
	return nil
}

func (h *handler) carryOut(ctx context.Context, d *wmjetstream.Delivery, body []byte) (reply dispatch.Reply, principal string) {
	req, p := service.Request(ctx, h.Auth, d.Header, h.Logger)
	if req.Principal != nil {
		principal = req.Principal.Name
	}
	if p == nil && len(body) > h.MaxBody {
		p = problem.New(problem.TooLarge, "the body is larger than %d bytes", h.MaxBody)
	}
	if p != nil {
		return dispatch.Reply{Status: p.Status, Problem: p, Body: p.JSON()}, principal
	}
	req.Key = cmp.Or(req.Key, d.Header.Get(nats.MsgIdHdr), StreamName+":"+strconv.FormatInt(d.Time.UnixNano(), 36)+":"+strconv.FormatUint(d.Sequence, 10))
	if d.Attempt > 1 && failpoint.On(failpoint.BugRetryWithoutKey) {
		req.Key += "." + strconv.Itoa(d.Attempt)
	}
	req.Type, req.Body = strings.TrimPrefix(d.Subject, "waybill.in."), body
	return h.Dispatcher.Do(ctx, &req), principal
}

type poisonKey struct{}

// poison leaves with m what Publish has to know of it: the router passes on only the text of an error.
func (h *handler) poison(m *message.Message, reply dispatch.Reply, principal string) error {
	err := &poisonError{reply, principal}
	m.SetContext(context.WithValue(m.Context(), poisonKey{}, err))
	return err
}

// Publish implements [message.Publisher] for the router's poison queue, which is the table. A message that it cannot
// store is tried again as a whole.
func (h *handler) Publish(_ string, messages ...*message.Message) error {
	for _, m := range messages {
		if err := h.store(m); err != nil {
			h.messages.WithLabelValues("retried").Inc()
			h.Logger.WarnContext(m.Context(), "poison of intake has to wait", slog.String("message", m.UUID), slog.Any("error", err))
			return err
		}
		h.messages.WithLabelValues("poison").Inc()
	}
	return nil
}

// Close implements [message.Publisher].
func (h *handler) Close() error { return nil }

func (h *handler) store(m *message.Message) error {
	d, ok := wmjetstream.DeliveryOf(m)
	if !ok {
		return fmt.Errorf("message %s is not of the work queue", m.UUID)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(m.Context()), storeTimeout)
	defer cancel()
	why, ok := ctx.Value(poisonKey{}).(*poisonError)
	if !ok { // a panic
		p := problem.New(problem.Internal, "carrying the command out broke off")
		p.Retryable = false
		why = &poisonError{reply: dispatch.Reply{Status: p.Status, Problem: p, Body: p.JSON()}}
		h.Logger.ErrorContext(ctx, "a command of the intake panics", slog.Uint64("sequence", d.Sequence), slog.String("panic", m.Metadata.Get(middleware.ReasonForPoisonedKey)))
	}
	headers := maps.Clone(map[string][]string(d.Header))
	maps.DeleteFunc(headers, func(name string, _ []string) bool { return strings.EqualFold(name, "Authorization") })
	if err := h.Poison.AddPoison(ctx, Poison{
		Sequence: d.Sequence, ReceivedAt: d.Time.UTC(), Subject: d.Subject, Principal: why.principal,
		Code: why.reply.Problem.Code, Problem: why.reply.Body, Headers: headers, Body: m.Payload,
	}); err != nil {
		return err
	}
	h.Logger.WarnContext(ctx, "poison in the intake", slog.Uint64("sequence", d.Sequence), slog.String("subject", d.Subject),
		slog.String("principal", why.principal), slog.String("code", why.reply.Problem.Code))
	h.tell(ctx, d, &why.reply)
	return nil
}

// tell publishes the outcome to whoever asked for it. It is a courtesy: the outcome can be asked for at any time.
func (h *handler) tell(ctx context.Context, d *wmjetstream.Delivery, reply *dispatch.Reply) {
	to := d.Header.Get(ReplyTo)
	if to == "" {
		return
	}
	if !mayTell(to) {
		h.Logger.WarnContext(ctx, "outcome not sent: its subject is not one for replies", slog.String("subject", d.Subject))
		return
	}
	out := &nats.Msg{Subject: to, Data: reply.Body, Header: service.ReplyHeader(reply)}
	out.Header.Set("Status-Code", strconv.Itoa(reply.Status))
	if err := h.Conn.PublishMsg(out); err != nil {
		h.Logger.WarnContext(ctx, "outcome not sent", slog.Any("error", err))
	}
}
