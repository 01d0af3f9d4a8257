package problem

import "net/http"

// refusalCodes are the codes of the refusals of the domain and of the bus. A test compares them with the sources.
func refusalCodes() []string {
	return append(append(append(append(laterOrderCodes(), returnCodes()...), fulfilmentCodes()...), paymentCodes()...),
		"invalid-field", "limit-exceeded",
		"order-already-placed", "invalid-transition", "totals-mismatch", "currency-mismatch", "hold-active", "unknown-hold",
		"hold-conflict", "unknown-line", "quantity-exceeds-open", "already-shipped", "cancellation-conflict", "note-conflict",
		"rejection-conflict", "not-yet-due",
		"insufficient-stock", "backorder-limit-reached", "reservation-conflict", "reservation-expired", "reservation-closed",
		"unknown-reservation", "quantity-exceeds-reserved", "reservation-not-due", "movement-conflict", "safety-stock-exceeds-free",
		"reservation-not-confirmed", "quantity-exceeds-unallocated", "allocation-conflict", "unknown-allocation",
		"quantity-exceeds-allocated", "deallocation-conflict", "quantity-exceeds-on-hand", "quantity-exceeds-bucket", "restock-conflict",
		"duplicate-source-ref", "duplicate-order-number", "claim-taken",
	)
}

// refusal returns the entry of a refusal. A refusal is a stored outcome: sending the same command again gives it again.
func refusal(code string) (Entry, bool) {
	for _, of := range []func(string) Entry{orderRefusal, laterOrderRefusal, fulfilmentRefusal, paymentRefusal, returnRefusal, stockRefusal, allocationRefusal, claimRefusal} {
		if e := of(code); e.Title != "" {
			e.Code, e.Status = code, http.StatusUnprocessableEntity
			return e, true
		}
	}
	return Entry{}, false
}

func orderRefusal(code string) (e Entry) {
	switch code {
	case "invalid-field":
		e.Title = "A field has a value that no state would accept"
		e.Means = "The command was understood, but one of its values breaks a rule: values.field names it, values.reason says why."
		e.Do = "Correct the value and send it as a new command, with a fresh key."
	case "limit-exceeded":
		e.Title = "More, or larger, than the engine takes"
		e.Means = "values.field has values.actual of values.unit, and values.limit is the most that is taken."
		e.Do = "Send less, or divide it into several commands, with fresh keys."
	case "order-already-placed":
		e.Title = "The order is already placed"
		e.Means = "An order with this order_id exists, and it says something else."
		e.Do = "Leave order_id out, or use a fresh UUID for a new order."
	case "invalid-transition":
		e.Title = "The order's state does not allow this"
		e.Means = "The lifecycle of the order (state) rules the command out; a cancelled, rejected or expired order is final."
		e.Do = "See allowed_commands for what the order takes now."
	case "totals-mismatch":
		e.Title = "The amounts do not add up"
		e.Means = "values.total names an amount that is stated as values.stated, while its parts come to values.computed. The engine never re-prices: it takes what upstream computed, if that is consistent."
		e.Do = "Correct the amounts, or the rounding that they were computed with (the field rounding)."
	case "currency-mismatch":
		e.Title = "An amount is in another currency than the order"
		e.Means = "All amounts of an order are in its one currency; values.field names the one that is not."
		e.Do = "Convert it upstream, or correct the currency."
	case "hold-active":
		e.Title = "A hold blocks this"
		e.Means = "The holds in values.hold_ids block the verb in values.verb."
		e.Do = "Release the holds first (order.release_hold), or wait until they run out."
	case "unknown-hold":
		e.Title = "The order has no such hold"
		e.Means = "No hold with this id was ever placed on the order."
		e.Do = "GET /v1/orders/{order_id} lists the holds."
	case "hold-conflict":
		e.Title = "The hold id stands for another hold"
		e.Means = "A hold with this id was placed before, with another kind or other verbs, or was released since."
		e.Do = "Use a fresh hold_id for a new hold."
	case "unknown-line":
		e.Title = "The order has no such line"
		e.Means = "values.line_id is not a line of this order."
		e.Do = "GET /v1/orders/{order_id} lists the lines."
	case "quantity-exceeds-open":
		e.Title = "More units than are open"
		e.Means = "The line has values.open units that are neither cancelled nor taken, and values.requested were asked for."
		e.Do = "Ask for at most values.open."
	case "already-shipped":
		e.Title = "The units have been shipped"
		e.Means = "Units that have left cannot be cancelled."
		e.Do = "Cancel at most values.open; shipped units need a return."
	case "cancellation-conflict":
		e.Title = "The cancellation id stands for another cancellation"
		e.Means = "A cancellation with this id was carried out before, and differs."
		e.Do = "Leave cancellation_id out, or use a fresh one."
	case "note-conflict":
		e.Title = "The note id stands for another note"
		e.Means = "A note with this id exists, with another text."
		e.Do = "Leave note_id out, or use a fresh one."
	case "rejection-conflict":
		e.Title = "The order was rejected for another reason"
		e.Means = "An order is rejected once, for one reason."
		e.Do = "Nothing: the order is rejected."
	case "not-yet-due":
		e.Title = "The deadline has not passed"
		e.Means = "The order may expire only after values.deadline."
		e.Do = "Wait for the deadline."
	}
	return e
}

func stockRefusal(code string) (e Entry) {
	switch code {
	case "insufficient-stock":
		e.Title = "Not enough stock"
		e.Means = "values.sku at values.location has values.available units that nobody has claimed, and values.requested were asked for."
		e.Do = "Ask for less, receive more, or allow backorders."
	case "backorder-limit-reached":
		e.Title = "No room for more backorders"
		e.Means = "values.backordered units wait for a receipt already, and the policy of the item allows values.limit."
		e.Do = "Ask for less, receive more, or raise the limit (stock.set_backorder_policy)."
	case "reservation-conflict":
		e.Title = "The reservation id stands for another reservation"
		e.Means = "A reservation with this id was made for other units or another order."
		e.Do = "Use a fresh id."
	case "reservation-expired":
		e.Title = "The reservation has expired"
		e.Means = "Its time ran out at values.expired_at, and its units went back."
		e.Do = "Reserve again."
	case "reservation-closed":
		e.Title = "The reservation is closed"
		e.Means = "A reservation ends once; this one did at values.closed_at."
		e.Do = "Reserve again."
	case "unknown-reservation":
		e.Title = "No such reservation"
		e.Means = "The item has no reservation values.reservation_id for this order, or it ended long ago."
		e.Do = "Reserve first."
	case "quantity-exceeds-reserved":
		e.Title = "More units than are reserved"
		e.Means = "The reservation has values.open units left, and values.requested were asked for."
		e.Do = "Ask for at most values.open."
	case "reservation-not-due":
		e.Title = "The reservation has not run out"
		e.Means = "It may expire only after values.expires_at."
		e.Do = "Wait, or release it."
	case "movement-conflict":
		e.Title = "The movement id stands for another movement"
		e.Means = "A movement with this id is recorded already, as values.kind of values.quantity."
		e.Do = "Leave movement_id out, or use a fresh one."
	case "safety-stock-exceeds-free":
		e.Title = "The units to keep back are promised already"
		e.Means = "At most values.possible units can be kept back now: the rest is reserved."
		e.Do = "Keep back less, or receive more first."
	}
	return e
}

func claimRefusal(code string) (e Entry) {
	switch code {
	case "duplicate-source-ref":
		e.Title = "The source reference belongs to another order"
		e.Means = "values.order_id was placed in this channel under the same source_ref, and says something else."
		e.Do = "If it is the same order, there is nothing to do; if not, give it a source_ref of its own."
	case "duplicate-order-number":
		e.Title = "The order number is taken"
		e.Means = "values.order_id has this number in this channel."
		e.Do = "Use another order_number, or leave it out and let the engine give one."
	case "claim-taken":
		e.Title = "A key that must be unique is taken"
		e.Means = "Another commit, at values.position, holds values.claim."
		e.Do = "Use another key."
	}
	return e
}
