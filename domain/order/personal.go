package order

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
	case Placed:
		m.contact(&v.Details.Contact)
		e = v
	case HoldPlaced:
		m.value(&v.Note)
		e = v
	case HoldReleased:
		m.value(&v.Note)
		e = v
	case LinesCancelled:
		m.value(&v.Note)
		e = v
	case CancellationRequested:
		m.value(&v.Note)
		e = v
	case ShippingAddressChanged:
		m.address(&v.Address)
		e = v
	case NoteAdded:
		m.value(&v.Text)
		e = v
	case Confirmed, Rejected, Expired, Cancelled, Tagged, Untagged, PaymentPositionChanged, AnomalyDetected,
		FulfilmentAssigned, FulfilmentUnassigned, LinesShipped, LinesDelivered, Completed, Archived, CancellationDeclined, AmendmentProposed, Amended, AmendmentWithdrawn, CustomerLinked,
		RefundGranted, RefundSettled, RefundSettlementFailed, ReturnAuthorised, ReturnReleased, LinesReturned: // nothing personal
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

func (m *mapper) contact(c *Contact) {
	m.value(&c.Name)
	m.value(&c.Email)
	m.value(&c.Phone)
	m.address(&c.Billing)
	m.address(&c.Delivery)
}

func (m *mapper) address(a *Address) {
	m.value(&a.Name)
	a.Lines = slices.Clone(a.Lines)
	for i := range a.Lines {
		m.value(&a.Lines[i])
	}
	m.value(&a.City)
	m.value(&a.Region)
	m.value(&a.Postcode)
}
