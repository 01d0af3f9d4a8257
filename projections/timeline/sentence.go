package timeline

import (
	"fmt"
	"strings"

	"waybill/domain"
	"waybill/domain/order"
	"waybill/domain/stock"
	"waybill/eventstore"
)

// Sentence says in one sentence what an event means. It holds no personal data. Of an unknown type, or of data that is
// damaged, it makes a sentence of the name alone.
func Sentence(e *eventstore.Event) string {
	switch ev := decode(e).(type) {
	case order.Event:
		return orderSentence(ev)
	case stock.Event:
		sku, location, _ := stock.ParseStream(e.Stream)
		return stockSentence(ev, sku+" at "+location)
	}
	aggregate, what, _ := strings.Cut(e.Type, ".")
	return strings.ReplaceAll(strings.TrimSpace(capital(aggregate)+" "+what), "_", " ") + "."
}

func stockSentence(ev stock.Event, item string) string {
	switch ev := ev.(type) {
	case stock.Received:
		return fmt.Sprintf("%s of %s came in.", count(ev.Quantity, "unit"), item)
	case stock.Adjusted:
		return fmt.Sprintf("The books of %s were corrected by %+d.", item, ev.Delta)
	case stock.Counted:
		return fmt.Sprintf("%s of %s %s counted, %+d against the books.", count(ev.Counted, "unit"), item, were(ev.Counted), ev.Delta)
	case stock.OversoldDetected:
		return fmt.Sprintf("%s is oversold by %s.", item, count(ev.Short, "unit"))
	case stock.Reserved:
		units, backordered := int64(0), int64(0)
		for _, g := range ev.Reservations {
			units += g.FromStock + g.Backordered
			backordered += g.Backordered
		}
		text := fmt.Sprintf("%s of %s %s reserved until %s", count(units, "unit"), item, were(units), moment(ev.ExpiresAt))
		if backordered > 0 {
			text += fmt.Sprintf("; %s are to come in", count(backordered, "unit"))
		}
		return text + "."
	case stock.ReservationExtended:
		return fmt.Sprintf("The reservation of %s was extended until %s.", item, moment(ev.ExpiresAt))
	case stock.ReservationConfirmed:
		return "The reservation of " + item + " was confirmed."
	case stock.ReservationReleased:
		units := int64(0)
		for _, p := range ev.Parts {
			units += p.FromStock + p.Backordered
		}
		return fmt.Sprintf("%s of %s %s released.", count(units, "unit"), item, were(units))
	case stock.ReservationExpired:
		return fmt.Sprintf("The reservation of %s of %s ran out.", count(ev.FromStock+ev.Backordered, "unit"), item)
	case stock.MadeUnavailable:
		return fmt.Sprintf("%s of %s %s made unavailable (%s).", count(ev.Quantity, "unit"), item, were(ev.Quantity), spaced(string(ev.Bucket)))
	case stock.MadeAvailable:
		return fmt.Sprintf("%s of %s %s made available again (%s).", count(ev.Quantity, "unit"), item, were(ev.Quantity), spaced(string(ev.Bucket)))
	case stock.TransferredOut:
		return fmt.Sprintf("%s of %s %s sent to %s.", count(ev.Quantity, "unit"), item, were(ev.Quantity), ev.To)
	case stock.TransferredIn:
		return fmt.Sprintf("%s of %s came from %s.", count(ev.Quantity, "unit"), item, ev.From)
	case stock.Restocked:
		text := fmt.Sprintf("%s of %s came back with return %s", count(int64(len(ev.UnitIDs)), "unit"), item, ev.ReturnID)
		if ev.Bucket != "" {
			text += ", not for sale (" + spaced(string(ev.Bucket)) + ")"
		}
		return text + "."
	case stock.ReservationAllocated:
		units := allocated(ev.Parts)
		return fmt.Sprintf("%s of %s %s allocated to fulfilment %s.", count(units, "unit"), item, were(units), ev.FulfilmentID)
	case stock.ReservationDeallocated:
		units := allocated(ev.Parts)
		return fmt.Sprintf("%s of %s %s taken back from fulfilment %s.", count(units, "unit"), item, were(units), ev.FulfilmentID)
	case stock.AllocationReleased:
		units := int64(0)
		for _, p := range ev.Parts {
			units += p.FromStock
		}
		return fmt.Sprintf("%s of %s %s released by fulfilment %s.", count(units, "unit"), item, were(units), ev.FulfilmentID)
	case stock.Issued:
		units := int64(0)
		for _, p := range ev.Parts {
			units += p.Quantity + p.Unallocated
		}
		return fmt.Sprintf("%s of %s left with fulfilment %s.", count(units, "unit"), item, ev.FulfilmentID)
	case stock.BackorderFilled:
		text := fmt.Sprintf("%s of %s that %s to come in %s there", count(ev.Quantity, "unit"), item, were(ev.Quantity), are(ev.Quantity))
		if ev.Waiting > 0 {
			text += fmt.Sprintf("; %s still to come in", count(ev.Waiting, "unit"))
		}
		return text + "."
	case stock.AnomalyDetected:
		return fmt.Sprintf("%s of %s left with fulfilment %s without being allocated to it.", count(ev.Quantity, "unit"), item, ev.FulfilmentID)
	case stock.BelowThreshold:
		return fmt.Sprintf("%s of %s %s available, fewer than %d.", count(ev.Available, "unit"), item, are(ev.Available), ev.Threshold)
	case stock.Depleted:
		return "No unit of " + item + " is available any more."
	case stock.ThresholdSet:
		return fmt.Sprintf("%s will be called low below %s.", item, count(ev.Quantity, "available unit"))
	case stock.BackorderPolicySet:
		return fmt.Sprintf("Up to %s of %s may be backordered.", count(ev.Limit, "unit"), item)
	case stock.SafetyStockSet:
		return fmt.Sprintf("%s of %s will be kept back.", count(ev.Quantity, "unit"), item)
	}
	return "The stock of " + item + " changed."
}

func allocated(parts []stock.Units) (units int64) {
	for _, p := range parts {
		units += p.Quantity
	}
	return units
}

func are(n int64) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func spaced(name string) string { return strings.ReplaceAll(name, "_", " ") }

func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// were is the verb that goes with a number.
func were(n int64) string {
	if n == 1 {
		return "was"
	}
	return "were"
}

func moment(t domain.Time) string { return t.Time().Format("2006-01-02 15:04 UTC") }

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
