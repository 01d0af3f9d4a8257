package timeline

import (
	"cmp"
	"fmt"
	"strings"

	"waybill/domain/money"
	"waybill/domain/order"
)

func orderSentence(ev order.Event) string {
	switch ev := ev.(type) {
	case order.Placed:
		d := &ev.Details
		units := int64(0)
		for i := range d.Lines {
			units += d.Lines[i].Quantity
		}
		return fmt.Sprintf("Order %s was placed on %s: %s in %s for %s.", d.Number, d.Channel, count(units, "unit"),
			count(int64(len(d.Lines)), "line"), d.Totals.Grand)
	case order.Confirmed:
		return "The order was confirmed."
	case order.Rejected:
		return rejected(&ev.Rejection)
	case order.Expired:
		return "The order expired: it was not confirmed by " + moment(ev.Deadline) + "."
	case order.HoldPlaced:
		text := fmt.Sprintf("A %s hold (%s) was placed; it blocks %s", ev.Kind, ev.HoldID, verbs(ev.Blocks))
		if !ev.Until.IsZero() {
			text += " until " + moment(ev.Until)
		}
		return text + "."
	case order.HoldReleased:
		return "Hold " + ev.HoldID + " was released."
	case order.LinesCancelled:
		units := int64(0)
		for _, l := range ev.Lines {
			units += l.Quantity
		}
		return fmt.Sprintf("%s of %s %s cancelled (%s); %s is given back.", capital(count(units, "unit")),
			count(int64(len(ev.Lines)), "line"), were(units), ev.Reason, ev.Credit)
	case order.Cancelled:
		return fmt.Sprintf("The order was cancelled as a whole (%s).", ev.Reason)
	case order.NoteAdded:
		if ev.Public {
			return "A note for the customer was written."
		}
		return "An internal note was written."
	case order.Tagged:
		return "Tagged " + strings.Join(ev.Tags, ", ") + "."
	case order.Untagged:
		return "No longer tagged " + strings.Join(ev.Tags, ", ") + "."
	case order.PaymentPositionChanged:
		return payment(&ev)
	case order.AnomalyDetected:
		return anomaly(&ev)
	case order.FulfilmentAssigned:
		return fmt.Sprintf("%s %s handed out to fulfilment %s at %s.", unitsOf(ev.Lines), wereOf(ev.Lines), ev.FulfilmentID, ev.Location)
	case order.FulfilmentUnassigned:
		return fmt.Sprintf("%s came back from fulfilment %s (%s).", unitsOf(ev.Lines), ev.FulfilmentID, plainName(string(ev.Reason)))
	case order.LinesShipped:
		return fmt.Sprintf("%s left in parcel %s of fulfilment %s.", unitsOf(ev.Lines), ev.ParcelID, ev.FulfilmentID)
	case order.LinesDelivered:
		text := fmt.Sprintf("%s arrived in parcel %s of fulfilment %s", unitsOf(ev.Lines), ev.ParcelID, ev.FulfilmentID)
		if ev.Assumed {
			text += ", it is assumed"
		}
		return text + "."
	case order.CancellationRequested:
		if ev.Whole {
			return fmt.Sprintf("Cancelling the order was asked for (%s); it waits for others to let go.", ev.Reason)
		}
		return fmt.Sprintf("Cancelling %s was asked for (%s); it waits for others to let go.", strings.ToLower(unitsOf(ev.Lines)), ev.Reason)
	case order.CancellationDeclined:
		return fmt.Sprintf("%s cannot be cancelled any more (%s).", unitsOf(ev.Lines), plainName(string(ev.Reason)))
	case order.AmendmentProposed:
		return fmt.Sprintf("Amendment %s was proposed: the order would cost %s, %s more.", ev.AmendmentID, ev.Totals.Grand, ev.BalanceDelta)
	case order.Amended:
		return fmt.Sprintf("The order was amended (%s): it comes to %s, %s before.", ev.AmendmentID, ev.After.Grand, ev.Before.Grand)
	case order.AmendmentWithdrawn:
		return "Amendment " + ev.AmendmentID + " was withdrawn."
	case order.ShippingAddressChanged:
		return "What is not handed out yet goes to another address."
	case order.CustomerLinked:
		return "The order belongs to customer " + ev.CustomerID + "."
	case order.Completed:
		return "The order is completed: nothing is left to do."
	case order.Archived:
		return "The order was archived."
	case order.RefundGranted:
		return fmt.Sprintf("Refund %s of %s was granted (%s).", ev.RefundID, ev.Amount, plainName(string(ev.Basis)))
	case order.RefundSettled:
		return fmt.Sprintf("Refund %s was paid back in %s.", ev.RefundID, count(int64(len(ev.Legs)), "part"))
	case order.RefundSettlementFailed:
		return fmt.Sprintf("Paying refund %s back by payment %s failed (%s): it is open.", ev.RefundID, ev.PaymentID, cmp.Or(ev.Code, "no code"))
	case order.ReturnAuthorised:
		return fmt.Sprintf("Return %s was authorised for %s.", ev.ReturnID, strings.ToLower(unitsOf(ev.Lines)))
	case order.ReturnReleased:
		return fmt.Sprintf("%s of return %s do not come back.", unitsOf(ev.Lines), ev.ReturnID)
	case order.LinesReturned:
		return outcomes(&ev)
	}
	return "The order changed."
}

func outcomes(r *order.LinesReturned) string {
	parts := make([]string, len(r.Lines))
	for i, l := range r.Lines {
		parts[i] = count(l.Quantity, "unit") + " " + plainName(string(l.Outcome))
	}
	return fmt.Sprintf("Return %s: %s.", r.ReturnID, strings.Join(parts, ", "))
}

func payment(p *order.PaymentPositionChanged) string {
	var text strings.Builder
	fmt.Fprintf(&text, "Payment %s is %s", p.PaymentID, plainName(string(p.Status)))
	for _, part := range []struct {
		amount money.Money
		what   string
	}{
		{p.Authorised, "authorised"},
		{p.Captured, "captured"},
		{p.Refunded, "refunded"},
		{p.Disputed, "disputed"},
		{p.Pending, "pending"},
		{p.RefundPending, "being refunded"},
	} {
		if !part.amount.IsZero() {
			text.WriteString(", " + part.amount.String() + " " + part.what)
		}
	}
	return text.String() + "."
}

func anomaly(a *order.AnomalyDetected) string {
	switch a.Anomaly {
	case order.AnomalyLatePayment:
		return fmt.Sprintf("Payment %s secured %s for an order that had come to nothing: somebody has to look at it.", a.PaymentID, a.Amount)
	case order.AnomalyShippedUnassigned:
		return fmt.Sprintf("%s left in parcel %s that fulfilment %s did not have: somebody has to look at it.", unitsOf(a.Lines), a.ParcelID, a.FulfilmentID)
	case order.AnomalyShippedOnHold:
		return fmt.Sprintf("%s left in parcel %s while a hold blocked it: somebody has to look at it.", unitsOf(a.Lines), a.ParcelID)
	}
	return "Something contradicts the order: somebody has to look at it."
}

// unitsOf says how many units of how many lines there are, for the beginning of a sentence.
func unitsOf(lines []order.LineQuantity) string {
	return capital(count(total(lines), "unit")) + " of " + count(int64(len(lines)), "line")
}

func wereOf(lines []order.LineQuantity) string { return were(total(lines)) }

func total(lines []order.LineQuantity) (n int64) {
	for _, l := range lines {
		n += l.Quantity
	}
	return n
}

// plainName is a stable name as people read it.
func plainName(s string) string { return strings.ReplaceAll(s, "_", " ") }

func rejected(r *order.Rejection) string {
	var text strings.Builder
	text.WriteString("The order was rejected: " + strings.ReplaceAll(string(r.Reason), "_", " "))
	for i, s := range r.Shortages {
		if i == 3 {
			fmt.Fprintf(&text, " and %d more", len(r.Shortages)-i)
			break
		}
		sep := "; "
		if i > 0 {
			sep = ", "
		}
		fmt.Fprintf(&text, "%s%d of %d × %s at %s", sep, s.Available, s.Requested, s.SKU, s.Location)
	}
	text.WriteByte('.')
	return text.String()
}

func verbs(list []order.Verb) string {
	names := make([]string, len(list))
	for i, v := range list {
		names[i] = string(v)
	}
	return strings.Join(names, ", ")
}
