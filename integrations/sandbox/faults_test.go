package sandbox_test

import (
	"bytes"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"waybill/integrations/sandbox"
)

func TestIdempotency(t *testing.T) {
	t.Parallel()
	s := open(t, sandbox.Config{KeyLifetime: time.Hour}, false)
	id := s.authorise("op-0", 1000, "").Payment.ID
	first := s.capture(id, "op-1", 400)
	again := s.capture(id, "op-1", 400)
	if !bytes.Equal(first.body, again.body) || first.header.Get("Idempotent-Replayed") != "" || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the same key gets %s (%v), then %s (%v)", first.body, first.header, again.body, again.header)
	}
	if r := s.capture(id, "op-1", 401); r.status != http.StatusUnprocessableEntity || r.Error.Type != "key_reused" {
		t.Errorf("the key of another body: %d %s", r.status, r.body)
	}
	declined, repeated := s.authorise("op-2", 901, ""), s.authorise("op-2", 901, "")
	if declined.status != http.StatusPaymentRequired || !bytes.Equal(declined.body, repeated.body) {
		t.Errorf("a decline is told as %s, then as %s", declined.body, repeated.body)
	}
	if p := s.payment(id); p.Captured != 400 {
		t.Errorf("captured %d", p.Captured)
	}
	s.control("clock", body{"advance": "1h"})
	if s.capture(id, "op-1", 400); s.payment(id).Captured != 800 {
		t.Errorf("a key that was forgotten captures %d in all, want 800", s.payment(id).Captured)
	}
}

// TestFaults lets a capture go wrong, and repeats it with the same key.
func TestFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		fault    string
		replays  bool
		first    int // 0: no answer
		captured int64
		second   int
		replayed bool
		end      int64
	}{
		{"error_before", false, 500, 0, 200, false, 600},
		{"error_after", false, 500, 600, 200, true, 600},
		{"error_before", true, 500, 0, 500, true, 0},
		{"error_after", true, 500, 600, 500, true, 600},
		{"timeout_before", false, 0, 0, 200, false, 600},
		{"timeout_after", false, 0, 600, 200, true, 600},
		{"timeout_before", true, 0, 0, 200, false, 600},
		{"timeout_after", true, 0, 600, 200, true, 600},
	}
	for _, tt := range tests {
		for _, by := range []string{"token", "control", "amount"} {
			t.Run(fmt.Sprint(tt.fault, "/replays ", tt.replays, "/by ", by), func(t *testing.T) {
				t.Parallel()
				s := open(t, sandbox.Config{ReplaysErrors: tt.replays}, false)
				token, amount, factor := "tok_ok", int64(600), int64(1)
				switch by {
				case "token":
					token = "tok_" + tt.fault + "_capture"
				case "amount":
					amount = map[string]int64{"timeout_before": 911, "timeout_after": 912, "error_before": 913, "error_after": 914}[tt.fault]
					factor = amount
				case "control":
					s.control("faults", body{"operation": "capture", "script": tt.fault})
				}
				want := func(captured int64) int64 {
					if by == "amount" {
						return captured / 600 * factor
					}
					return captured
				}
				id := s.authorise("op-0", 2000, token).Payment.ID
				call := func(timeout time.Duration) reply {
					return s.send(http.MethodPost, "/v1/payments/"+id+"/captures", "op-1", body{"operation_id": "op-1", "amount": amount}, timeout)
				}
				timeout := time.Minute
				if tt.first == 0 {
					timeout = 300 * time.Millisecond
				}
				if r := call(timeout); r.status != tt.first {
					t.Errorf("the first answer is %d %s, want %d", r.status, r.body, tt.first)
				}
				if p := s.payment(id); p.Captured != want(tt.captured) {
					t.Errorf("captured %d after the fault, want %d", p.Captured, want(tt.captured))
				}
				r := call(time.Minute)
				if replayed := r.header.Get("Idempotent-Replayed") == "true"; r.status != tt.second || replayed != tt.replayed {
					t.Errorf("the second answer is %d, replayed %v; want %d, %v", r.status, replayed, tt.second, tt.replayed)
				}
				if p := s.payment(id); p.Captured != want(tt.end) {
					t.Errorf("captured %d in the end, want %d", p.Captured, want(tt.end))
				}
			})
		}
	}
}

func TestHungCallEnds(t *testing.T) {
	t.Parallel()
	s := open(t, sandbox.Config{Hold: time.Millisecond}, true)
	if r := s.authorise("op-1", 1912, ""); r.status != http.StatusGatewayTimeout {
		t.Errorf("a call that hangs ends with %d", r.status)
	}
	s.receiver.await(t, "payment.authorised") // it was done nevertheless
}

// TestConcurrentCaptures lets many ask for the same money at once: some with a key of their own, some with that of another.
func TestConcurrentCaptures(t *testing.T) {
	t.Parallel()
	s := open(t, sandbox.Config{}, false)
	id := s.authorise("op-0", 1000, "").Payment.ID
	statuses := make([]int, 24)
	var wg sync.WaitGroup
	for i := range statuses {
		wg.Go(func() { statuses[i] = s.capture(id, fmt.Sprint("op-", i/2+1), 600).status })
	}
	wg.Wait()
	done := 0
	for i, status := range statuses {
		switch status {
		case http.StatusOK:
			done++
		case http.StatusConflict:
		default:
			t.Errorf("capture %d: %d", i, status)
		}
	}
	if p := s.payment(id); done != 2 || p.Captured != 600 || len(p.Operations) != 2 {
		t.Errorf("%d calls captured %d with %d operations; want one operation, told twice", done, p.Captured, len(p.Operations)-1)
	}
}

// TestLedgerHolds makes random calls with random scripts, and lets time pass: never is more captured than authorised, nor more
// refunded than captured, and the sums are those of the operations.
func TestLedgerHolds(t *testing.T) {
	t.Parallel()
	scripts := []string{"tok_ok", "tok_ok", "tok_ok", "tok_pending_capture", "tok_pending_refund", "tok_pending_refund", "tok_pending_refund"}
	for _, s := range sandbox.Scripts() {
		if s.Digits != 911 && s.Digits != 912 { // no call is to hang here: TestFaults has them
			scripts = append(scripts, "tok_"+s.Name)
		}
	}
	single, multi := open(t, sandbox.Config{SingleCapture: true, ReplaysErrors: true, Name: "single"}, false), open(t, sandbox.Config{}, false)
	amounts := rapid.Int64Range(1, 2000).Filter(func(n int64) bool { return n%1000 != 911 && n%1000 != 912 })
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		s := rapid.SampledFrom([]*shop{single, multi}).Draw(r, "gateway")
		n++
		mode := rapid.SampledFrom([]string{"manual", "auto"}).Draw(r, "mode")
		token := rapid.SampledFrom(scripts).Draw(r, "token")
		first := s.authorise(fmt.Sprint("p-", n), amounts.Draw(r, "amount"), token, "capture_mode", mode)
		if first.status == http.StatusInternalServerError {
			return
		}
		id := first.Payment.ID
		for i := range rapid.IntRange(1, 12).Draw(r, "calls") {
			path := rapid.SampledFrom([]string{"captures", "captures", "voids", "refunds", "refunds", "cancel", "clock", "disputes"}).Draw(r, "call")
			amount := amounts.Draw(r, "amount")
			op := fmt.Sprint("p-", n, "-", rapid.IntRange(i/2, i).Draw(r, "key")) // some repeat
			switch path {
			case "clock":
				s.control("clock", body{"advance": rapid.SampledFrom([]string{"1s", "1m", "15m", "25h"}).Draw(r, "time")})
			case "disputes":
				s.do("/control/payments/"+id+"/disputes", "", body{"amount": amount})
			case "cancel":
				s.do("/v1/payments/"+id+"/cancel", op, body{"operation_id": op})
			default:
				s.do("/v1/payments/"+id+"/"+path, op, body{"operation_id": op, "amount": amount})
			}
			holds(r, s.payment(id))
		}
	})
}

// holds fails if the sums of p are not possible.
func holds(t *rapid.T, p sandbox.Payment) {
	var captured, refunded, voided, authorised int64
	for _, o := range p.Operations {
		if o.Status != sandbox.StatusSucceeded && (o.Status != sandbox.StatusPending || o.Kind == sandbox.KindAuthorise) {
			continue
		}
		switch o.Kind {
		case sandbox.KindAuthorise:
			if authorised = o.Amount; p.CaptureMode == "auto" {
				captured = o.Amount
			}
		case sandbox.KindCapture:
			captured += o.Amount
		case sandbox.KindVoid:
			voided += o.Amount
		case sandbox.KindRefund:
			refunded += o.Amount
		case sandbox.KindCancel:
		}
	}
	if captured+voided > authorised || refunded > captured || p.Capturable < 0 || p.Capturable > authorised-captured-voided ||
		p.Refundable < 0 || p.Refundable > captured-refunded {
		t.Fatalf("authorised %d, captured %d, voided %d, refunded %d: %+v", authorised, captured, voided, refunded, p)
	}
	if p.Authorised != authorised || p.Captured+p.CapturePending != captured || p.Voided != voided || p.Refunded+p.RefundPending != refunded {
		t.Fatalf("authorised %d, captured %d, voided %d, refunded %d are not the sums of %+v", authorised, captured, voided, refunded, p)
	}
}
