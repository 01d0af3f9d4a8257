package wire

import (
	"strconv"

	"waybill/api/problem"
	"waybill/domain"
	"waybill/domain/money"
	"waybill/domain/order"
)

// acceptAmendment and withdrawAmendment are the two commands that share the shape [Amendment].
type (
	acceptAmendment   Amendment
	withdrawAmendment Amendment
)

// Build implements [Payload]. Nothing reserves or releases the stock of an amended order, or takes more money for it, so from
// outside amendments change prices only.
func (a *Amend) Build(s Stamp) (Built, *problem.Problem) {
	c := order.ProposeAmendment{
		ID: order.ID(a.OrderID), AmendmentID: idOr(a.AmendmentID, s), BaseVersion: a.BaseVersion, Reason: a.Reason,
		Totals: a.Totals.domain(money.Currency(a.Totals.Grand.Currency)), PricesOnly: true, Now: domain.TimeOf(s.Now),
	}
	for i := range a.Ops {
		op, err := a.Ops[i].domain("ops[" + strconv.Itoa(i) + "]")
		if err != nil {
			return Built{}, err
		}
		c.Ops = append(c.Ops, op)
	}
	return onOrder(a.OrderID, c)
}

// domain returns the operation that stands at a path of the body.
func (o *AmendOp) domain(at string) (order.AmendOp, *problem.Problem) {
	op := order.AmendOp{Kind: order.AmendKind(o.Kind)}
	wrong := func(field, reason string) (order.AmendOp, *problem.Problem) {
		return order.AmendOp{}, problem.New(problem.Malformed, "body.%s.%s %s", at, field, reason).At("body."+at+"."+field, reason)
	}
	switch op.Kind {
	case order.AmendApplyDiscount:
		switch {
		case o.Line == nil:
			return wrong("line", "is missing")
		case o.Line.LineID == "":
			return wrong("line.line_id", "is missing")
		}
		line, err := o.Line.domain(0, at+".line")
		if err != nil {
			return order.AmendOp{}, err
		}
		op.Line = &line
	case order.AmendChangeShipping:
		for i := range o.Shipping {
			op.Shipping = append(op.Shipping, o.Shipping[i].domain(i))
		}
	case order.AmendAddSurcharge:
		switch {
		case o.Surcharge == nil:
			return wrong("surcharge", "is missing")
		case o.Surcharge.ID == "":
			return wrong("surcharge.surcharge_id", "is missing")
		}
		surcharge := o.Surcharge.domain(0)
		op.Surcharge = &surcharge
	case order.AmendAddLine, order.AmendChangeQuantity, order.AmendRemoveLine:
		return wrong("kind", "is "+o.Kind+": nothing reserves or releases the stock of an amended order yet; cancel units, or place another order")
	default:
		return wrong("kind", "is not apply_discount, change_shipping or add_surcharge")
	}
	if o.Line != nil && op.Line == nil || len(o.Shipping) > 0 && op.Shipping == nil || o.Surcharge != nil && op.Surcharge == nil {
		return wrong("kind", "is "+o.Kind+", and there is a field of another kind")
	}
	return op, nil
}

// Build implements [Payload].
func (a *acceptAmendment) Build(s Stamp) (Built, *problem.Problem) {
	return onOrder(a.OrderID, order.AcceptAmendment{ID: order.ID(a.OrderID), AmendmentID: a.AmendmentID, PricesOnly: true, Now: domain.TimeOf(s.Now)})
}

// Build implements [Payload].
func (a *withdrawAmendment) Build(s Stamp) (Built, *problem.Problem) {
	return onOrder(a.OrderID, order.WithdrawAmendment{ID: order.ID(a.OrderID), AmendmentID: a.AmendmentID, Now: domain.TimeOf(s.Now)})
}
