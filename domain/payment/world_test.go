package payment_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"waybill/domain"
	"waybill/domain/payment"
)

// world is a payment and its gateway. The gateway does what it is asked for, once for each operation id, now or later; what it
// tells of that is lost, late, doubled and out of order.
type world struct {
	t     *rapid.T
	p     *payment.Payment
	log   []payment.Event
	now   domain.Time
	calls []payment.Event         // that the gateway has not worked on
	mail  []payment.Command       // that is on its way to the payment
	said  map[string]payment.Fact // what the gateway did, by operation
	check func(e payment.Event)   // what has to hold after each event
	terms payment.Terms           // of the payment

	authorised, captured, refunded, disputed int64 // the truth
	closed                                   bool
	serial                                   int
}

func newWorld(t *rapid.T) *world {
	terms := terms()
	terms.Capabilities = payment.Capabilities{
		MultiCapture: rapid.Bool().Draw(t, "multi"), PartialVoid: rapid.Bool().Draw(t, "partial void"),
		OverCaptureBasisPoints: rapid.SampledFrom([]int64{0, 0, 1500}).Draw(t, "over"),
	}
	w := &world{t: t, p: new(payment.Payment), now: t0, said: map[string]payment.Fact{}, check: func(payment.Event) {}, terms: terms}
	w.send(payment.Initiate{Target: w.target(), Terms: terms})
	w.send(payment.Authorise{Target: w.target(), OperationID: "op-0"})
	if w.maybe("at once") {
		w.settle()
	}
	return w
}

func (w *world) target() payment.Target {
	w.now++
	return payment.Target{ID: paymentID, Now: w.now}
}

func (w *world) id(prefix string) string {
	w.serial++
	return fmt.Sprint(prefix, w.serial)
}

func (w *world) upTo(label string, most int64) int64 {
	return rapid.Int64Range(1, most).Draw(w.t, label)
}

// part draws an amount, and everything more often than chance has it.
func (w *world) part(label string, most int64) int64 {
	if w.maybe("everything") {
		return w.terms.Amount.Minor
	}
	return w.upTo(label, most)
}

func (w *world) maybe(label string) bool { return rapid.Bool().Draw(w.t, label) }

// send decides and folds a command; refusals are fine.
func (w *world) send(c payment.Command) {
	events, err := payment.Decide(w.p, c)
	if _, refused := errors.AsType[domain.Refusal](err); err != nil && !refused {
		w.t.Fatalf("%s: %v", c.CommandType(), err)
	}
	for _, e := range events {
		payment.Evolve(w.p, e)
		w.log = append(w.log, e)
		w.check(e)
		if strings.HasSuffix(e.EventType(), "_requested") {
			w.calls = append(w.calls, e)
		}
	}
}

// step lets something happen.
func (w *world) step() {
	switch rapid.IntRange(0, 11).Draw(w.t, "step") {
	case 0, 1:
		w.send(payment.Capture{Target: w.target(), OperationID: w.id("op-c"), Amount: eur(w.part("capture", 3600)), Final: w.maybe("final")})
	case 2:
		c := payment.Void{Target: w.target(), OperationID: w.id("op-v")}
		if w.maybe("a part") {
			c.Amount = eur(w.upTo("void", 3000))
		}
		w.send(c)
	case 3, 4:
		w.send(payment.Refund{Target: w.target(), OperationID: w.id("op-r"), RefundID: "r", Amount: eur(w.part("refund", 3000)), Override: w.maybe("override")})
	case 5, 6:
		w.work()
	case 7, 8:
		w.dispute()
	default:
		w.deliver()
	}
}

// work lets the gateway do one of the calls that it has got, in any order.
func (w *world) work() {
	if len(w.calls) == 0 {
		return
	}
	i := rapid.IntRange(0, len(w.calls)-1).Draw(w.t, "call")
	call := w.calls[i]
	w.calls = append(w.calls[:i:i], w.calls[i+1:]...)
	w.now++
	f := payment.Fact{OccurredAt: w.now, ObjectRef: w.id("ref-")}
	if c, ok := call.(payment.AuthorisationRequested); ok {
		f.Kind, f.OperationID, f.Amount = payment.FactAuthorised, c.OperationID, c.Amount
		w.authorised += c.Amount.Minor
	}
	if c, ok := call.(payment.CaptureRequested); ok {
		f.Kind, f.OperationID, f.Amount, f.Final = payment.FactCaptured, c.OperationID, c.Amount, c.Final
		w.captured += c.Amount.Minor
		if most := w.authorised + w.authorised*w.terms.Capabilities.OverCaptureBasisPoints/10_000; w.closed || w.captured > most {
			w.t.Fatalf("the gateway was asked to capture %d of %d (closed: %t)", w.captured, most, w.closed)
		}
		w.closed = c.Final || !w.terms.Capabilities.MultiCapture
	}
	if c, ok := call.(payment.VoidRequested); ok {
		f.Kind, f.OperationID = payment.FactVoided, c.OperationID
		if w.closed || !c.All && w.authorised-c.Amount.Minor < w.captured {
			w.t.Fatalf("the gateway was asked to void %d of %d, captured are %d", c.Amount.Minor, w.authorised, w.captured)
		}
		if w.closed = c.All; !c.All {
			f.Amount = c.Amount
			w.authorised -= c.Amount.Minor
		}
	}
	if c, ok := call.(payment.RefundRequested); ok {
		f.Kind, f.OperationID, f.Amount = payment.FactRefunded, c.OperationID, c.Amount
		w.refunded += c.Amount.Minor
		if w.refunded > w.captured {
			w.t.Fatalf("the gateway was asked to pay back %d of %d", w.refunded, w.captured)
		}
	}
	if rapid.IntRange(0, 5).Draw(w.t, "decline") == 0 {
		w.decline(f)
		return
	}
	w.tell(f)
	if f.Kind == payment.FactRefunded && rapid.IntRange(0, 3).Draw(w.t, "comes back") == 0 {
		w.refunded -= f.Amount.Minor
		w.now++
		f.Kind, f.OccurredAt = payment.FactRefundFailed, w.now
		w.tell(f)
	}
}

// decline takes back what work has done: the gateway said no.
func (w *world) decline(f payment.Fact) {
	f.Code = "declined"
	if f.Kind == payment.FactAuthorised {
		w.authorised -= f.Amount.Minor
	}
	if f.Kind == payment.FactCaptured {
		w.captured -= f.Amount.Minor
		w.closed = false
	}
	if f.Kind == payment.FactVoided {
		w.authorised += f.Amount.Minor
		w.closed = false
	}
	if f.Kind == payment.FactRefunded {
		w.refunded -= f.Amount.Minor
	}
	f.Kind = map[payment.FactKind]payment.FactKind{
		payment.FactAuthorised: payment.FactAuthorisationFailed, payment.FactCaptured: payment.FactCaptureFailed,
		payment.FactVoided: payment.FactVoidFailed, payment.FactRefunded: payment.FactRefundFailed,
	}[f.Kind]
	w.tell(f)
}

// tell puts on its way what the gateway says: messages, and the answer to the call, or what a look-up will find.
func (w *world) tell(f payment.Fact) {
	if f.OperationID != "" {
		w.said[f.OperationID] = f
	}
	for range rapid.IntRange(1, 3).Draw(w.t, "messages") {
		m := f
		if w.maybe("another id") || m.GatewayEventID == "" {
			f.GatewayEventID = w.id("evt-")
			m.GatewayEventID = f.GatewayEventID
		}
		if w.maybe("without the operation") && f.Kind != payment.FactVoided {
			m.OperationID = ""
		}
		w.mail = append(w.mail, payment.RecordFact{Target: w.target(), Fact: m})
	}
	if f.OperationID == "" {
		return
	}
	if w.maybe("answered") {
		w.mail = append(w.mail, w.answer(f))
	} else {
		w.mail = append(w.mail, payment.RecordOutcome{Target: w.target(), OperationID: f.OperationID, Outcome: payment.OutcomeUnknown})
	}
}

func (w *world) answer(f payment.Fact) payment.RecordOutcome {
	c := payment.RecordOutcome{Target: w.target(), OperationID: f.OperationID, Outcome: payment.OutcomeFailed, GatewayRef: f.ObjectRef, OccurredAt: f.OccurredAt, Code: f.Code}
	done := []payment.FactKind{payment.FactAuthorised, payment.FactCaptured, payment.FactVoided, payment.FactRefunded}
	if slices.Contains(done, f.Kind) {
		c.Outcome = payment.OutcomeSucceeded
	}
	return c
}

// dispute lets a customer complain about what they have not got back, or the bank decide.
func (w *world) dispute() {
	w.now++
	if rest := w.captured - w.refunded - w.disputed; rest > 0 && w.disputed == 0 {
		w.disputed = w.upTo("dispute", rest)
		w.tell(payment.Fact{Kind: payment.FactDisputeOpened, ObjectRef: "dp_1", Amount: eur(w.disputed), OccurredAt: w.now})
	} else if w.disputed > 0 && w.maybe("decide") {
		f := payment.Fact{Kind: payment.FactDisputeClosed, ObjectRef: "dp_1", OccurredAt: w.now, DisputeOutcome: payment.DisputeLost}
		w.tell(f)
	}
}

// deliver brings something that is on its way to the payment, and maybe leaves it on its way.
func (w *world) deliver() {
	if len(w.mail) == 0 {
		return
	}
	i := rapid.IntRange(0, len(w.mail)-1).Draw(w.t, "letter")
	c := w.mail[i]
	if w.maybe("once") {
		w.mail = append(w.mail[:i:i], w.mail[i+1:]...)
	}
	w.send(c)
}

// settle brings everything to its end: calls are worked on, mail arrives, and what nobody knows is looked up.
func (w *world) settle() {
	for len(w.calls) > 0 {
		w.work()
	}
	for len(w.mail) > 0 {
		c := w.mail[len(w.mail)-1]
		w.mail = w.mail[:len(w.mail)-1]
		w.send(c)
	}
	for _, o := range w.p.Open() {
		w.send(w.answer(w.said[o.OperationID]))
	}
}

// live runs a payment through a life, holds every state on the way to check, and settles it.
func live(t *rapid.T, check func(w *world, e payment.Event)) *world {
	w := newWorld(t)
	w.check = func(e payment.Event) { check(w, e) }
	for range rapid.IntRange(10, 60).Draw(t, "steps") {
		w.step()
	}
	w.settle()
	return w
}
