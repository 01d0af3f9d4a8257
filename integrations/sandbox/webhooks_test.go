package sandbox_test

import (
	"net/http"
	"testing"
	"time"

	"waybill/integrations/sandbox"
)

const (
	authorised = "payment.authorised"
	captured   = "payment.captured"
	refunded   = "payment.refunded"
)

func TestWebhooksTwice(t *testing.T) {
	t.Parallel()
	s := open(t, sandbox.Config{}, true)
	r := s.authorise("op-1", 1000, "tok_webhook_twice_authorise")
	s.receiver.await(t, authorised, authorised)
	s.capture(r.Payment.ID, "op-2", 922) // the amount: again
	s.receiver.await(t, authorised, authorised, captured, captured)
	e := s.receiver.events
	if e[0].ID != e[1].ID || e[2].ID == e[3].ID || e[2].ObjectID != e[3].ObjectID {
		t.Errorf("not one event twice, and two events about one capture: %+v", e)
	}
	if e[0].OperationID != "op-1" || e[0].Amount != 1000 || !e[0].CaptureBefore.After(e[0].OccurredAt) || e[2].Total != 922 {
		t.Errorf("the events say %+v", e)
	}
}

func TestWebhooksOutOfOrder(t *testing.T) {
	t.Parallel()
	s := open(t, sandbox.Config{}, true)
	r := s.authorise("op-1", 1000, "tok_webhook_out_of_order_authorise")
	s.capture(r.Payment.ID, "op-2", 500)
	s.receiver.await(t, captured, authorised)
}

func TestWebhooksLate(t *testing.T) {
	t.Parallel()
	s := open(t, sandbox.Config{}, true)
	r := s.authorise("op-1", 1000, "tok_webhook_late_authorise")
	s.authorise("op-2", 926, "") // never told
	s.capture(r.Payment.ID, "op-3", 500)
	s.receiver.await(t, captured)
	s.control("clock", body{"advance": "10m"})
	s.receiver.await(t, captured, authorised)
	if got := s.events(); len(got) != 3 {
		t.Errorf("the list of events has %q", got)
	}
}

// TestWebhookFirst has no sender running: what came in came with the call.
func TestWebhookFirst(t *testing.T) {
	t.Parallel()
	s := open(t, sandbox.Config{}, false)
	r := s.authorise("op-1", 1000, "tok_webhook_first")
	s.receiver.await(t, authorised)
	s.do("/v1/payments/"+r.Payment.ID+"/captures", "op-2", body{"operation_id": "op-2", "amount": 1000, "final": true})
	s.receiver.await(t, authorised, captured)
	if !s.receiver.events[1].Final {
		t.Error("the last capture is not told as such")
	}
}

// TestWebhookBeforeTimeOut has the work told while its call hangs.
func TestWebhookBeforeTimeOut(t *testing.T) {
	t.Parallel()
	s := open(t, sandbox.Config{}, true)
	id := s.authorise("op-1", 1000, "tok_timeout_after_capture").Payment.ID
	if r := s.send(http.MethodPost, "/v1/payments/"+id+"/captures", "op-2", body{"operation_id": "op-2", "amount": 1000}, 300*time.Millisecond); r.status != 0 {
		t.Errorf("a call that hangs is answered %d", r.status)
	}
	s.receiver.await(t, authorised, captured)
}

func TestWebhookIsSentUntilItArrives(t *testing.T) {
	t.Parallel()
	s := open(t, sandbox.Config{}, true)
	s.receiver.mu.Lock()
	s.receiver.refuse = 2
	s.receiver.mu.Unlock()
	s.authorise("op-1", 1000, "")
	for deadline := time.Now().Add(10 * time.Second); len(s.receiver.types()) == 0 && time.Now().Before(deadline); {
		select { // a refusal, or one more look
		case <-s.receiver.came:
		case <-time.After(10 * time.Millisecond):
		}
		s.control("clock", body{"advance": "1s"})
	}
	s.receiver.await(t, authorised)
}

func TestWebhookAgain(t *testing.T) {
	t.Parallel()
	s := open(t, sandbox.Config{}, true)
	id := s.authorise("op-1", 1000, "", "capture_mode", "auto").Payment.ID
	s.do("/v1/payments/"+id+"/refunds", "op-2", body{"operation_id": "op-2", "amount": 100})
	s.receiver.await(t, captured, refunded)
	event := "events/" + s.receiver.events[0].ID + "/send"
	s.control(event, body{"forged": true})
	s.control(event, body{"age_seconds": 3600})
	s.control(event, body{})
	s.receiver.await(t, captured, refunded, captured)
	s.receiver.mu.Lock()
	defer s.receiver.mu.Unlock()
	if s.receiver.forged != 2 {
		t.Errorf("the receiver refused %d webhooks, want the forged one and the old one", s.receiver.forged)
	}
}

func TestDisputeByHand(t *testing.T) {
	t.Parallel()
	s := open(t, sandbox.Config{}, true)
	id := s.authorise("op-1", 1000, "", "capture_mode", "auto").Payment.ID
	s.control("payments/"+id+"/disputes", body{"amount": 400, "reason": "product_not_received"})
	d := s.payment(id).Disputes[0]
	s.control("disputes/"+d.ID+"/close", body{"outcome": "lost"})
	s.receiver.await(t, captured, "payment.dispute_opened", "payment.dispute_funds_withdrawn", "payment.dispute_closed")
	if p := s.payment(id); p.Disputed != 400 || p.Refundable != 600 || s.receiver.events[1].Reason != "product_not_received" {
		t.Errorf("the payment is %+v", p)
	}
	if r := s.do("/control/disputes/"+d.ID+"/close", "", body{"outcome": "won"}); r.status != http.StatusConflict {
		t.Errorf("a dispute is decided twice: %d", r.status)
	}
}
