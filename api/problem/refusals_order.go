package problem

// laterOrderCodes are the codes of the refusals about what happens to an order once it is placed: payments, fulfilment,
// returns, refunds and amendments.
func laterOrderCodes() []string {
	return []string{"payment-position-conflict"}
}

func laterOrderRefusal(code string) (e Entry) {
	switch code {
	case "payment-position-conflict":
		e.Title = "The payment is known otherwise at this version"
		e.Means = "The order knows version values.payment_version of the payment already, with other amounts."
		e.Do = "Send the position as of the newest version of the payment."
	}
	return e
}
