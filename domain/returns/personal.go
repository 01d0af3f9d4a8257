package returns

import (
	"fmt"
	"slices"

	"waybill/domain"
)

// MapPersonal returns e with every personal value that was given replaced by what f makes of it: to seal it before it is
// stored, to open it for those who may read it. e itself is not changed. The first error of f ends it.
func MapPersonal(e Event, f func(domain.Personal) (domain.Personal, error)) (Event, error) {
	m := &mapper{f: f}
	switch v := e.(type) {
	case Requested:
		m.value(&v.Note)
		v.Lines = slices.Clone(v.Lines)
		for i := range v.Lines {
			m.value(&v.Lines[i].Note)
		}
		e = v
	case Declined:
		m.value(&v.Note)
		e = v
	case Cancelled:
		m.value(&v.Note)
		e = v
	case UnexpectedItemsReceived:
		v.Items = slices.Clone(v.Items)
		for i := range v.Items {
			m.value(&v.Items[i].Note)
		}
		e = v
	case ItemsInspected:
		v.Lines = slices.Clone(v.Lines)
		for i := range v.Lines {
			m.value(&v.Lines[i].Note)
		}
		e = v
	case ItemRegraded:
		m.value(&v.Note)
		e = v
	case Approved, LabelRequested, LabelIssued, LabelNotIssued, LabelOutcomeUnknown, InTransit, ItemsReceived, Restocked,
		RefundGranted, ReplacementLinked, ManualRefundRequired, RecoveryRequired, Closed, Expired, AnomalyDetected: // nothing personal
	}
	if m.err != nil {
		return nil, fmt.Errorf("personal data of %s: %w", e.EventType(), m.err)
	}
	return e, nil
}

// mapper replaces personal values until one fails.
type mapper struct {
	f   func(domain.Personal) (domain.Personal, error)
	err error
}

func (m *mapper) value(p *domain.Personal) {
	if m.err != nil || p.IsZero() {
		return
	}
	*p, m.err = m.f(*p)
}
