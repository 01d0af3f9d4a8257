package wire

import (
	"encoding/json"
	"fmt"
	"slices"

	"waybill/api/auth"
	"waybill/api/problem"
	"waybill/domain/order"
	"waybill/domain/stock"
)

// Spec is one row of the table of commands that are taken from outside. HTTP routes, NATS endpoints, the durable
// intake, batches and the OpenAPI document are all made from it. Confirming, rejecting and expiring orders and reserving
// stock are the work of the processes and are not in it.
type Spec struct {
	Type    string     // name of the command, such as "order.place"; also the end of its NATS subjects
	Summary string     // one line
	Note    string     // what else has to be known before it is sent, whole sentences; may be empty
	Scope   auth.Scope // what the principal must have
	Path    string     // of the HTTP route; names in braces are fields of the payload
	Created bool       // answers 201 with a Location
	Shape   any        // the struct of the payload, for its schema
	Example string     // a payload that works, as JSON

	fresh  func() Payload
	binder *Binder
}

// Subject is where the NATS service takes the command.
func (s *Spec) Subject() string { return "waybill.cmd." + s.Type }

// IntakeSubject is where the durable intake takes the command.
func (s *Spec) IntakeSubject() string { return "waybill.in." + s.Type }

// Decode binds a value to the payload of the command. canonical is equal for two bodies that ask for the same, whatever
// their media type, order of fields and white space.
func (s *Spec) Decode(v *Value) (p Payload, canonical []byte, err *problem.Problem) {
	p = s.fresh()
	if err := s.binder.Bind(v, p); err != nil {
		return nil, nil, err
	}
	canonical, merr := json.Marshal(p)
	if merr != nil {
		return nil, nil, problem.New(problem.Internal, "%v", merr)
	}
	return p, canonical, nil
}

// Table is the table of commands.
type Table struct {
	Specs    []Spec
	byType   map[string]*Spec
	envelope *Binder
}

// Find returns the row of a command type.
func (t *Table) Find(typ string) (*Spec, bool) {
	s, ok := t.byType[typ]
	return s, ok
}

// Outside returns those of the named commands that are taken from outside, in their order.
func (t *Table) Outside(names []string) []string {
	outside := make([]string, 0, len(names))
	for _, n := range names {
		if _, ok := t.byType[n]; ok {
			outside = append(outside, n)
		}
	}
	return outside
}

// Types returns all command types, in the order of the table.
func (t *Table) Types() []string {
	types := make([]string, len(t.Specs))
	for i := range t.Specs {
		types[i] = t.Specs[i].Type
	}
	return types
}

// NewTable returns the table of all commands that are taken from outside.
func NewTable() (*Table, error) {
	envelope, err := NewBinder(envelopeHead{})
	if err != nil {
		return nil, fmt.Errorf("envelope: %w", err)
	}
	t := &Table{envelope: envelope, Specs: slices.Concat(orderSpecs(), stockSpecs()), byType: map[string]*Spec{}}
	for i := range t.Specs {
		s := &t.Specs[i]
		b, err := NewBinder(deref(s.fresh()))
		if err != nil {
			return nil, fmt.Errorf("command %s: %w", s.Type, err)
		}
		s.binder = b
		t.byType[s.Type] = s
	}
	return t, nil
}

// refundNote says what a granted refund is worth at present.
const refundNote = "A grant is a right and not yet a payment: nothing in this version pays it out, and the order does not complete before it is. " +
	"At most what was captured is granted; nothing in this version tells an order of captured money either, so until payments are " +
	"taken by the engine every grant is refused with refund-exceeds-entitlement."

// amendNote says what amendments from outside cannot do at present.
const amendNote = "Amendments from outside change prices alone, downwards: nothing reserves, moves or releases the stock of an amended order yet, and " +
	"nothing takes more money for it, so what changes units or makes the order dearer is refused. Money that was paid already is then " +
	"owed to the customer, and nothing in this version pays it out."

func orderSpecs() []Spec {
	const id = `"order_id":"0198c5f0-7a3e-7c11-8a2b-9d4e5f607182"`
	return []Spec{
		{
			Type: order.CommandPlace, Summary: "Place an order", Scope: auth.OrdersWrite, Path: "/v1/orders", Created: true,
			Shape: Place{}, fresh: func() Payload { return new(Place) },
			Example: `{` + id + `,"channel":"web","source_ref":"100042","currency":"EUR",` +
				`"contact":{"name":"Ana Example","email":"ana@example.com","delivery":{"lines":["1 Sample Street"],"city":"Berlin","postcode":"10115","country":"DE"}},` +
				`"lines":[{"sku":"TSHIRT-M","title":"T-shirt, medium","quantity":2,"unit_price":"19.99","total":{"minor":3998,"currency":"EUR"}},` +
				`{"sku":"MUG","quantity":1,"unit_price":"7.50","total":{"minor":750,"currency":"EUR"}}],` +
				`"totals":{"goods":{"minor":4748,"currency":"EUR"},"grand":{"minor":4748,"currency":"EUR"}},"tags":["gift"]}`,
		},
		{
			Type: order.CommandAddNote, Summary: "Write a remark on an order", Scope: auth.OrdersWrite, Path: "/v1/orders/{order_id}/note",
			Shape: Note{}, fresh: func() Payload { return new(Note) },
			Example: `{` + id + `,"text":"Rang twice, nobody at home"}`,
		},
		{
			Type: order.CommandTag, Summary: "Put tags on an order", Scope: auth.OrdersWrite, Path: "/v1/orders/{order_id}/tag",
			Shape: Tags{}, fresh: func() Payload { return new(addTags) },
			Example: `{` + id + `,"tags":["vip"]}`,
		},
		{
			Type: order.CommandUntag, Summary: "Take tags off an order", Scope: auth.OrdersWrite, Path: "/v1/orders/{order_id}/untag",
			Shape: Tags{}, fresh: func() Payload { return new(removeTags) },
			Example: `{` + id + `,"tags":["vip"]}`,
		},
		{
			Type: order.CommandPlaceHold, Summary: "Stop verbs from happening to an order", Scope: auth.OrdersWrite, Path: "/v1/orders/{order_id}/hold",
			Shape: Hold{}, fresh: func() Payload { return new(Hold) },
			Example: `{` + id + `,"hold_id":"address-1","kind":"address","blocks":["ship"],"note":"Street number is missing"}`,
		},
		{
			Type: order.CommandReleaseHold, Summary: "Let go of a hold", Scope: auth.OrdersWrite, Path: "/v1/orders/{order_id}/release-hold",
			Shape: ReleaseHold{}, fresh: func() Payload { return new(ReleaseHold) },
			Example: `{` + id + `,"hold_id":"address-1"}`,
		},
		{
			Type: order.CommandCancel, Summary: "Cancel an order, or units of some of its lines", Scope: auth.OrdersWrite, Path: "/v1/orders/{order_id}/cancel",
			Shape: Cancel{}, fresh: func() Payload { return new(Cancel) },
			Example: `{` + id + `,"lines":[{"line_id":"2","quantity":1}],"reason":"customer"}`,
		},
		{
			Type: order.CommandChangeShippingAddress, Summary: "Send what is not handed out yet elsewhere", Scope: auth.OrdersWrite,
			Path:  "/v1/orders/{order_id}/change-shipping-address",
			Shape: ShippingAddress{}, fresh: func() Payload { return new(ShippingAddress) },
			Example: `{` + id + `,"address":{"name":"Ana Example","lines":["2 Sample Street"],"city":"Hamburg","postcode":"20095","country":"DE"}}`,
		},
		{
			Type: order.CommandLinkCustomer, Summary: "Say whose order a guest's order is", Scope: auth.OrdersWrite, Path: "/v1/orders/{order_id}/link-customer",
			Shape: LinkCustomer{}, fresh: func() Payload { return new(LinkCustomer) },
			Example: `{` + id + `,"customer_id":"c-1042"}`,
		},
		{
			Type: order.CommandProposeAmendment, Summary: "Propose that an order costs less", Note: amendNote, Scope: auth.OrdersWrite, Path: "/v1/orders/{order_id}/amend",
			Shape: Amend{}, fresh: func() Payload { return new(Amend) },
			Example: `{` + id + `,"amendment_id":"rebate-1","base_version":1,"ops":[{"kind":"add_surcharge",` +
				`"surcharge":{"surcharge_id":"rebate","title":"Rebate","amount":{"minor":-50,"currency":"EUR"},"total":{"minor":-50,"currency":"EUR"}}}],` +
				`"totals":{"goods":{"minor":200,"currency":"EUR"},"surcharge":{"minor":-50,"currency":"EUR"},"grand":{"minor":150,"currency":"EUR"}},"reason":"scratched"}`,
		},
		{
			Type: order.CommandWithdrawAmendment, Summary: "Give a proposed amendment up", Scope: auth.OrdersWrite, Path: "/v1/orders/{order_id}/withdraw-amendment",
			Shape: Amendment{}, fresh: func() Payload { return new(withdrawAmendment) },
			Example: `{` + id + `,"amendment_id":"rebate-1"}`,
		},
		{
			Type: order.CommandAcceptAmendment, Summary: "Carry a proposed amendment out", Note: amendNote, Scope: auth.RefundsWrite, Path: "/v1/orders/{order_id}/accept-amendment",
			Shape: Amendment{}, fresh: func() Payload { return new(acceptAmendment) },
			Example: `{` + id + `,"amendment_id":"rebate-1"}`,
		},
		{
			Type: order.CommandGrantRefund, Summary: "Grant money back as goodwill", Note: refundNote,
			Scope: auth.RefundsWrite, Path: "/v1/orders/{order_id}/refund",
			Shape: Refund{}, fresh: func() Payload { return new(Refund) },
			Example: `{` + id + `,"refund_id":"late-1","basis":"goodwill","adjustment":{"minor":100,"currency":"EUR"},"reason":"arrived a week late"}`,
		},
		{
			Type: order.CommandArchive, Summary: "Put an order away that is over", Scope: auth.OrdersWrite, Path: "/v1/orders/{order_id}/archive",
			Shape: Archive{}, fresh: func() Payload { return new(Archive) },
			Example: `{` + id + `}`,
		},
	}
}

func stockSpecs() []Spec {
	const item = `"sku":"TSHIRT-M","location":"BER1"`
	return []Spec{
		{
			Type: stock.CommandReceive, Summary: "Receive units", Scope: auth.StockWrite, Path: "/v1/stock/{sku}/{location}/receive",
			Shape: Receive{}, fresh: func() Payload { return new(Receive) },
			Example: `{` + item + `,"quantity":100,"ref":"delivery note 4711"}`,
		},
		{
			Type: stock.CommandAdjust, Summary: "Change the units by a difference", Scope: auth.StockWrite, Path: "/v1/stock/{sku}/{location}/adjust",
			Shape: Adjust{}, fresh: func() Payload { return new(Adjust) },
			Example: `{` + item + `,"delta":-1,"reason":"damaged"}`,
		},
		{
			Type: stock.CommandCount, Summary: "Record what was found on the shelf", Scope: auth.StockWrite, Path: "/v1/stock/{sku}/{location}/count",
			Shape: Count{}, fresh: func() Payload { return new(Count) },
			Example: `{` + item + `,"counted":98}`,
		},
		{
			Type: stock.CommandMakeUnavailable, Summary: "Put units aside that cannot be sold", Scope: auth.StockWrite,
			Path:  "/v1/stock/{sku}/{location}/make-unavailable",
			Shape: MakeUnavailable{}, fresh: func() Payload { return new(MakeUnavailable) },
			Example: `{` + item + `,"bucket":"quality_control","quantity":2,"reason":"torn box"}`,
		},
		{
			Type: stock.CommandMakeAvailable, Summary: "Sell units after all that were put aside", Scope: auth.StockWrite,
			Path:  "/v1/stock/{sku}/{location}/make-available",
			Shape: MakeAvailable{}, fresh: func() Payload { return new(MakeAvailable) },
			Example: `{` + item + `,"bucket":"quality_control","quantity":1}`,
		},
		{
			Type: stock.CommandTransferOut, Summary: "Send units to another location", Scope: auth.StockWrite, Path: "/v1/stock/{sku}/{location}/transfer-out",
			Shape: TransferOut{}, fresh: func() Payload { return new(TransferOut) },
			Example: `{` + item + `,"transfer_id":"truck-7","to":"HAM2","quantity":10}`,
		},
		{
			Type: stock.CommandTransferIn, Summary: "Receive units from another location", Scope: auth.StockWrite, Path: "/v1/stock/{sku}/{location}/transfer-in",
			Shape: TransferIn{}, fresh: func() Payload { return new(TransferIn) },
			Example: `{` + item + `,"transfer_id":"truck-8","from":"HAM2","quantity":10}`,
		},
		{
			Type: stock.CommandSetBackorderPolicy, Summary: "Say how many units may be promised beyond what is there", Scope: auth.StockWrite,
			Path:  "/v1/stock/{sku}/{location}/backorder-policy",
			Shape: BackorderPolicy{}, fresh: func() Payload { return new(BackorderPolicy) },
			Example: `{` + item + `,"limit":20}`,
		},
		{
			Type: stock.CommandSetSafetyStock, Summary: "Say how many units are kept back", Scope: auth.StockWrite, Path: "/v1/stock/{sku}/{location}/safety-stock",
			Shape: SafetyStock{}, fresh: func() Payload { return new(SafetyStock) },
			Example: `{` + item + `,"quantity":5}`,
		},
		{
			Type: stock.CommandSetThreshold, Summary: "Say below how many available units an item is low", Scope: auth.StockWrite, Path: "/v1/stock/{sku}/{location}/threshold",
			Shape: Threshold{}, fresh: func() Payload { return new(Threshold) },
			Example: `{` + item + `,"quantity":10}`,
		},
	}
}
