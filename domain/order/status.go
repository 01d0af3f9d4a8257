package order

import "waybill/domain"

// PaymentStatus is what is known about the money of an order. It is derived, never set.
type PaymentStatus string

// The payment statuses, in order of precedence. What was paid is what was captured and not paid back; it is compared with
// what the order costs after cancellations and refunds: a rejected, expired or cancelled order costs nothing.
const (
	PaymentDisputed            PaymentStatus = "disputed"             // money is in a dispute, or was lost in one
	PaymentRequiresAction      PaymentStatus = "requires_action"      // the customer has to do something
	PaymentPending             PaymentStatus = "pending"              // a gateway was asked, and no outcome is known
	PaymentOverpaid            PaymentStatus = "overpaid"             // more was paid than the order costs: it owes money
	PaymentRefunded            PaymentStatus = "refunded"             // all that was paid was paid back
	PaymentPartiallyRefunded   PaymentStatus = "partially_refunded"   // a part of it
	PaymentPaid                PaymentStatus = "paid"                 // all of it is paid
	PaymentPartiallyPaid       PaymentStatus = "partially_paid"       // a part of it
	PaymentAuthorised          PaymentStatus = "authorised"           // all of it could be captured
	PaymentPartiallyAuthorised PaymentStatus = "partially_authorised" // a part of it
	PaymentExpired             PaymentStatus = "expired"              // an authorisation lapsed, and nothing else is there
	PaymentVoided              PaymentStatus = "voided"               // an authorisation was given up, and nothing else is there
	PaymentFailed              PaymentStatus = "failed"               // an attempt failed, and nothing else is there
	PaymentNotPaid             PaymentStatus = "not_paid"             // nothing is known of any money
)

// PaymentStatuses returns all payment statuses, in order of precedence.
func PaymentStatuses() []PaymentStatus {
	return []PaymentStatus{
		PaymentDisputed, PaymentRequiresAction, PaymentPending, PaymentOverpaid, PaymentRefunded, PaymentPartiallyRefunded,
		PaymentPaid, PaymentPartiallyPaid, PaymentAuthorised, PaymentPartiallyAuthorised, PaymentExpired, PaymentVoided,
		PaymentFailed, PaymentNotPaid,
	}
}

// PaymentStatus derives the payment status.
func (o *Order) PaymentStatus() PaymentStatus {
	if len(o.Payments) == 0 {
		return PaymentNotPaid
	}
	m := o.Money()
	states := make(map[PaymentState]bool, len(o.Payments))
	for i := range o.Payments {
		states[o.Payments[i].Status] = true
	}
	net, paid := o.net(), m.Captured.Minor-m.Refunded.Minor
	switch {
	case m.Disputed.Minor > 0:
		return PaymentDisputed
	case states[PaymentStateRequiresAction]:
		return PaymentRequiresAction
	case states[PaymentStateProcessing] || m.Pending.Minor > 0:
		return PaymentPending
	case paid > net:
		return PaymentOverpaid
	case m.Refunded.Minor > 0 && paid <= 0:
		return PaymentRefunded
	case m.Refunded.Minor > 0:
		return PaymentPartiallyRefunded
	case paid > 0 && paid == net:
		return PaymentPaid
	case paid > 0:
		return PaymentPartiallyPaid
	case m.Authorised.Minor > 0 && m.Authorised.Minor >= net:
		return PaymentAuthorised
	case m.Authorised.Minor > 0:
		return PaymentPartiallyAuthorised
	case states[PaymentStateExpired]:
		return PaymentExpired
	case states[PaymentStateVoided]:
		return PaymentVoided
	case states[PaymentStateFailed]:
		return PaymentFailed
	}
	return PaymentNotPaid
}

// FulfilmentStatus is what is known about the goods of an order. It is derived, never set.
type FulfilmentStatus string

// The fulfilment statuses, in order of precedence. They count the units of lines that are shipped, less those cancelled.
// Whether units wait for stock, or for a date, an order does not know: its stock and its fulfilments do.
const (
	FulfilmentOnHold             FulfilmentStatus = "on_hold"             // a hold blocks shipping, and there is something to ship
	FulfilmentCancelled          FulfilmentStatus = "cancelled"           // nothing is left to ship and nothing was
	FulfilmentDelivered          FulfilmentStatus = "delivered"           // all has arrived
	FulfilmentPartiallyDelivered FulfilmentStatus = "partially_delivered" // something has arrived
	FulfilmentShipped            FulfilmentStatus = "shipped"             // all has left
	FulfilmentPartiallyShipped   FulfilmentStatus = "partially_shipped"   // something has left
	FulfilmentInProgress         FulfilmentStatus = "in_progress"         // a fulfilment works on it
	FulfilmentUnfulfilled        FulfilmentStatus = "unfulfilled"         // nobody has begun
)

// FulfilmentStatuses returns all fulfilment statuses, in order of precedence.
func FulfilmentStatuses() []FulfilmentStatus {
	return []FulfilmentStatus{
		FulfilmentOnHold, FulfilmentCancelled, FulfilmentDelivered, FulfilmentPartiallyDelivered, FulfilmentShipped,
		FulfilmentPartiallyShipped, FulfilmentInProgress, FulfilmentUnfulfilled,
	}
}

// FulfilmentStatus derives the fulfilment status as of now: a hold counts until it is released or runs out.
func (o *Order) FulfilmentStatus(now domain.Time) FulfilmentStatus {
	if o.closed() {
		return FulfilmentCancelled
	}
	var ordered, wanted, assigned, shipped, delivered int64
	for i := range o.Lines {
		if l := &o.Lines[i]; l.Line.RequiresShipping {
			ordered, wanted = ordered+l.Ordered(), wanted+l.Ordered()-l.Cancelled
			assigned, shipped, delivered = assigned+l.Assigned, shipped+l.Shipped, delivered+l.Delivered
		}
	}
	switch {
	case (wanted == 0 || shipped < wanted) && len(o.Blocking(VerbShip, now)) > 0:
		return FulfilmentOnHold
	case wanted == 0 && ordered > 0:
		return FulfilmentCancelled
	case wanted == 0 && o.Lifecycle != LifecycleCompleted:
		return FulfilmentUnfulfilled
	case delivered == wanted:
		return FulfilmentDelivered
	case delivered > 0:
		return FulfilmentPartiallyDelivered
	case shipped == wanted:
		return FulfilmentShipped
	case shipped > 0:
		return FulfilmentPartiallyShipped
	case assigned > 0:
		return FulfilmentInProgress
	}
	return FulfilmentUnfulfilled
}

// ReturnStatus is what is known about goods that come back. It is derived, never set.
type ReturnStatus string

// The return statuses, in order of precedence.
const (
	ReturnRequested         ReturnStatus = "requested"          // a return has units, and nothing of it is graded
	ReturnInProgress        ReturnStatus = "in_progress"        // a return has units, and others of it are graded
	ReturnReturned          ReturnStatus = "returned"           // all that was shipped came back
	ReturnPartiallyReturned ReturnStatus = "partially_returned" // a part of it
	ReturnNone              ReturnStatus = "none"
)

// ReturnStatuses returns all return statuses, in order of precedence.
func ReturnStatuses() []ReturnStatus {
	return []ReturnStatus{ReturnRequested, ReturnInProgress, ReturnReturned, ReturnPartiallyReturned, ReturnNone}
}

// ReturnStatus derives the return status.
func (o *Order) ReturnStatus() ReturnStatus {
	progress := false
	for i := range o.Returns {
		switch t := &o.Returns[i]; {
		case len(t.Rest()) == 0:
		case len(t.Outcomes) == 0:
			return ReturnRequested
		default:
			progress = true
		}
	}
	var shipped, returned int64
	for i := range o.Lines {
		shipped, returned = shipped+o.Lines[i].Shipped, returned+o.Lines[i].Returned
	}
	switch {
	case progress:
		return ReturnInProgress
	case returned > 0 && returned == shipped:
		return ReturnReturned
	case returned > 0:
		return ReturnPartiallyReturned
	}
	return ReturnNone
}
