package problem

// laterOrderCodes are the codes of the refusals about what happens to an order once it is placed: payments, fulfilment,
// returns, refunds and amendments.
func laterOrderCodes() []string {
	return []string{
		"payment-position-conflict",
		"unknown-fulfilment", "fulfilment-conflict", "quantity-exceeds-assigned", "unknown-parcel", "parcel-conflict", "order-not-settled",
		"unknown-amendment", "amendment-conflict", "amendment-open", "amendment-closed", "amendment-stale", "amendment-out-of-reach",
		"nothing-open", "customer-conflict",
		"unknown-cancellation", "cancellation-closed",
		"unknown-refund", "refund-conflict", "refund-exceeds-entitlement",
		"unknown-return", "order-return-conflict", "quantity-exceeds-shipped", "quantity-exceeds-authorised",
	}
}

func laterOrderRefusal(code string) (e Entry) {
	switch code {
	case "payment-position-conflict":
		e.Title = "The payment is known otherwise at this version"
		e.Means = "The order knows version values.payment_version of the payment already, with other amounts."
		e.Do = "Send the position as of the newest version of the payment."
	case "unknown-fulfilment":
		e.Title = "The order has no such fulfilment"
		e.Means = "No units of the order were ever handed out to values.fulfilment_id."
		e.Do = "GET /v1/orders/{order_id} lists the fulfilments."
	case "fulfilment-conflict":
		e.Title = "The id stands for other units of the fulfilment"
		e.Means = "Under this id the units in values.lines are known already."
		e.Do = "Use a fresh id for other units."
	case "quantity-exceeds-assigned":
		e.Title = "More units than the fulfilment has"
		e.Means = "The fulfilment has values.assigned units of the line that it has neither sent nor given back, and values.requested were asked for."
		e.Do = "Ask for at most values.assigned."
	case "unknown-parcel":
		e.Title = "Nobody said what is in the parcel"
		e.Means = "No parcel values.parcel_id has left, and the command does not say what was in it."
		e.Do = "Say which units have arrived."
	case "parcel-conflict":
		e.Title = "The parcel is known with other units"
		e.Means = "The units in values.lines have left in it."
		e.Do = "Use a fresh parcel_id for another parcel."
	case "unknown-amendment":
		e.Title = "The order has no such amendment"
		e.Means = "No amendment values.amendment_id was proposed."
		e.Do = "GET /v1/orders/{order_id} lists the amendments."
	case "amendment-conflict":
		e.Title = "The amendment id stands for another amendment"
		e.Means = "An amendment with this id was proposed before, and differs."
		e.Do = "Use a fresh amendment_id."
	case "amendment-open":
		e.Title = "Another amendment is open"
		e.Means = "At most one amendment of an order is open; values.amendment_id is."
		e.Do = "Accept or withdraw it first."
	case "amendment-closed":
		e.Title = "The amendment has ended otherwise"
		e.Means = "An amendment ends once; this one did at values.closed_at."
		e.Do = "Propose a new amendment, with a fresh id."
	case "amendment-stale":
		e.Title = "The order has changed since"
		e.Means = "The amendment was made from version values.base_version; lines or units changed at values.changed_version."
		e.Do = "Make it again from the order as it is."
	case "amendment-out-of-reach":
		e.Title = "Amendments from outside change prices alone, downwards"
		e.Means = "The amendment changes lines, quantities or where units come from (values.changes_units), or makes the order cost more (values.balance_delta). Nothing reserves, moves or releases the stock of an amended order yet, and nothing takes more money for it, so the order would promise what nobody keeps."
		e.Do = "For fewer units, cancel them: their stock is released. For more units or other goods, place another order."
	case "nothing-open":
		e.Title = "No unit is left that the change could reach"
		e.Means = "All units of the order are handed out to fulfilments, cancelled or gone."
		e.Do = "Ask whoever has the units."
	case "customer-conflict":
		e.Title = "The order belongs to another customer"
		e.Means = "The order is that of values.customer_id; only the order of a guest can be linked."
		e.Do = "Nothing, if that is right."
	case "unknown-cancellation":
		e.Title = "Nobody asked for this cancellation"
		e.Means = "The order has no cancellation values.cancellation_id."
		e.Do = "GET /v1/orders/{order_id} lists the cancellations."
	case "cancellation-closed":
		e.Title = "The cancellation has ended otherwise"
		e.Means = "A cancellation ends once; this one did at values.closed_at."
		e.Do = "Ask for a new cancellation, with a fresh id."
	case "unknown-refund":
		e.Title = "The order has no such refund"
		e.Means = "No refund values.refund_id was granted."
		e.Do = "GET /v1/orders/{order_id} lists the refunds."
	case "refund-conflict":
		e.Title = "The refund id stands for another refund"
		e.Means = "A refund of values.amount is known under this id, or was paid back otherwise, or the attempt is known to have failed."
		e.Do = "Use a fresh refund_id for another refund."
	case "refund-exceeds-entitlement":
		e.Title = "More than was paid, or is owed"
		e.Means = "values.what says which bound; values.possible is the most, and values.requested were asked for, in units or in minor units of values.currency."
		e.Do = "Ask for at most values.possible."
	case "unknown-return":
		e.Title = "The order has authorised no such return"
		e.Means = "No units of the order were handed out to values.return_id."
		e.Do = "GET /v1/orders/{order_id} lists the returns."
	case "order-return-conflict":
		e.Title = "The id stands for other units of the return"
		e.Means = "Under this id the units in values.lines are known already."
		e.Do = "Use a fresh id for other units."
	case "quantity-exceeds-shipped":
		e.Title = "More units than can be returned"
		e.Means = "Of the units that were shipped, values.possible are neither returned nor part of a return."
		e.Do = "Ask for at most values.possible."
	case "quantity-exceeds-authorised":
		e.Title = "More units than the return has"
		e.Means = "The return has values.authorised units of the line left, and values.requested were asked for."
		e.Do = "Ask for at most values.authorised."
	case "order-not-settled":
		e.Title = "Something is left to do"
		e.Means = "An order is completed when all of it is delivered and paid, and nothing else is open; the values say what is."
		e.Do = "Nothing: the processes complete the order when it is settled."
	}
	return e
}
