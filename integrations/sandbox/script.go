package sandbox

import (
	"slices"
	"strings"
	"time"
)

// Kind says what a call asks for.
type Kind string

// The kinds of calls.
const (
	KindAuthorise Kind = "authorise"
	KindCapture   Kind = "capture"
	KindVoid      Kind = "void"
	KindRefund    Kind = "refund"
	KindCancel    Kind = "cancel"
)

// Kinds returns all kinds of calls.
func Kinds() []Kind { return []Kind{KindAuthorise, KindCapture, KindVoid, KindRefund, KindCancel} }

// fault is what goes wrong with the call itself.
type fault int

const (
	faultNone fault = iota
	faultErrorBefore
	faultErrorAfter
	faultTimeoutBefore
	faultTimeoutAfter
)

// before reports whether nothing is done.
func (f fault) before() bool { return f == faultErrorBefore || f == faultTimeoutBefore }

// timeout reports whether the call gets no answer.
func (f fault) timeout() bool { return f == faultTimeoutBefore || f == faultTimeoutAfter }

// telling is how the webhooks of a call are sent.
type telling int

const (
	tellOnce       telling = iota
	tellTwice              // one event, two deliveries
	tellAgain              // two events about the same thing
	tellLate               // after lateBy
	tellOutOfOrder         // behind the next event of the payment; after lateBy if there is none
	tellFirst              // before the answer of the call
	tellNever              // only the list of events has it
)

// Script is a story that a call can be told to play.
type Script struct {
	Name   string `json:"script"`
	Digits int64  `json:"amount_ends_in"` // the last three digits of an amount that plays it
	On     []Kind `json:"operations"`     // the calls that can play it
	Does   string `json:"does"`

	decline   string // the reason
	retryable bool
	action    bool
	pending   bool
	window    time.Duration
	fault     fault
	tell      telling
	fails     bool   // a refund comes back
	dispute   string // how it ends, disputeOpen if it is left open
}

// Scripts returns all scripts.
func Scripts() []Script {
	all, authorise, capture := Kinds(), []Kind{KindAuthorise}, []Kind{KindAuthorise, KindCapture}
	return []Script{
		{Name: "declined_insufficient_funds", Digits: 901, On: authorise, decline: "insufficient_funds", retryable: true, Does: "declined; another try may succeed"},
		{Name: "declined_card", Digits: 902, On: authorise, decline: "card_declined", Does: "declined for good"},
		{Name: "declined_expired_card", Digits: 903, On: authorise, decline: "expired_card", Does: "declined for good"},
		{Name: "declined_fraud", Digits: 904, On: authorise, decline: "suspected_fraud", Does: "declined for good"},
		{Name: "3ds", Digits: 905, On: authorise, action: true, Does: "requires an action of the customer, within 15 minutes"},
		{Name: "pending", Digits: 906, On: []Kind{KindAuthorise, KindCapture, KindRefund}, pending: true, Does: "answers pending, and succeeds after a minute"},
		{Name: "refused", Digits: 907, On: all[1:], decline: "processing_error", retryable: true, Does: "fails; another try may succeed"},
		{Name: "short_window", Digits: 908, On: authorise, window: time.Hour, Does: "the authorisation lapses after an hour in place of a week"},
		{Name: "timeout_before", Digits: 911, On: all, fault: faultTimeoutBefore, Does: "nothing is done, and no answer comes"},
		{Name: "timeout_after", Digits: 912, On: all, fault: faultTimeoutAfter, Does: "the work is done, and no answer comes"},
		{Name: "error_before", Digits: 913, On: all, fault: faultErrorBefore, Does: "nothing is done, and the answer is 500"},
		{Name: "error_after", Digits: 914, On: all, fault: faultErrorAfter, Does: "the work is done, and the answer is 500"},
		{Name: "webhook_twice", Digits: 921, On: all, tell: tellTwice, Does: "each webhook comes twice"},
		{Name: "webhook_again", Digits: 922, On: all, tell: tellAgain, Does: "each webhook comes again as another event"},
		{Name: "webhook_late", Digits: 923, On: all, tell: tellLate, Does: "the webhooks come ten minutes late"},
		{Name: "webhook_out_of_order", Digits: 924, On: all, tell: tellOutOfOrder, Does: "the webhooks come behind the next one of the payment, or ten minutes late"},
		{Name: "webhook_first", Digits: 925, On: all, tell: tellFirst, Does: "the webhooks come before the answer"},
		{Name: "webhook_never", Digits: 926, On: all, tell: tellNever, Does: "no webhook comes; the list of events has it"},
		{Name: "refund_fails_later", Digits: 931, On: []Kind{KindRefund}, fails: true, Does: "succeeds, and fails after a minute"},
		{Name: "dispute", Digits: 932, On: capture, dispute: disputeOpen, Does: "disputed a minute after the capture, the funds withdrawn, and left open"},
		{Name: "dispute_won", Digits: 933, On: capture, dispute: disputeWon, Does: "disputed, and won a week later"},
		{Name: "dispute_lost", Digits: 934, On: capture, dispute: disputeLost, Does: "disputed, and lost a week later"},
	}
}

// scriptNamed returns the script of a name, if calls of kind can play it.
func scriptNamed(name string, kind Kind) (Script, bool) {
	for _, s := range Scripts() {
		if s.Name == name {
			return s, slices.Contains(s.On, kind)
		}
	}
	return Script{}, false
}

// tokenScript returns what a card token plays on calls of kind: "tok_<script>" on all calls that know the script,
// "tok_<script>_<operation>" on those of one kind.
func tokenScript(token string, kind Kind) (Script, bool) {
	name, ok := strings.CutPrefix(token, tokenPrefix)
	if !ok {
		return Script{}, false
	}
	if s, ok := scriptNamed(name, kind); ok {
		return s, true
	}
	for _, k := range Kinds() {
		if rest, ok := strings.CutSuffix(name, "_"+string(k)); ok && k == kind {
			return scriptNamed(rest, kind)
		}
	}
	return Script{}, false
}

// knownToken reports whether a token plays a script on any call, or none at all.
func knownToken(token string) bool {
	return token == tokenPrefix+"ok" || slices.ContainsFunc(Kinds(), func(k Kind) bool {
		_, ok := tokenScript(token, k)
		return ok
	})
}

// amountScript returns what an amount plays on calls of kind.
func amountScript(amount int64, kind Kind) (Script, bool) {
	for _, s := range Scripts() {
		if s.Digits == amount%1000 {
			return s, slices.Contains(s.On, kind)
		}
	}
	return Script{}, false
}

const tokenPrefix = "tok_"
