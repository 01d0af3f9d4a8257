package orderdetail

import (
	"waybill/domain"
	"waybill/domain/order"
)

// Detail makes the document of s. A hold counts until it is released, also in the statuses: there is no clock.
func (s *State) Detail() Detail {
	o := &s.Order
	p := &o.Details
	return Detail{
		OrderID: string(o.ID), Number: p.Number, Channel: p.Channel, SourceRef: p.SourceRef, CustomerID: p.CustomerID,
		Lifecycle:        o.Lifecycle.String(),
		PaymentStatus:    string(o.PaymentStatus()),
		FulfilmentStatus: string(o.FulfilmentStatus(0)),
		ReturnStatus:     string(o.ReturnStatus()),
		Rejection:        rejection(o.Rejection),
		Contact: Contact{
			Name: text(p.Contact.Name), Email: text(p.Contact.Email), Phone: text(p.Contact.Phone),
			Billing: address(&p.Contact.Billing), Delivery: address(&p.Contact.Delivery),
		},
		Lines:      each(o.Lines, line),
		Shipping:   each(p.Shipping, shipping),
		Surcharges: each(p.Surcharges, surcharge),
		Totals: Totals{
			Goods: p.Totals.Goods, Discount: p.Totals.Discount, Shipping: p.Totals.Shipping,
			Surcharge: p.Totals.Surcharge, Tax: p.Totals.Tax, Grand: p.Totals.Grand, Credited: o.Credited,
		},
		Due:             o.Due(),
		Balance:         o.Balance(),
		Rounding:        Rounding{Level: string(p.Rounding.Level), Mode: string(p.Rounding.Mode)},
		PaymentTerms:    PaymentTerms{Kind: string(p.PaymentTerms.Kind), PayBy: p.PaymentTerms.PayBy.Time()},
		ReservePolicy:   string(p.ReservePolicy),
		ShipBy:          p.ShipBy.Time(),
		Attributes:      attributes(p.Attributes),
		Payments:        each(o.Payments, payment),
		Fulfilments:     each(o.Fulfilments, fulfilment),
		Refunds:         each(o.Refunds, refund),
		Returns:         each(o.Returns, returned),
		Anomalies:       each(o.Anomalies, anomaly),
		Holds:           each(o.Holds, func(h *order.Hold) Hold { return hold(h, authorOf(s.HoldsBy, h.ID)) }),
		Cancellations:   each(o.Cancellations, cancellation),
		Amendments:      each(o.Amendments, amendment),
		Requests:        each(o.Requests, cancelling),
		Notes:           each(o.Notes, func(n *order.Note) Note { return note(n, authorOf(s.NotesBy, n.ID)) }),
		Tags:            append([]string{}, o.Tags...),
		Reservations:    each(s.Reservations, reservation),
		AllowedCommands: order.Allowed(o),
		PlacedAt:        o.PlacedAt.Time(),
		ConfirmedAt:     o.ConfirmedAt.Time(),
		ClosedAt:        o.ClosedAt.Time(),
		CompletedAt:     o.CompletedAt.Time(),
		ArchivedAt:      o.ArchivedAt.Time(),
		UpdatedAt:       s.RecordedAt.Time(),
		Version:         s.Version,
		Position:        s.Position,
	}
}

// each maps a slice; the result is never nil, so that JSON shows a list.
func each[T, U any](list []T, f func(*T) U) []U {
	out := make([]U, len(list))
	for i := range list {
		out[i] = f(&list[i])
	}
	return out
}

func text(p domain.Personal) Text { return Text{Personal: p} }

func attributes(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func authorOf(authors []Author, id string) string {
	for _, a := range authors {
		if a.ID == id {
			return a.Actor
		}
	}
	return ""
}

func address(a *order.Address) Address {
	return Address{
		Name: text(a.Name), Lines: each(a.Lines, func(p *domain.Personal) Text { return text(*p) }),
		City: text(a.City), Region: text(a.Region), Postcode: text(a.Postcode),
		PostcodePrefix: a.PostcodePrefix, Country: a.Country,
	}
}

func line(l *order.LineState) Line {
	return Line{
		LineID: l.Line.ID, SKU: l.Line.SKU, Title: l.Line.Title,
		UnitPrice: l.Line.UnitPrice, PriceIncludesTax: l.Line.PriceIncludesTax,
		Discounts: each(l.Line.Discounts, discount), Taxes: each(l.Line.Taxes, tax), Total: l.Line.Total, Net: l.Line.Net,
		RequiresShipping: l.Line.RequiresShipping, AllowBackorder: l.Line.AllowBackorder, Location: l.Line.Location,
		Ordered: l.Ordered(), Open: l.Open(), Cancelled: l.Cancelled, CancelRequested: l.CancelRequested, Assigned: l.Assigned, Shipped: l.Shipped,
		Delivered: l.Delivered, Credited: l.Credited,
		Refunded: l.Refunded, Granted: l.Granted, ReturnAuthorised: l.ReturnAuthorised, Returned: l.Returned,
	}
}

func discount(d *order.Discount) Discount { return Discount{ID: d.ID, Code: d.Code, Amount: d.Amount} }

func tax(t *order.Tax) Tax { return Tax{Code: t.Code, Rate: t.Rate, Amount: t.Amount} }

func shipping(s *order.ShippingLine) Charge {
	return Charge{
		ID: s.ID, Title: s.Title, Amount: s.Amount, PriceIncludesTax: s.PriceIncludesTax,
		Discounts: each(s.Discounts, discount), Taxes: each(s.Taxes, tax), Total: s.Total,
	}
}

func surcharge(s *order.Surcharge) Charge {
	return Charge{
		ID: s.ID, Title: s.Title, Amount: s.Amount, PriceIncludesTax: s.PriceIncludesTax,
		Discounts: []Discount{}, Taxes: each(s.Taxes, tax), Total: s.Total,
	}
}

func hold(h *order.Hold, by string) Hold {
	return Hold{
		HoldID: h.ID, Kind: string(h.Kind), Blocks: each(h.Blocks, func(v *order.Verb) string { return string(*v) }),
		Until: h.Until.Time(), Note: text(h.Note), PlacedBy: by, PlacedAt: h.PlacedAt.Time(), ReleasedAt: h.ReleasedAt.Time(),
	}
}

func cancellation(c *order.CancellationSummary) Cancellation {
	return Cancellation{
		CancellationID: c.ID, Whole: c.Whole, Reason: string(c.Reason), At: c.At.Time(),
		Lines: each(c.Lines, quantity),
	}
}

func amendment(a *order.Amendment) Amendment {
	return Amendment{
		AmendmentID: a.AmendmentID, BaseVersion: a.BaseVersion, Reason: a.Reason, Grand: a.Totals.Grand, BalanceDelta: a.BalanceDelta,
		ProposedAt: a.ProposedAt.Time(), AcceptedAt: a.AcceptedAt.Time(), WithdrawnAt: a.WithdrawnAt.Time(),
	}
}

func cancelling(r *order.CancellationRequest) Cancelling {
	return Cancelling{
		CancellationID: r.ID, Whole: r.Whole, Lines: each(r.Lines, quantity), Declined: each(r.Declined, quantity), Reason: string(r.Reason),
		At: r.At.Time(), ClosedAt: r.ClosedAt.Time(),
	}
}

func quantity(l *order.LineQuantity) LineQuantity {
	return LineQuantity{LineID: l.LineID, Quantity: l.Quantity}
}

func payment(p *order.PaymentPosition) Payment {
	return Payment{
		PaymentID: p.PaymentID, Version: p.Version, Status: string(p.Status), Authorised: p.Authorised, Captured: p.Captured,
		Refunded: p.Refunded, Disputed: p.Disputed, Pending: p.Pending, RefundPending: p.RefundPending, At: p.At.Time(),
	}
}

func fulfilment(a *order.Assignment) Fulfilment {
	return Fulfilment{
		FulfilmentID: a.FulfilmentID, Location: a.Location, Lines: each(a.Lines, quantity), Left: each(a.Rest(), quantity),
		Parcels: each(a.Parcels, func(p *order.Parcel) Parcel {
			return Parcel{
				ParcelID: p.ParcelID, Lines: each(p.Lines, quantity), ShippedAt: p.ShippedAt.Time(),
				DeliveredAt: p.DeliveredAt.Time(), Assumed: p.Assumed,
			}
		}),
		At: a.At.Time(),
	}
}

func refund(g *order.RefundGrant) Refund {
	return Refund{
		RefundID: g.RefundID, Basis: string(g.Basis), Ref: g.Ref, Shipping: g.Shipping, Adjustment: g.Adjustment, Amount: g.Amount,
		Lines: each(g.Lines, func(l *order.RefundLine) RefundLine {
			return RefundLine{LineID: l.LineID, Quantity: l.Quantity, Amount: l.Amount}
		}),
		Legs: append([]RefundLeg{}, g.Legs...),
		Failures: each(g.Failures, func(f *order.RefundFailure) RefundFailure {
			return RefundFailure{PaymentID: f.PaymentID, OperationID: f.OperationID, Code: f.Code, At: f.At.Time()}
		}),
		GrantedAt: g.GrantedAt.Time(), SettledAt: g.SettledAt.Time(),
	}
}

func returned(t *order.ReturnToken) Return {
	r := Return{
		ReturnID: t.ReturnID, Lines: each(t.Lines, quantity), Left: each(t.Rest(), quantity), Outcomes: []order.OutcomeLine{},
		At: t.At.Time(),
	}
	for i := range t.Outcomes {
		r.Outcomes = append(r.Outcomes, t.Outcomes[i].Lines...)
	}
	return r
}

func anomaly(a *order.Anomaly) Anomaly {
	return Anomaly{
		Anomaly: string(a.Anomaly), PaymentID: a.PaymentID, FulfilmentID: a.FulfilmentID, ParcelID: a.ParcelID,
		Lines: each(a.Lines, quantity), Amount: a.Amount, At: a.At.Time(),
	}
}

func note(n *order.Note, by string) Note {
	return Note{NoteID: n.ID, Text: text(n.Text), Public: n.Public, Author: by, At: n.At.Time()}
}

func rejection(r *order.Rejection) *Rejection {
	if r == nil {
		return nil
	}
	return &Rejection{
		Reason: string(r.Reason), Detail: r.Detail,
		Shortages: each(r.Shortages, func(s *order.Shortage) Shortage {
			return Shortage{SKU: s.SKU, Location: s.Location, Requested: s.Requested, Available: s.Available}
		}),
	}
}

func reservation(r *ReservationState) Reservation {
	return Reservation{
		ReservationID: r.ID, SKU: r.SKU, Location: r.Location, State: r.State.String(),
		Quantity: r.FromStock + r.Backordered, Allocated: r.Allocated, Backordered: r.Backordered, Issued: r.Issued,
		ExpiresAt: r.ExpiresAt.Time(), UpdatedAt: r.UpdatedAt.Time(),
	}
}
