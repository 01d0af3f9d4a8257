package payment

import (
	"fmt"

	"waybill/domain"
)

// MapPersonal returns e with every personal value that was given replaced by what f makes of it: to seal it before it is
// stored, to open it for those who may read it. e itself is not changed. The first error of f ends it.
func MapPersonal(e Event, f func(domain.Personal) (domain.Personal, error)) (Event, error) {
	var err error
	value := func(p *domain.Personal) {
		if err == nil && !p.IsZero() {
			*p, err = f(*p)
		}
	}
	switch v := e.(type) { // only a person writes notes, and only of money that came in
	case Captured:
		value(&v.Note)
		e = v
	case AnomalyDetected:
		value(&v.Note)
		e = v
	case OperationMatched:
		value(&v.Note)
		e = v
	case FactIgnored:
		value(&v.Note)
		e = v
	case Authorised, ActionRequired, AuthorisationFailed, AuthorisationAdjusted, AdjustmentFailed, AuthorisationExpired, CaptureFailed,
		Voided, VoidFailed, Refunded, RefundFailed, RefundReversed, OperationPending, DisputeOpened, DisputeFundsWithdrawn,
		DisputeFundsReinstated, DisputeClosed, Initiated, AuthorisationRequested, AdjustmentRequested, CaptureRequested,
		VoidRequested, RefundRequested, OperationOutcomeUnknown, Reconciled: // nothing personal
	}
	if err != nil {
		return nil, fmt.Errorf("personal data of %s: %w", e.EventType(), err)
	}
	return e, nil
}
