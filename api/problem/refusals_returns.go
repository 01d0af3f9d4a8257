package problem

// returnCodes are the codes of the refusals about returns.
func returnCodes() []string {
	return []string{
		"return-not-found", "invalid-return-transition", "return-conflict", "return-window-closed", "return-not-authorised",
		"return-currency-mismatch", "unknown-return-line", "return-label-in-flight", "return-already-received",
		"outcome-exceeds-received", "quantity-exceeds-return", "outcome-exceeds-graded", "return-already-restocked",
		"return-restock-exceeds-due", "return-refund-exceeds-due", "return-shipping-not-refundable", "return-refund-mismatch",
		"return-without-replacement", "return-not-settled", "return-not-yet-due",
	}
}

func returnRefusal(code string) (e Entry) {
	switch code {
	case "return-not-found":
		e.Title = "No such return"
		e.Means = "Nobody has asked for a return values.return_id."
		e.Do = "Check the id, or ask for the return first (return.request)."
	case "invalid-return-transition":
		e.Title = "The return's state does not allow this"
		e.Means = "The status of the return (values.status) rules the command out; one that is closed, declined, cancelled or expired is final."
		e.Do = "See allowed_commands for what the return takes now."
	case "return-conflict":
		e.Title = "Something else is recorded in this place"
		e.Means = "The return has a values.what values.id already, and it says something else."
		e.Do = "Use a fresh id for something new."
	case "return-window-closed":
		e.Title = "The return window is closed"
		e.Means = "The goods could be returned until values.window_ends."
		e.Do = "Ask the seller: a return may be requested without a window."
	case "return-not-authorised":
		e.Title = "The order has not authorised this return"
		e.Means = "An approval needs what the order hands out for exactly the units of the return (values.requested); it came with values.authorised."
		e.Do = "Have the order authorise the return first. If it has no such units left, decline the return."
	case "return-currency-mismatch":
		e.Title = "An amount is in another currency than the return"
		e.Means = "All amounts of a return are in the currency of its order; values.field names the one that is not."
		e.Do = "Correct the currency."
	case "unknown-return-line":
		e.Title = "The return has no such line"
		e.Means = "values.line_id is not a line of this return."
		e.Do = "Name a line that the return was asked for."
	case "return-label-in-flight":
		e.Title = "A label is being asked for"
		e.Means = "Nobody knows yet whether the operation values.operation_id made a label."
		e.Do = "Look the operation up at the carrier and record its outcome first."
	case "return-already-received":
		e.Title = "Goods have come in"
		e.Means = "values.units units have come in or have an outcome, so there is nothing to give up."
		e.Do = "Inspect what came in, and close the return."
	}
	if e.Title != "" {
		return e
	}
	return returnUnitsRefusal(code)
}

func returnUnitsRefusal(code string) (e Entry) {
	switch code {
	case "outcome-exceeds-received":
		e.Title = "More units than came in"
		e.Means = "Only units that came in can be values.outcome. values.received came in, and values.possible of them have no outcome."
		e.Do = "Record the receipt first, or ask for at most values.possible."
	case "quantity-exceeds-return":
		e.Title = "More units than the return has left"
		e.Means = "values.possible units of the line can be values.outcome, and values.requested were asked for."
		e.Do = "Ask for at most values.possible, or grade other units again."
	case "outcome-exceeds-graded":
		e.Title = "More units than have this outcome"
		e.Means = "values.graded units of the line are values.outcome, and values.requested were to be graded again."
		e.Do = "Ask for at most values.graded."
	case "return-already-restocked":
		e.Title = "The units are in stock again"
		e.Means = "Stock has taken units of the line at values.location; values.possible can still be graded again."
		e.Do = "Correct the stock instead (stock.adjust)."
	case "return-restock-exceeds-due":
		e.Title = "More units than are due for stock"
		e.Means = "values.due units of the line are due for stock at values.location: each unit goes back once."
		e.Do = "Ask for at most values.due."
	case "return-refund-exceeds-due":
		e.Title = "More units than are due for a refund"
		e.Means = "values.due units of the line are due for a refund, and values.granted have one: each unit is refunded once."
		e.Do = "Ask for at most values.due."
	case "return-shipping-not-refundable":
		e.Title = "The outbound delivery is not refunded"
		e.Means = "The approval allows values.possible of it to be refunded."
		e.Do = "Leave it out; what is given beyond the approval is goodwill, and a refund of its own."
	case "return-refund-mismatch":
		e.Title = "The refund does not add up"
		e.Means = "values.field is stated as values.stated, and it comes to values.computed: amounts and delivery, less the fees that are open."
		e.Do = "Correct the amounts."
	case "return-without-replacement":
		e.Title = "The return is not for other goods"
		e.Means = "The customer asked for a values.resolution."
		e.Do = "Only an exchange or a replacement is linked to another order."
	case "return-not-settled":
		e.Title = "Something is left to do"
		e.Means = "Units are due for stock (values.restock) or for a refund (values.refund)."
		e.Do = "Carry that out first, or flag the refund for a person (return.flag_manual_refund)."
	case "return-not-yet-due":
		e.Title = "The deadline has not passed"
		e.Means = "Units that did not come can be given up at values.deadline."
		e.Do = "Wait until then."
	}
	return e
}
