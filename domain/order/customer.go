package order

import (
	"slices"

	"waybill/domain"
)

// ChangeShippingAddress sends what is not handed out yet elsewhere. Units that a fulfilment has keep the address that they
// were handed out with.
type ChangeShippingAddress struct {
	ID      ID
	Address Address
	Now     domain.Time
}

// LinkCustomer says whose order a guest's order is.
type LinkCustomer struct {
	ID         ID
	CustomerID string
	Now        domain.Time
}

// ShippingAddressChanged records where units go that are not handed out yet.
type ShippingAddressChanged struct {
	Address Address     `msgpack:"address"`
	At      domain.Time `msgpack:"at"`
}

// CustomerLinked records whose order it is.
type CustomerLinked struct {
	CustomerID string      `msgpack:"customer_id,omitempty"`
	At         domain.Time `msgpack:"at"`
}

// OrderID implements [Command].
func (c ChangeShippingAddress) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (ChangeShippingAddress) CommandType() string { return CommandChangeShippingAddress }

// OrderID implements [Command].
func (c LinkCustomer) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (LinkCustomer) CommandType() string { return CommandLinkCustomer }

// EventType implements [Event].
func (ShippingAddressChanged) EventType() string { return TypeShippingAddressChanged }

// SchemaVersion implements [Event].
func (ShippingAddressChanged) SchemaVersion() int16 { return schemaFirst }

// EventType implements [Event].
func (CustomerLinked) EventType() string { return TypeCustomerLinked }

// SchemaVersion implements [Event].
func (CustomerLinked) SchemaVersion() int16 { return schemaFirst }

func (c ChangeShippingAddress) decide(o *Order) ([]Event, error) {
	if o.Lifecycle == LifecycleNone {
		return nil, transition(o, c)
	}
	f := &fields{names: true}
	f.address("address", &c.Address)
	if len(c.Address.Lines) == 0 {
		f.check(domain.InvalidField{Field: "address.lines", Reason: "are missing"})
	}
	if f.err != nil {
		return nil, f.err
	}
	switch {
	case !o.mayCancel():
		return nil, transition(o, c)
	case !o.hasFree():
		return nil, NothingOpen{Command: c.CommandType()}
	case o.Details.Contact.Delivery.same(&c.Address):
		return nil, nil
	}
	return []Event{ShippingAddressChanged{Address: c.Address, At: c.Now}}, nil
}

// same reports whether a and b are one address. Sealed values are the same if their ciphertexts are.
func (a *Address) same(b *Address) bool {
	return a.Name == b.Name && slices.Equal(a.Lines, b.Lines) && a.City == b.City && a.Region == b.Region &&
		a.Postcode == b.Postcode && a.PostcodePrefix == b.PostcodePrefix && a.Country == b.Country
}

// hasFree reports whether a unit of o could be handed out, if its lifecycle and holds allowed it.
func (o *Order) hasFree() bool {
	return slices.ContainsFunc(o.Lines, func(l LineState) bool { return l.free() > 0 })
}

func (e ShippingAddressChanged) apply(o *Order) {
	o.Details.Contact.Delivery, o.UpdatedAt = e.Address, e.At
}

func (c LinkCustomer) decide(o *Order) ([]Event, error) {
	if o.Lifecycle == LifecycleNone {
		return nil, transition(o, c)
	}
	f := &fields{names: true}
	f.name("customer_id", c.CustomerID)
	switch {
	case f.err != nil:
		return nil, f.err
	case o.Details.CustomerID == c.CustomerID:
		return nil, nil
	case o.Details.CustomerID != "":
		return nil, CustomerConflict{CustomerID: o.Details.CustomerID, Requested: c.CustomerID}
	}
	return []Event{CustomerLinked{CustomerID: c.CustomerID, At: c.Now}}, nil
}

func (e CustomerLinked) apply(o *Order) { o.Details.CustomerID, o.UpdatedAt = e.CustomerID, e.At }
