package order

import (
	"cmp"

	"waybill/domain"
)

// RejectReason says why the seller does not accept an order.
type RejectReason string

// The reasons to reject an order.
const (
	RejectOutOfStock    RejectReason = "out_of_stock"
	RejectPaymentFailed RejectReason = "payment_failed"
	RejectFraud         RejectReason = "fraud"
	RejectInvalid       RejectReason = "invalid"
)

// Shortage is what was missing when an order was rejected as out of stock.
type Shortage struct {
	SKU       string `json:"sku"       msgpack:"sku,omitempty"`
	Location  string `json:"location"  msgpack:"location,omitempty"`
	Requested int64  `json:"requested" msgpack:"requested"` // units of the whole order
	Available int64  `json:"available" msgpack:"available"` // units there were
}

// Rejection is why an order was rejected.
type Rejection struct {
	Reason    RejectReason `msgpack:"reason"`
	Detail    string       `msgpack:"detail,omitempty"` // one sentence for people, not personal
	Shortages []Shortage   `msgpack:"shortages,omitempty"`
}

// Confirm accepts a pending order. A hold on [VerbConfirm] refuses it.
type Confirm struct {
	ID  ID
	Now domain.Time
}

// Reject says that a pending order cannot be accepted.
type Reject struct {
	ID        ID
	Rejection Rejection
	Now       domain.Time
}

// Expire closes a pending order whose deadline has passed.
type Expire struct {
	ID       ID
	Deadline domain.Time // pay_by of the order if zero
	Now      domain.Time
}

// Confirmed records that the seller has accepted the order.
type Confirmed struct {
	At domain.Time `msgpack:"at"`
}

// Rejected records that the seller could not accept the order.
type Rejected struct {
	Rejection Rejection   `msgpack:"rejection"`
	At        domain.Time `msgpack:"at"`
}

// Expired records that the time of the order ran out before it was confirmed.
type Expired struct {
	Deadline domain.Time `msgpack:"deadline"`
	At       domain.Time `msgpack:"at"`
}

// OrderID implements [Command].
func (c Confirm) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (Confirm) CommandType() string { return CommandConfirm }

// OrderID implements [Command].
func (c Reject) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (Reject) CommandType() string { return CommandReject }

// OrderID implements [Command].
func (c Expire) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (Expire) CommandType() string { return CommandExpire }

// EventType implements [Event].
func (Confirmed) EventType() string { return TypeConfirmed }

// SchemaVersion implements [Event].
func (Confirmed) SchemaVersion() int16 { return schemaFirst }

// EventType implements [Event].
func (Rejected) EventType() string { return TypeRejected }

// SchemaVersion implements [Event].
func (Rejected) SchemaVersion() int16 { return schemaFirst }

// EventType implements [Event].
func (Expired) EventType() string { return TypeExpired }

// SchemaVersion implements [Event].
func (Expired) SchemaVersion() int16 { return schemaFirst }

func (c Confirm) decide(o *Order) ([]Event, error) {
	switch o.Lifecycle {
	case LifecyclePending:
		if err := o.blocked(VerbConfirm, c.Now); err != nil {
			return nil, err
		}
		return []Event{Confirmed{At: c.Now}}, nil
	case LifecycleConfirmed, LifecycleCompleted:
		return nil, nil // it was confirmed, and still stands
	case LifecycleNone, LifecycleRejected, LifecycleExpired, LifecycleCancelling, LifecycleCancelled:
	}
	return nil, transition(o, c)
}

func (e Confirmed) apply(o *Order) {
	o.Lifecycle, o.ConfirmedAt, o.UpdatedAt = LifecycleConfirmed, e.At, e.At
}

func (c Reject) decide(o *Order) ([]Event, error) {
	switch o.Lifecycle {
	case LifecyclePending:
		if err := c.Rejection.check(); err != nil {
			return nil, err
		}
		return []Event{Rejected{Rejection: c.Rejection, At: c.Now}}, nil
	case LifecycleRejected:
		if c.Rejection.Reason != o.Rejection.Reason {
			return nil, RejectionConflict{Reason: o.Rejection.Reason, Requested: c.Rejection.Reason}
		}
		return nil, nil
	case LifecycleNone, LifecycleConfirmed, LifecycleCompleted, LifecycleExpired, LifecycleCancelling, LifecycleCancelled:
	}
	return nil, transition(o, c)
}

func (e Rejected) apply(o *Order) {
	o.Lifecycle, o.Rejection, o.ClosedAt, o.UpdatedAt = LifecycleRejected, &e.Rejection, e.At, e.At
}

func (c Expire) decide(o *Order) ([]Event, error) {
	switch o.Lifecycle {
	case LifecyclePending:
		deadline := cmp.Or(c.Deadline, o.Details.PaymentTerms.PayBy)
		if deadline.IsZero() {
			return nil, domain.InvalidField{Field: "deadline", Reason: "is missing, and the order has no pay_by"}
		}
		if c.Now < deadline {
			return nil, NotYetDue{Deadline: deadline, Now: c.Now}
		}
		return []Event{Expired{Deadline: deadline, At: c.Now}}, nil
	case LifecycleExpired:
		return nil, nil
	case LifecycleNone, LifecycleConfirmed, LifecycleCompleted, LifecycleRejected, LifecycleCancelling, LifecycleCancelled:
	}
	return nil, transition(o, c)
}

func (e Expired) apply(o *Order) {
	o.Lifecycle, o.ClosedAt, o.UpdatedAt = LifecycleExpired, e.At, e.At
}

// check refuses a rejection without a known reason, or with more to say than is kept.
func (r *Rejection) check() error {
	f := &fields{names: true}
	oneOf(f, "reason", r.Reason, RejectOutOfStock, RejectPaymentFailed, RejectFraud, RejectInvalid)
	f.text("detail", r.Detail, MaxTitle)
	f.count("shortages", len(r.Shortages), MaxLines, "shortages")
	for i := range r.Shortages {
		f.check(domain.CheckSKU(f.at("shortages", i)+".sku", r.Shortages[i].SKU))
		f.text(f.at("shortages", i)+".location", r.Shortages[i].Location, domain.MaxLocation)
	}
	return f.err
}
