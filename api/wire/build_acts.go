package wire

import (
	"waybill/api/problem"
	"waybill/domain"
	"waybill/domain/order"
	"waybill/domain/stock"
)

// idOr returns the id, or that of the command where none was given: a repeated command then names the same thing.
func idOr(id string, s Stamp) string {
	if id == "" {
		return s.CommandID.String()
	}
	return id
}

// onOrder checks the id that every command on an existing order names.
func onOrder(id string, c order.Command) (Built, *problem.Problem) {
	if err := checkOrderID(id); err != nil {
		return Built{}, err
	}
	return orderStep(c), nil
}

// Build implements [Payload].
func (c *Cancel) Build(s Stamp) (Built, *problem.Problem) {
	return onOrder(c.OrderID, order.Cancel{
		ID: order.ID(c.OrderID), CancellationID: idOr(c.CancellationID, s), Lines: quantities(c.Lines),
		Reason: order.CancelReason(c.Reason), Note: personal(c.Note), Now: domain.TimeOf(s.Now),
	})
}

func quantities(in []LineQuantity) []order.LineQuantity {
	var out []order.LineQuantity
	for _, l := range in {
		out = append(out, order.LineQuantity{LineID: l.LineID, Quantity: l.Quantity})
	}
	return out
}

// Build implements [Payload].
func (h *Hold) Build(s Stamp) (Built, *problem.Problem) {
	var blocks []order.Verb
	for _, b := range h.Blocks {
		blocks = append(blocks, order.Verb(b))
	}
	return onOrder(h.OrderID, order.PlaceHold{
		ID: order.ID(h.OrderID), HoldID: idOr(h.HoldID, s), Kind: order.HoldKind(h.Kind), Blocks: blocks,
		Until: timeOf(h.Until), Note: personal(h.Note), Now: domain.TimeOf(s.Now),
	})
}

// Build implements [Payload].
func (r *ReleaseHold) Build(s Stamp) (Built, *problem.Problem) {
	return onOrder(r.OrderID, order.ReleaseHold{ID: order.ID(r.OrderID), HoldID: r.HoldID, Note: personal(r.Note), Now: domain.TimeOf(s.Now)})
}

// Build implements [Payload].
func (n *Note) Build(s Stamp) (Built, *problem.Problem) {
	return onOrder(n.OrderID, order.AddNote{
		ID: order.ID(n.OrderID), NoteID: idOr(n.NoteID, s), Text: personal(n.Text), Public: n.Public, Now: domain.TimeOf(s.Now),
	})
}

// addTags and removeTags are the two commands that share the shape [Tags].
type (
	addTags    Tags
	removeTags Tags
)

// Build implements [Payload].
func (t *addTags) Build(s Stamp) (Built, *problem.Problem) {
	return onOrder(t.OrderID, order.Tag{ID: order.ID(t.OrderID), Tags: t.Tags, Now: domain.TimeOf(s.Now)})
}

// Build implements [Payload].
func (t *removeTags) Build(s Stamp) (Built, *problem.Problem) {
	return onOrder(t.OrderID, order.Untag{ID: order.ID(t.OrderID), Tags: t.Tags, Now: domain.TimeOf(s.Now)})
}

// Build implements [Payload].
func (a *ShippingAddress) Build(s Stamp) (Built, *problem.Problem) {
	return onOrder(a.OrderID, order.ChangeShippingAddress{ID: order.ID(a.OrderID), Address: a.Address.domain(), Now: domain.TimeOf(s.Now)})
}

// Build implements [Payload].
func (l *LinkCustomer) Build(s Stamp) (Built, *problem.Problem) {
	return onOrder(l.OrderID, order.LinkCustomer{ID: order.ID(l.OrderID), CustomerID: l.CustomerID, Now: domain.TimeOf(s.Now)})
}

// Build implements [Payload]. The other bases pay back what somebody else has found to be owed, so they are not taken here.
func (r *Refund) Build(s Stamp) (Built, *problem.Problem) {
	basis := order.RefundBasis(r.Basis)
	if basis != order.RefundGoodwill {
		return Built{}, problem.New(problem.Malformed, "body.basis is %q: only goodwill is granted from outside; returns, cancellations, amendments and payments are paid back by the processes", r.Basis).
			At("body.basis", "is not goodwill")
	}
	return onOrder(r.OrderID, order.GrantRefund{
		ID: order.ID(r.OrderID), RefundID: idOr(r.RefundID, s), Basis: basis, Ref: r.Ref, Lines: quantities(r.Lines),
		Shipping: r.Shipping.orNone(), Adjustment: r.Adjustment.orNone(), Reason: r.Reason, Now: domain.TimeOf(s.Now),
	})
}

// Build implements [Payload].
func (a *Archive) Build(s Stamp) (Built, *problem.Problem) {
	return onOrder(a.OrderID, order.Archive{ID: order.ID(a.OrderID), Now: domain.TimeOf(s.Now)})
}

// onItem checks the names that every command on a stock item carries: they become the name of a stream.
func onItem(sku, location string, c stock.Command) (Built, *problem.Problem) {
	if err := domain.CheckSKU("sku", sku); err != nil {
		return Built{}, problem.New(problem.Malformed, "body.%v", err).At("body.sku", err.Error())
	}
	if err := domain.CheckLocation("location", location); err != nil {
		return Built{}, problem.New(problem.Malformed, "body.%v", err).At("body.location", err.Error())
	}
	for _, part := range []struct{ field, name string }{{"sku", sku}, {"location", location}} {
		if part.name == "." || part.name == ".." { // no address could name the item: paths are cleaned of both
			return Built{}, problem.New(problem.Malformed, "body.%s %q cannot stand in an address", part.field, part.name).
				At("body."+part.field, "cannot stand in an address")
		}
	}
	return stockStep(c), nil
}

func key(sku, location string) stock.Key { return stock.Key{SKU: sku, Location: location} }

// Build implements [Payload].
func (r *Receive) Build(s Stamp) (Built, *problem.Problem) {
	return onItem(r.SKU, r.Location, stock.Receive{
		Key: key(r.SKU, r.Location), MovementID: idOr(r.MovementID, s), Quantity: r.Quantity, Reason: r.Reason, Ref: r.Ref,
		Now: domain.TimeOf(s.Now),
	})
}

// Build implements [Payload].
func (a *Adjust) Build(s Stamp) (Built, *problem.Problem) {
	return onItem(a.SKU, a.Location, stock.Adjust{
		Key: key(a.SKU, a.Location), MovementID: idOr(a.MovementID, s), Delta: a.Delta, Reason: a.Reason, Ref: a.Ref,
		Now: domain.TimeOf(s.Now),
	})
}

// Build implements [Payload].
func (c *Count) Build(s Stamp) (Built, *problem.Problem) {
	return onItem(c.SKU, c.Location, stock.Count{
		Key: key(c.SKU, c.Location), MovementID: idOr(c.MovementID, s), Counted: c.Counted, Reason: c.Reason, Ref: c.Ref,
		Now: domain.TimeOf(s.Now),
	})
}

// Build implements [Payload].
func (b *BackorderPolicy) Build(s Stamp) (Built, *problem.Problem) {
	return onItem(b.SKU, b.Location, stock.SetBackorderPolicy{Key: key(b.SKU, b.Location), Limit: b.Limit, Now: domain.TimeOf(s.Now)})
}

// Build implements [Payload].
func (q *SafetyStock) Build(s Stamp) (Built, *problem.Problem) {
	return onItem(q.SKU, q.Location, stock.SetSafetyStock{Key: key(q.SKU, q.Location), Quantity: q.Quantity, Now: domain.TimeOf(s.Now)})
}

// Build implements [Payload].
func (u *MakeUnavailable) Build(s Stamp) (Built, *problem.Problem) {
	return onItem(u.SKU, u.Location, stock.MakeUnavailable{
		Key: key(u.SKU, u.Location), MovementID: idOr(u.MovementID, s), Bucket: stock.Bucket(u.Bucket), Quantity: u.Quantity,
		Reason: u.Reason, Ref: u.Ref, Now: domain.TimeOf(s.Now),
	})
}

// Build implements [Payload].
func (a *MakeAvailable) Build(s Stamp) (Built, *problem.Problem) {
	return onItem(a.SKU, a.Location, stock.MakeAvailable{
		Key: key(a.SKU, a.Location), MovementID: idOr(a.MovementID, s), Bucket: stock.Bucket(a.Bucket), Quantity: a.Quantity,
		Reason: a.Reason, Ref: a.Ref, Now: domain.TimeOf(s.Now),
	})
}

// Build implements [Payload].
func (t *TransferOut) Build(s Stamp) (Built, *problem.Problem) {
	return onItem(t.SKU, t.Location, stock.TransferOut{
		Key: key(t.SKU, t.Location), TransferID: idOr(t.TransferID, s), To: t.To, Quantity: t.Quantity,
		Reason: t.Reason, Ref: t.Ref, Now: domain.TimeOf(s.Now),
	})
}

// Build implements [Payload].
func (t *TransferIn) Build(s Stamp) (Built, *problem.Problem) {
	return onItem(t.SKU, t.Location, stock.TransferIn{
		Key: key(t.SKU, t.Location), TransferID: t.TransferID, From: t.From, Quantity: t.Quantity,
		Reason: t.Reason, Ref: t.Ref, Now: domain.TimeOf(s.Now),
	})
}

// Build implements [Payload].
func (q *Threshold) Build(s Stamp) (Built, *problem.Problem) {
	return onItem(q.SKU, q.Location, stock.SetThreshold{Key: key(q.SKU, q.Location), Quantity: q.Quantity, Now: domain.TimeOf(s.Now)})
}
