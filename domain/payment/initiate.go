package payment

import (
	"cmp"

	"waybill/domain"
)

// Initiate begins a payment. Nothing is asked of the gateway yet. A capture mode that is not given is manual.
type Initiate struct {
	Target
	Terms Terms
}

// Initiated records that a payment began, and what its gateway has declared that it can do.
type Initiated struct {
	Head
	PaymentID ID    `msgpack:"payment_id"`
	Terms     Terms `msgpack:"terms"`
}

// CommandType implements [Command].
func (Initiate) CommandType() string { return CommandInitiate }

func (c Initiate) decide(p *Payment) ([]Event, error) {
	t := c.Terms
	t.CaptureMode = cmp.Or(t.CaptureMode, CaptureManual)
	if p.ID != "" {
		if p.Terms != t {
			return nil, AlreadyInitiated{PaymentID: p.ID, OrderID: p.Terms.OrderID}
		}
		return nil, nil
	}
	f := &fields{}
	f.id("payment_id", string(c.ID))
	f.id("order_id", t.OrderID)
	f.name("gateway", t.Gateway)
	f.text("method", t.Method, MaxName)
	f.text("return_url", t.ReturnURL, MaxURL)
	f.amount(t.Amount, t.Amount.Currency)
	if _, ok := t.Amount.Currency.Exponent(); !ok {
		f.invalid("amount.currency", "is not a currency")
	}
	oneOf(f, "capture_mode", t.CaptureMode, CaptureManual, CaptureAuto)
	f.between("capabilities.over_capture_basis_points", t.Capabilities.OverCaptureBasisPoints, MaxOverCapture)
	f.between("capabilities.key_lifetime_seconds", t.Capabilities.KeyLifetimeSeconds, MaxKeyLifetime)
	if f.err != nil {
		return nil, f.err
	}
	return []Event{Initiated{Head: Head{OrderID: t.OrderID, Gateway: t.Gateway, At: c.Now}, PaymentID: c.ID, Terms: t}}, nil
}

// EventType implements [Event].
func (Initiated) EventType() string { return TypeInitiated }

func (e Initiated) apply(p *Payment) {
	*p = Payment{ID: e.PaymentID, Terms: e.Terms, InitiatedAt: e.At, UpdatedAt: e.At}
}

// MaxKeyLifetime is how many seconds a gateway may say that it knows an operation id again.
const MaxKeyLifetime = 10 * 365 * 24 * 60 * 60

// checkOperation refuses an operation id that cannot be one.
func checkOperation(id string) error { return domain.CheckID("operation_id", id) }
