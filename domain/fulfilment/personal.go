package fulfilment

import (
	"fmt"

	"waybill/domain"
)

// MapPersonal returns e with every personal value that was given replaced by what m makes of it: to seal it before it is
// stored, to open it for those who may read it. e itself is not changed. An error of m ends it.
func MapPersonal(e Event, m func(domain.Personal) (domain.Personal, error)) (Event, error) {
	replace := func(p domain.Personal) (domain.Personal, error) {
		if p.IsZero() {
			return p, nil
		}
		return m(p)
	}
	var err error
	switch v := e.(type) {
	case TrackingUpdated:
		v.Detail, err = replace(v.Detail)
		e = v
	case ParcelDelivered:
		v.Detail, err = replace(v.Detail)
		e = v
	case DeliveryFailed:
		v.Detail, err = replace(v.Detail)
		e = v
	case ReturnedToSender:
		v.Detail, err = replace(v.Detail)
		e = v
	case CancellationRequested:
		v.Note, err = replace(v.Note)
		e = v
	case HoldPlaced:
		v.Note, err = replace(v.Note)
		e = v
	case HoldReleased:
		v.Note, err = replace(v.Note)
		e = v
	case Requested, BecameDue, Moved, Accepted, Rejected, Picked, LinesShorted, ParcelPacked, ParcelUnpacked, Packed,
		LabelRequested, LabelPurchased, LabelFailed, LabelOutcomeUnknown, LabelVoidRequested, LabelVoided, LabelVoidFailed,
		ParcelShipped, Shipped, Delivered, LinesCancelled, Cancelled, CancellationDeclined, AnomalyDetected: // nothing personal
	}
	if err != nil {
		return nil, fmt.Errorf("personal data of %s: %w", e.EventType(), err)
	}
	return e, nil
}
