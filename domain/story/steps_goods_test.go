package story_test

import (
	"waybill/domain/fulfilment"
	"waybill/domain/order"
)

// goods are the steps that goods take on their way to the customer, and the cancellations that stop them.
func (k *walker) goods() []step {
	return []step{
		{"hand open units out to a location", 6, func() { with(k, k.order.Lines, k.assign) }},
		{"a location takes the work, or not", 8, func() { with(k, k.fulfilments, k.respond) }},
		{"pick, and find some missing", 8, func() { with(k, k.fulfilments, k.pick) }},
		{"pack a parcel", 8, func() { with(k, k.fulfilments, k.pack) }},
		{"unpack a parcel", 1, func() {
			k.parcel(func(f *fulfilment.Fulfilment, id string) {
				k.askFulfilment(f, fulfilment.UnpackParcel{Target: k.fulfilment(f), ParcelID: id})
			})
		}},
		{"a parcel leaves", 8, func() { k.parcel(k.ship) }},
		{"a parcel arrives", 5, func() { k.parcel(k.deliver) }},
		{"cancel some units, or all", 1, func() {
			if k.oneIn(3) { // else too few orders are shipped
				k.cancel()
			}
		}},
		{"get units back for a cancellation", 2, func() {
			if r, ok := k.waiting(); ok {
				k.recall(r, func() bool { return !k.oneIn(3) })
			}
		}},
		{"carry a cancellation out", 2, func() {
			if r, ok := k.waiting(); ok {
				k.askOrder(order.CompleteCancellation{ID: orderID, CancellationID: r.ID, Now: k.now})
			}
		}},
		{"complete the order", 1, func() { k.askOrder(order.Complete{ID: orderID, Now: k.now}) }},
	}
}

func (k *walker) assign(l order.LineState) {
	if l.Open() > 0 {
		k.askOrder(order.AssignFulfilment{
			ID: orderID, FulfilmentID: k.id("fulfilment"), Location: some(k, k.locations()...), Now: k.now,
			Lines: []order.LineQuantity{{LineID: l.Line.ID, Quantity: k.upTo(l.Open())}},
		})
	}
}

func (k *walker) respond(f *fulfilment.Fulfilment) {
	if k.oneIn(5) {
		k.askFulfilment(f, fulfilment.Reject{Target: k.fulfilment(f), ReportID: k.id("report")})
		return
	}
	k.askFulfilment(f, fulfilment.Accept{Target: k.fulfilment(f)})
}

func (k *walker) pick(f *fulfilment.Fulfilment) {
	for _, l := range f.ToPick() {
		c := fulfilment.Pick{Target: k.fulfilment(f), ReportID: k.id("report")}
		if k.oneIn(4) {
			c.Short = []fulfilment.LineQuantity{{LineID: l.LineID, Quantity: 1}}
			l.Quantity--
		}
		if l.Quantity > 0 {
			c.Lines = []fulfilment.LineQuantity{l}
		}
		k.askFulfilment(f, c)
	}
}

func (k *walker) pack(f *fulfilment.Fulfilment) {
	for _, l := range f.ToPack() {
		l.Quantity = k.upTo(l.Quantity)
		k.askFulfilment(f, fulfilment.PackParcel{
			Target: k.fulfilment(f), ParcelID: k.id("parcel"), Lines: []fulfilment.LineQuantity{l},
		})
	}
}

// parcel does something with any parcel of any fulfilment, be it packed, gone or no more.
func (k *walker) parcel(do func(f *fulfilment.Fulfilment, id string)) {
	with(k, k.fulfilments, func(f *fulfilment.Fulfilment) {
		with(k, f.Parcels, func(p fulfilment.Parcel) { do(f, p.ID) })
	})
}

// ship hands a parcel to the carrier; at times it is gone, and nobody has asked.
func (k *walker) ship(f *fulfilment.Fulfilment, id string) {
	if k.oneIn(5) {
		k.askFulfilment(f, fulfilment.RecordShipped{Target: k.fulfilment(f), ParcelID: id})
		return
	}
	k.askFulfilment(f, fulfilment.ShipParcel{Target: k.fulfilment(f), ParcelID: id, Gate: fulfilment.Gate{Open: true}})
}

// deliver has a parcel arrive. Nobody may have told that it left.
func (k *walker) deliver(f *fulfilment.Fulfilment, id string) {
	k.askFulfilment(f, fulfilment.RecordDelivered{
		Target: k.fulfilment(f), FactID: k.id("fact"), ParcelID: id, OccurredAt: k.now,
	})
}

func (k *walker) cancel() {
	c := order.Cancel{ID: orderID, CancellationID: k.id("cancellation"), Now: k.now}
	if !k.oneIn(5) {
		with(k, k.order.Lines, func(l order.LineState) {
			c.Lines = []order.LineQuantity{{LineID: l.Line.ID, Quantity: k.upTo(2)}}
		})
	}
	k.askOrder(c)
}
