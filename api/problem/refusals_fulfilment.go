package problem

// fulfilmentCodes are the codes of the refusals about fulfilments.
func fulfilmentCodes() []string {
	return []string{
		"fulfilment-not-found", "fulfilment-already-requested", "invalid-fulfilment-transition", "fulfilment-not-yet-due",
		"fulfilment-move-conflict", "acceptance-conflict", "not-assigned", "report-conflict", "parcel-mismatch", "fulfilment-parcel-conflict",
		"unknown-fulfilment-parcel", "parcel-closed", "fulfilment-already-shipped", "ship-gate-closed", "fulfilment-hold-active",
		"unknown-fulfilment-hold", "fulfilment-hold-conflict", "label-operation-conflict", "label-in-flight", "label-exists",
		"unknown-label", "fulfilment-cancellation-pending", "fulfilment-cancellation-conflict", "unknown-fulfilment-cancellation",
		"units-packed",
	}
}

func fulfilmentRefusal(code string) (e Entry) {
	switch code {
	case "fulfilment-not-found":
		e.Title = "No such fulfilment"
		e.Means = "Nobody has asked for a fulfilment values.fulfilment_id."
		e.Do = "Check the id, or ask for the fulfilment first (fulfilment.request)."
	case "fulfilment-already-requested":
		e.Title = "The fulfilment is already requested"
		e.Means = "A fulfilment values.fulfilment_id exists, for the order values.order_id, and it says something else."
		e.Do = "Use a fresh id for a new fulfilment."
	case "invalid-fulfilment-transition":
		e.Title = "The fulfilment's state does not allow this"
		e.Means = "The status of the fulfilment (values.status) rules the command out; one that is rejected or cancelled is final."
		e.Do = "See allowed_commands for what the fulfilment takes now."
	case "fulfilment-not-yet-due":
		e.Title = "The fulfilment is scheduled for later"
		e.Means = "Nothing is done on it before values.fulfil_at."
		e.Do = "Wait until then."
	case "fulfilment-move-conflict":
		e.Title = "The fulfilment is at this location already"
		e.Means = "It is at values.location, where line values.line_id has the reservation values.reservation_id."
		e.Do = "Name the reservations that it has, or another location."
	case "acceptance-conflict":
		e.Title = "The fulfilment is already accepted"
		e.Means = "It was accepted under the reference values.external_ref."
		e.Do = "Send the same reference; it cannot be changed."
	case "not-assigned":
		e.Title = "The fulfilment does not have these units"
		e.Means = "values.requested units of line values.line_id were asked for; it is possible for values.left."
		e.Do = "Ask for fewer units, or have the order assign more, in another fulfilment."
	case "report-conflict":
		e.Title = "Something else was reported under this id"
		e.Means = "The report values.report_id says that values.picked were picked and values.short are not there."
		e.Do = "Use a fresh id for something new."
	default:
		return parcelRefusal(code)
	}
	return e
}

func parcelRefusal(code string) (e Entry) {
	switch code {
	case "parcel-mismatch":
		e.Title = "There are not so many units to pack"
		e.Means = "Parcel values.parcel_id would have values.requested units of line values.line_id; values.to_pack are picked and in no parcel."
		e.Do = "Report the units as picked first (fulfilment.pick), or take them out of another parcel."
	case "fulfilment-parcel-conflict":
		e.Title = "The parcel is another one"
		e.Means = "There is, or was, a parcel values.parcel_id with values.lines; it is values.state, and differs from what was sent."
		e.Do = "Use a fresh id for another parcel. What has left cannot be changed."
	case "unknown-fulfilment-parcel":
		e.Title = "No such parcel"
		e.Means = "The fulfilment never had a parcel values.parcel_id."
		e.Do = "Check the id, or pack it first (fulfilment.pack_parcel)."
	case "parcel-closed":
		e.Title = "The parcel is no more"
		e.Means = "The parcel values.parcel_id was values.state."
		e.Do = "Pack what is left into a new parcel."
	case "fulfilment-already-shipped":
		e.Title = "It has left already"
		e.Means = "The parcel values.parcel_id, the units of line values.line_id, or everything, has left; values.unshipped units of the line have not."
		e.Do = "Ask for fewer units, or for a return of what has left (return.request)."
	case "ship-gate-closed":
		e.Title = "The goods may not leave"
		e.Means = "The order does not let them go (values.reason, values.detail), or what it said was good until values.valid_until."
		e.Do = "Settle the reason, and ask the order again."
	case "fulfilment-hold-active":
		e.Title = "A hold blocks labels and shipping"
		e.Means = "The holds values.hold_ids stand against it; values.of says whether they are the order's or the fulfilment's."
		e.Do = "Release the holds (order.release_hold, fulfilment.release_hold), or wait until they run out."
	case "unknown-fulfilment-hold":
		e.Title = "The fulfilment has no such hold"
		e.Means = "No hold values.hold_id was ever placed on the fulfilment."
		e.Do = "Check the id; holds of the order are released there."
	case "fulfilment-hold-conflict":
		e.Title = "The hold is another one"
		e.Means = "A hold values.hold_id was placed for values.reason; it differs, or was released at values.released_at."
		e.Do = "Use a fresh id for a new hold."
	default:
		return labelRefusal(code)
	}
	return e
}

func labelRefusal(code string) (e Entry) {
	switch code {
	case "label-operation-conflict":
		e.Title = "The operation is another one"
		e.Means = "The operation values.operation_id stands for another values.kind, on parcel values.parcel_id."
		e.Do = "Use a fresh id for a new operation."
	case "label-in-flight":
		e.Title = "Nobody knows yet what became of the label"
		e.Means = "The operation values.operation_id on the label of parcel values.parcel_id is values.state."
		e.Do = "Look it up at the carrier and record the outcome (fulfilment.record_label_outcome)."
	case "label-exists":
		e.Title = "The parcel has a label"
		e.Means = "The label of parcel values.parcel_id was bought by the operation values.operation_id, and is good."
		e.Do = "Use it, or void it first (fulfilment.void_label)."
	case "unknown-label":
		e.Title = "No such label"
		e.Means = "The operation values.operation_id bought no label for parcel values.parcel_id."
		e.Do = "Check the ids: label_operation_id is the operation that bought the label."
	case "fulfilment-cancellation-pending":
		e.Title = "A cancellation waits for an answer"
		e.Means = "Units are asked back by the cancellation values.cancellation_id, and the location has not answered."
		e.Do = "Answer it first (fulfilment.cancel, fulfilment.decline_cancellation)."
	case "fulfilment-cancellation-conflict":
		e.Title = "The cancellation is another one, or was answered otherwise"
		e.Means = "The cancellation values.cancellation_id is values.state, with values.lines."
		e.Do = "Use a fresh id to ask again. An answer stands."
	case "unknown-fulfilment-cancellation":
		e.Title = "No such cancellation"
		e.Means = "Nobody has asked units back by a cancellation values.cancellation_id."
		e.Do = "Ask for it first (fulfilment.request_cancellation)."
	case "units-packed":
		e.Title = "The units are in a parcel with others"
		e.Means = "values.requested units of line values.line_id were to go back; values.unpacked are in no parcel."
		e.Do = "Unpack the parcel first (fulfilment.unpack_parcel), or decline these units."
	}
	return e
}
