package problem

// paymentCodes are the codes of the refusals about payments.
func paymentCodes() []string {
	return []string{
		"payment-not-found", "payment-already-initiated", "invalid-payment-transition", "payment-currency-mismatch",
		"payment-operation-conflict", "payment-operation-in-flight", "unknown-payment-operation", "amount-exceeds-authorised",
		"amount-exceeds-voidable", "amount-exceeds-captured", "adjustment-below-used", "authorisation-expired",
		"authorisation-not-due", "gateway-capability-missing", "payment-disputed", "unknown-dispute", "dispute-conflict",
	}
}

func paymentRefusal(code string) (e Entry) {
	switch code {
	case "payment-not-found":
		e.Title = "No such payment"
		e.Means = "Nobody has initiated a payment values.payment_id."
		e.Do = "Check the id, or initiate the payment first (payment.initiate)."
	case "payment-already-initiated":
		e.Title = "The payment is already initiated"
		e.Means = "A payment with this id exists, for the order values.order_id, and it has other terms."
		e.Do = "Use a fresh UUID for a new payment."
	case "invalid-payment-transition":
		e.Title = "The payment's state does not allow this"
		e.Means = "What is authorised, captured and paid back (values.status) rules the command out."
		e.Do = "See allowed_commands for what the payment takes now. Another attempt is another payment."
	case "payment-currency-mismatch":
		e.Title = "An amount is in another currency than the payment"
		e.Means = "All amounts of a payment are in its one currency; values.field names the one that is not."
		e.Do = "Correct the currency."
	case "payment-operation-conflict":
		e.Title = "The operation id stands for another operation"
		e.Means = "The gateway was asked under values.operation_id for something else: values.kind, values.amount."
		e.Do = "Use a fresh operation_id for a new operation, and the same one, with the same values, to repeat one."
	case "payment-operation-in-flight":
		e.Title = "An operation is open that this could collide with"
		e.Means = "The operation values.operation_id (values.kind) is values.state: what it does to the money is not known yet."
		e.Do = "Wait for its outcome. If it is unknown, look it up at the gateway and record what that says."
	case "unknown-payment-operation":
		e.Title = "The payment has no such operation"
		e.Means = "The gateway was never asked for values.operation_id by this payment."
		e.Do = "Check the id. What a gateway has done without being asked is a fact (payment.record_fact)."
	case "amount-exceeds-authorised":
		e.Title = "More than can still be captured"
		e.Means = "values.possible can be captured: what is authorised, less what was captured or is being captured. values.requested were asked for."
		e.Do = "Capture at most values.possible. The rest needs another payment, or an adjusted authorisation."
	case "amount-exceeds-voidable":
		e.Title = "More than can still be voided"
		e.Means = "values.possible is authorised and neither captured nor being captured. values.requested were asked for."
		e.Do = "Void at most values.possible; what was captured needs a refund."
	case "amount-exceeds-captured":
		e.Title = "More than can still be paid back"
		e.Means = "values.possible is captured and neither paid back, nor about to be (values.refund_pending), nor disputed. values.requested were asked for."
		e.Do = "Pay back at most values.possible, and the rest from another payment of the order."
	case "adjustment-below-used":
		e.Title = "Less than is used already"
		e.Means = "values.used of the authorisation are captured or voided, so it cannot become values.requested."
		e.Do = "Void what is left instead."
	case "authorisation-expired":
		e.Title = "The authorisation is over"
		e.Means = "It had to be captured before values.capture_before, or the gateway has let it lapse at values.expired_at."
		e.Do = "Authorise the money again, by another payment."
	case "authorisation-not-due":
		e.Title = "The authorisation is not over yet"
		e.Means = "It can be captured before values.capture_before; without such a time only the gateway can say that it is over."
		e.Do = "Wait until then."
	case "gateway-capability-missing":
		e.Title = "The gateway cannot do that"
		e.Means = "The gateway values.gateway has not declared values.capability for this payment."
		e.Do = "Without multi_capture: capture everything at once, or declare the capture final. Without partial_void: void everything. Without incremental_auth: initiate another payment."
	case "payment-disputed":
		e.Title = "The payment is in dispute"
		e.Means = "values.disputed is in the disputes values.dispute_refs. The bank may give it back as well, and it would be paid twice."
		e.Do = "Wait for the end of the dispute, or pay back what is not disputed, with override."
	case "unknown-dispute":
		e.Title = "The payment has no such dispute"
		e.Means = "No dispute values.dispute_ref was ever opened."
		e.Do = "Check the reference, or open it first (payment.open_dispute)."
	case "dispute-conflict":
		e.Title = "The dispute is known otherwise"
		e.Means = "A dispute values.dispute_ref is recorded over values.amount, with the outcome values.outcome."
		e.Do = "Check the reference and the amount. What the gateway says against it is a fact (payment.record_fact)."
	}
	return e
}
