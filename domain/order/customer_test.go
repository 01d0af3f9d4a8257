package order_test

import (
	"testing"

	"waybill/domain"
	"waybill/domain/order"
)

func TestShippingAddress(t *testing.T) {
	t.Parallel()
	o := lineA(t, 0)
	to := func(street string) order.ChangeShippingAddress {
		return order.ChangeShippingAddress{ID: orderID, Address: order.Address{Lines: []domain.Personal{domain.NewPersonal(street)}, Country: "DE"}, Now: t0}
	}
	says(t, o, to("1 High Street"), "shipping_address_changed")
	says(t, o, to("1 High Street"), "done")
	says(t, o, order.ChangeShippingAddress{ID: orderID, Now: t0}, "invalid-field")
	if a := o.Details.Contact.Delivery; a.Country != "DE" {
		t.Errorf("goes to %+v", a)
	}
	do(t, o, order.AssignFulfilment{ID: orderID, FulfilmentID: "f1", Location: "BER1", Lines: one(2), Now: t0})
	says(t, o, to("2 High Street"), "shipping_address_changed") // for the third unit
	do(t, o, order.AssignFulfilment{ID: orderID, FulfilmentID: "f2", Location: "BER1", Lines: one(1), Now: t0})
	says(t, o, to("3 High Street"), "nothing-open")
}

func TestCustomer(t *testing.T) {
	t.Parallel()
	o := lineA(t, 0)
	link := func(id string) order.Command { return order.LinkCustomer{ID: orderID, CustomerID: id, Now: t0} }
	says(t, o, link(""), "invalid-field")
	says(t, o, link("17850"), "customer_linked")
	says(t, o, link("17850"), "done")
	says(t, o, link("17851"), "customer-conflict")
}
