package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"
	"unicode/utf8"
)

// The states of an operation.
const (
	StatusSucceeded      = "succeeded"
	StatusFailed         = "failed"
	StatusPending        = "pending"
	StatusRequiresAction = "requires_action"
)

// Payment is a payment as the gateway shows it. Amounts are in minor units.
type Payment struct {
	ID             string            `json:"id"`
	Status         string            `json:"status"` // requires_action, pending, authorised, captured, voided, expired, failed
	Amount         int64             `json:"amount"`
	Currency       string            `json:"currency"`
	CaptureMode    string            `json:"capture_mode"`
	Authorised     int64             `json:"authorised"`
	Captured       int64             `json:"captured"`
	CapturePending int64             `json:"capture_pending"`
	Voided         int64             `json:"voided"`
	Refunded       int64             `json:"refunded"`
	RefundPending  int64             `json:"refund_pending"`
	Disputed       int64             `json:"disputed"`   // of disputes that are open or lost
	Capturable     int64             `json:"capturable"` // what can be captured or voided still
	Refundable     int64             `json:"refundable"`
	CaptureBefore  time.Time         `json:"capture_before,omitzero"`
	Action         *Action           `json:"action,omitempty"`
	Operations     []*Operation      `json:"operations"`
	Disputes       []*Dispute        `json:"disputes,omitempty"`
	Metadata       map[string]string `json:"metadata,omitempty"`
	CreatedAt      time.Time         `json:"created_at"`

	token, returnURL string
	released, lapsed bool // nothing more can be captured; because its time was over
}

// Action is what a customer has to do.
type Action struct {
	URL       string    `json:"url"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Operation is something that a payment was asked for. Its id is that of what came of it: an authorisation, a capture, a refund.
type Operation struct {
	ID          string    `json:"id"`
	OperationID string    `json:"operation_id"` // the caller's
	PaymentID   string    `json:"payment_id"`
	Kind        Kind      `json:"kind"`
	Amount      int64     `json:"amount"`
	Final       bool      `json:"final,omitempty"`
	Status      string    `json:"status"`
	Reason      string    `json:"reason,omitempty"`
	Retryable   bool      `json:"retryable,omitempty"`
	OccurredAt  time.Time `json:"occurred_at"` // when it came to that status
}

// Dispute is a complaint of a customer to the bank.
type Dispute struct {
	ID         string    `json:"id"`
	PaymentID  string    `json:"payment_id"`
	Amount     int64     `json:"amount"`
	Reason     string    `json:"reason"`
	Status     string    `json:"status"` // open, won, lost
	OpenedAt   time.Time `json:"opened_at"`
	EvidenceBy time.Time `json:"evidence_by"`
}

// The states of a dispute.
const (
	disputeOpen = "open"
	disputeWon  = "won"
	disputeLost = "lost"
)

// Event is something that has happened, as webhooks and the list of events tell it.
type Event struct {
	ID            string            `json:"id"`
	Sequence      int64             `json:"sequence"`
	Type          string            `json:"type"` // "payment." and the name of a fact: payment.captured
	OccurredAt    time.Time         `json:"occurred_at"`
	PaymentID     string            `json:"payment_id"`
	ObjectID      string            `json:"object_id,omitempty"` // of the operation or the dispute
	OperationID   string            `json:"operation_id,omitempty"`
	Amount        int64             `json:"amount,omitempty"`
	Currency      string            `json:"currency"`
	Total         int64             `json:"total,omitempty"` // of captures or refunds so far
	Final         bool              `json:"final,omitempty"`
	CaptureBefore time.Time         `json:"capture_before,omitzero"`
	Action        *Action           `json:"action,omitempty"`
	Reason        string            `json:"reason,omitempty"`
	Retryable     bool              `json:"retryable,omitempty"`
	Outcome       string            `json:"outcome,omitempty"`
	EvidenceBy    time.Time         `json:"evidence_by,omitzero"`
	Metadata      map[string]string `json:"metadata,omitempty"`
}

// Answer is what a call is answered with: what became of it, and how the payment stands.
type Answer struct {
	Operation *Operation `json:"operation"`
	Payment   *Payment   `json:"payment"`
}

// Capabilities is what the gateway declares of itself.
type Capabilities struct {
	MultiCapture           bool  `json:"multi_capture"`
	PartialVoid            bool  `json:"partial_void"`
	IncrementalAuth        bool  `json:"incremental_auth"` // never
	OverCaptureBasisPoints int64 `json:"over_capture_basis_points"`
	KeyLifetimeSeconds     int64 `json:"key_lifetime_seconds"`
	ReplaysErrors          bool  `json:"replays_errors"` // a repeated key gets the first answer, also a 500
}

// Request is the body of a call.
type Request struct {
	OperationID string            `json:"operation_id"`
	Amount      int64             `json:"amount,omitempty"`       // of a void: all that is left, if it is not given
	Currency    string            `json:"currency,omitempty"`     // of an authorisation, like all that follows
	Token       string            `json:"token,omitempty"`        // tok_ok by default
	CaptureMode string            `json:"capture_mode,omitempty"` // manual by default, or auto
	ReturnURL   string            `json:"return_url,omitempty"`   // where the customer goes after an action
	Metadata    map[string]string `json:"metadata,omitempty"`
	Final       bool              `json:"final,omitempty"` // of a capture: the rest is let go
}

const (
	maxBody     = 64 << 10
	maxID       = 200
	maxText     = 2000
	maxMetadata = 20
	maxAmount   = 1_000_000_000_000
	modeManual  = "manual"
	modeAuto    = "auto"
)

// decodeStrictly reads one JSON value that has no unknown field and nothing behind it.
func decodeStrictly(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("decode the body: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("decode the body: there is something behind the object")
	}
	return nil
}

// decodeRequest reads and checks the body of a call of kind.
func decodeRequest(kind Kind, data []byte) (Request, error) {
	var r Request
	if err := decodeStrictly(data, &r); err != nil {
		return Request{}, err
	}
	if r.OperationID == "" || len(r.OperationID) > maxID || !utf8.ValidString(r.OperationID) {
		return Request{}, errors.New("operation_id is missing or too long")
	}
	if r.Amount < 0 || r.Amount > maxAmount {
		return Request{}, fmt.Errorf("amount is not between 0 and %d", maxAmount)
	}
	needsAmount := kind == KindAuthorise || kind == KindCapture || kind == KindRefund
	switch {
	case needsAmount && r.Amount == 0:
		return Request{}, errors.New("amount is missing")
	case kind == KindCancel && r.Amount != 0:
		return Request{}, errors.New("a cancellation has no amount")
	case kind != KindCapture && r.Final:
		return Request{}, errors.New("only a capture can be final")
	case kind == KindAuthorise:
		return r, r.checkAuthorisation()
	case r.Currency != "" || r.Token != "" || r.CaptureMode != "" || r.ReturnURL != "" || len(r.Metadata) > 0:
		return Request{}, errors.New("currency, token, capture_mode, return_url and metadata belong to an authorisation")
	}
	return r, nil
}

func (r *Request) checkAuthorisation() error {
	if len(r.Currency) != 3 || bytes.ContainsFunc([]byte(r.Currency), func(c rune) bool { return c < 'A' || c > 'Z' }) {
		return errors.New("currency is not three capital letters")
	}
	if r.Token != "" && !knownToken(r.Token) {
		return errors.New("token is not one of this gateway")
	}
	if r.CaptureMode != "" && r.CaptureMode != modeManual && r.CaptureMode != modeAuto {
		return errors.New("capture_mode is neither manual nor auto")
	}
	if r.ReturnURL != "" {
		u, err := url.Parse(r.ReturnURL)
		if err != nil || len(r.ReturnURL) > maxText || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return errors.New("return_url is not a URL")
		}
	}
	if len(r.Metadata) > maxMetadata {
		return fmt.Errorf("metadata has more than %d entries", maxMetadata)
	}
	for k, v := range r.Metadata {
		if len(k) > maxID || len(v) > maxText {
			return errors.New("an entry of metadata is too long")
		}
	}
	return nil
}
