package problem

// allocationRefusal describes the refusals about units of fulfilments, and about units that are not for sale.
func allocationRefusal(code string) (e Entry) {
	switch code {
	case "reservation-not-confirmed":
		e.Title = "The reservation is not confirmed"
		e.Means = "It is held until values.expires_at; only a confirmed one can be allocated."
		e.Do = "Confirm it first."
	case "quantity-exceeds-unallocated":
		e.Title = "More units than can be allocated"
		e.Means = "The reservation has values.possible units that lie there and belong to no fulfilment."
		e.Do = "Ask for at most values.possible, or wait until the backordered ones come in."
	case "allocation-conflict":
		e.Title = "The fulfilment was given other units"
		e.Means = "It was given values.allocated units of this reservation, and has values.open of them left."
		e.Do = "Use a fresh fulfilment."
	case "unknown-allocation":
		e.Title = "Nothing is allocated to the fulfilment"
		e.Means = "The fulfilment was never given units of this reservation."
		e.Do = "Look at what the reservation is allocated to."
	case "quantity-exceeds-allocated":
		e.Title = "More units than are allocated"
		e.Means = "The fulfilment has values.allocated units of this reservation, and values.requested were asked for."
		e.Do = "Ask for at most values.allocated."
	case "deallocation-conflict":
		e.Title = "Other units were taken back under the id"
		e.Means = "values.taken units of the reservation were taken away from the fulfilment under values.deallocation_id already; values.released says whether they were given back."
		e.Do = "Use a fresh deallocation id."
	case "quantity-exceeds-on-hand":
		e.Title = "More units than lie there"
		e.Means = "By the books values.possible units lie there that can be sold."
		e.Do = "Ask for at most values.possible, or count first (stock.count)."
	case "quantity-exceeds-bucket":
		e.Title = "More units than are in the bucket"
		e.Means = "values.possible units are in the bucket values.bucket."
		e.Do = "Ask for at most values.possible."
	case "restock-conflict":
		e.Title = "The unit came back otherwise"
		e.Means = "The unit values.unit_id of the return came back already, with another values.bucket."
		e.Do = "Make it available or unavailable instead."
	}
	return e
}
