package sandbox

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// call is a request that came in.
type call struct {
	Request
	kind    Kind
	payment string // the id; none with an authorisation
	key     string
	body    string
	base    string // of URLs that lead back here
}

// answer is what a call gets.
type answer struct {
	status   int
	body     []byte
	replayed bool
	hang     bool       // no answer in time
	first    []delivery // webhooks that are sent before the answer
}

// problem is why a call is refused. Nothing was done, and a look-up finds nothing.
type problem struct {
	status   int
	Type     string `json:"type"`
	Message  string `json:"message"`
	Possible int64  `json:"possible,omitempty"` // the amount that would be
}

func (p *problem) answer() answer {
	return answer{status: p.status, body: encode(map[string]*problem{"error": p})}
}

func refuse(kind, message string) *problem {
	return &problem{status: http.StatusConflict, Type: kind, Message: message}
}

func internal() *problem {
	return &problem{status: http.StatusInternalServerError, Type: "internal", Message: "something went wrong here; nobody knows what was done"}
}

// encode returns v as JSON. All that this package encodes can be.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("sandbox: encode an answer: " + err.Error())
	}
	return append(b, '\n')
}

// perform does what a call asks for, once for each key, and says what to answer.
func (g *Gateway) perform(c call) answer {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.catchUp()
	request := string(c.kind) + "\n" + c.payment + "\n" + c.body
	known := g.key(c.key)
	switch {
	case known == nil:
	case known.request != request:
		return (&problem{status: http.StatusUnprocessableEntity, Type: "key_reused", Message: "the key came with another request"}).answer()
	case known.status != 0:
		return answer{status: known.status, body: known.body, replayed: true}
	}
	s, ordered := g.script(&c)
	if known != nil && s.fault.before() && !ordered { // it has hit this key
		s = Script{}
	}
	if s.fault.before() {
		return g.fail(&c, s, request)
	}
	op, p, refused := g.do(&c, &s)
	var a answer
	if refused != nil {
		a = refused.answer()
	} else {
		a = answer{status: http.StatusOK, body: encode(Answer{op, p})}
		if op.Status == StatusFailed {
			a.status = http.StatusPaymentRequired
		}
		if s.tell == tellFirst {
			a.first = g.takeFirst()
		}
	}
	if s.fault == faultErrorAfter && g.cfg.ReplaysErrors {
		a.status, a.body = http.StatusInternalServerError, internal().answer().body
	}
	g.keep(c.key, keyed{request: request, status: a.status, body: a.body})
	if s.fault == faultErrorAfter {
		a.status, a.body = http.StatusInternalServerError, internal().answer().body
	}
	a.hang = s.fault.timeout()
	return a
}

// fail answers a call for which nothing is done.
func (g *Gateway) fail(c *call, s Script, request string) answer {
	a, k := internal().answer(), keyed{request: request}
	if s.fault == faultErrorBefore && g.cfg.ReplaysErrors {
		k.status, k.body = a.status, a.body
	}
	g.keep(c.key, k)
	a.hang = s.fault.timeout()
	return a
}

// script returns what a call is to play: a fault that was ordered, else what its card says, else what its amount says.
func (g *Gateway) script(c *call) (s Script, ordered bool) {
	if queue := g.faults[c.kind]; len(queue) > 0 {
		g.faults[c.kind] = queue[1:]
		return queue[0], true
	}
	token := c.Token
	if p := g.payments[c.payment]; p != nil {
		token = p.token
	}
	if s, ok := tokenScript(token, c.kind); ok {
		return s, false
	}
	if s, ok := amountScript(c.Amount, c.kind); ok {
		return s, false
	}
	return Script{}, false
}

func (g *Gateway) do(c *call, s *Script) (*Operation, *Payment, *problem) {
	if c.kind == KindAuthorise {
		op, p := g.authorise(c, s)
		return op, p, nil
	}
	p := g.payments[c.payment]
	if p == nil {
		return nil, nil, &problem{status: http.StatusNotFound, Type: "not_found", Message: "there is no such payment"}
	}
	if len(p.Operations) >= maxOperations {
		return nil, nil, refuse("too_many_operations", "the payment has a thousand operations")
	}
	amount, refused := g.check(p, c)
	if refused != nil {
		return nil, nil, refused
	}
	op := g.newOperation(p, c, amount)
	switch {
	case s.decline != "":
		g.settle(p, op, StatusFailed, s, op.OccurredAt)
	case s.pending:
		g.settle(p, op, StatusPending, s, op.OccurredAt)
		g.later(p, op.OccurredAt.Add(soon), func(at time.Time) { g.settle(p, op, StatusSucceeded, s, at) })
	default:
		g.settle(p, op, StatusSucceeded, s, op.OccurredAt)
	}
	return op, p, nil
}

// check refuses what p has no room for, and returns the amount that is meant.
func (g *Gateway) check(p *Payment, c *call) (int64, *problem) {
	switch c.kind {
	case KindCapture, KindVoid:
		return g.checkRest(p, c)
	case KindRefund:
		if c.Amount > p.Refundable {
			r := refuse("amount_exceeds_captured", "more than was captured and neither refunded nor disputed")
			r.Possible = p.Refundable
			return 0, r
		}
	case KindCancel:
		if p.Status != StatusPending && p.Status != StatusRequiresAction {
			return 0, refuse("not_cancellable", "the payment is "+p.Status)
		}
	case KindAuthorise: // has no payment yet
	}
	return c.Amount, nil
}

// checkRest checks what takes from the authorisation.
func (g *Gateway) checkRest(p *Payment, c *call) (int64, *problem) {
	switch {
	case p.lapsed:
		return 0, refuse("authorisation_expired", "the authorisation has lapsed")
	case p.Capturable == 0:
		return 0, refuse("nothing_authorised", "nothing is left of the authorisation; the payment is "+p.Status)
	case c.Amount > p.Capturable:
		r := refuse("amount_exceeds_authorised", "more than is left of the authorisation")
		r.Possible = p.Capturable
		return 0, r
	case c.kind == KindVoid && c.Amount > 0 && c.Amount < p.Capturable && g.cfg.WholeVoidsOnly:
		return 0, refuse("partial_void_unsupported", "this gateway voids all that is left")
	case c.kind == KindVoid && c.Amount == 0:
		return p.Capturable, nil
	}
	return c.Amount, nil
}

// authorise begins a payment.
func (g *Gateway) authorise(c *call, s *Script) (*Operation, *Payment) {
	now := g.now()
	p := &Payment{
		ID: g.newID("pay"), Amount: c.Amount, Currency: strings.Clone(c.Currency), CaptureMode: modeManual, CreatedAt: now,
		Metadata: c.Metadata, token: c.Token, returnURL: c.ReturnURL,
	}
	if c.CaptureMode == modeAuto {
		p.CaptureMode = modeAuto
	}
	g.add(p)
	op := g.newOperation(p, c, c.Amount)
	switch {
	case s.decline != "":
		g.settle(p, op, StatusFailed, s, now)
	case s.action:
		p.Action = &Action{URL: c.base + "/actions/" + p.ID, ExpiresAt: now.Add(actionTime)}
		g.settle(p, op, StatusRequiresAction, s, now)
		g.later(p, p.Action.ExpiresAt, func(at time.Time) {
			if op.Status == StatusRequiresAction {
				g.settle(p, op, StatusFailed, &Script{decline: "action_expired", retryable: true}, at)
			}
		})
	case s.pending:
		g.settle(p, op, StatusPending, s, now)
		g.later(p, op.OccurredAt.Add(soon), func(at time.Time) {
			if op.Status == StatusPending {
				g.settle(p, op, StatusSucceeded, s, at)
			}
		})
	default:
		g.settle(p, op, StatusSucceeded, s, now)
	}
	return op, p
}

func (g *Gateway) newOperation(p *Payment, c *call, amount int64) *Operation {
	prefix := map[Kind]string{KindAuthorise: "auth", KindCapture: "cap", KindVoid: "void", KindRefund: "ref", KindCancel: "void"}[c.kind]
	op := &Operation{
		ID: g.newID(prefix), OperationID: c.OperationID, PaymentID: p.ID, Kind: c.kind, Amount: amount, OccurredAt: g.now(),
		Final: c.kind == KindCapture && (c.Final || g.cfg.SingleCapture),
	}
	p.Operations = append(p.Operations, op)
	return op
}
