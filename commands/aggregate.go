package commands

import (
	"waybill/domain/order"
	"waybill/domain/stock"
	"waybill/eventstore"
)

// aggregate is the state of one stream as the bus sees it: orders and stock items alike. It is owned by whoever holds
// the lock of its entry, or made it.
type aggregate interface {
	// decide returns what a step causes, encoded, and changes nothing.
	decide(s Step) ([]change, error)
	// evolve folds what decide returned.
	evolve(changes []change)
	// fold decodes and folds a stored event.
	fold(e *eventstore.Event) error
	// describe returns the name of the state it is in and the commands that are allowed there.
	describe() (state string, allowed []string)
	snapshot() (schema int16, data []byte, err error)
	// restore replaces the state by that of a snapshot; the aggregate is as before if it cannot be read.
	restore(schema int16, data []byte) error
	// empty returns a new aggregate of its kind.
	empty() aggregate
}

// change is one event that a step causes.
type change struct {
	event  any
	typ    string
	schema int16
	data   []byte
	order  string // the order that the event belongs to, if its stream does not say so
}

// kind is one type of aggregate as plain functions: S is its state, C its commands, E its events.
type kind[S, C, E any] struct {
	command        func(Step) C
	decide         func(*S, C) ([]E, error)
	evolve         func(*S, E)
	encode         func(E) (typ string, schema int16, data []byte, err error)
	decode         func(typ string, schema int16, data []byte) (E, error)
	orderOf        func(E) string
	snapshotSchema int16
	encodeSnapshot func(*S) ([]byte, error)
	decodeSnapshot func(schema int16, data []byte) (*S, error)
	describe       func(*S) (string, []string)
}

// kinds are the aggregates that the bus knows.
type kinds struct {
	order *kind[order.Order, order.Command, order.Event]
	stock *kind[stock.Item, stock.Command, stock.Event]
}

func newKinds() kinds {
	return kinds{
		order: &kind[order.Order, order.Command, order.Event]{
			command:        func(s Step) order.Command { return s.order },
			decide:         order.Decide,
			evolve:         order.Evolve,
			encode:         order.Encode,
			decode:         order.Decode,
			orderOf:        func(order.Event) string { return "" }, // its stream says so
			snapshotSchema: order.SnapshotSchema,
			encodeSnapshot: order.EncodeSnapshot,
			decodeSnapshot: order.DecodeSnapshot,
			describe:       func(o *order.Order) (string, []string) { return o.Lifecycle.String(), order.Allowed(o) },
		},
		stock: &kind[stock.Item, stock.Command, stock.Event]{
			command:        func(s Step) stock.Command { return s.stock },
			decide:         stock.Decide,
			evolve:         stock.Evolve,
			encode:         stock.Encode,
			decode:         stock.Decode,
			orderOf:        stock.Event.Order,
			snapshotSchema: stock.SnapshotSchema,
			encodeSnapshot: stock.EncodeSnapshot,
			decodeSnapshot: stock.DecodeSnapshot,
			describe:       func(*stock.Item) (string, []string) { return "", nil }, // an item has no lifecycle
		},
	}
}

// empty returns an aggregate without events: an order, or else a stock item.
func (k *kinds) empty(order bool) aggregate {
	if order {
		return k.order.empty()
	}
	return k.stock.empty()
}

func (k *kind[S, C, E]) empty() aggregate { return &root[S, C, E]{kind: k, state: new(S)} }

// root is an aggregate of one kind.
type root[S, C, E any] struct {
	kind  *kind[S, C, E]
	state *S
}

func (r *root[S, C, E]) empty() aggregate { return r.kind.empty() }

func (r *root[S, C, E]) decide(s Step) ([]change, error) {
	events, err := r.kind.decide(r.state, r.kind.command(s))
	if err != nil || len(events) == 0 {
		return nil, err
	}
	changes := make([]change, len(events))
	for i, e := range events {
		c := &changes[i]
		c.event, c.order = e, r.kind.orderOf(e)
		if c.typ, c.schema, c.data, err = r.kind.encode(e); err != nil {
			return nil, err
		}
	}
	return changes, nil
}

func (r *root[S, C, E]) evolve(changes []change) {
	for i := range changes {
		if e, ok := changes[i].event.(E); ok { // always: decide of this kind made it
			r.kind.evolve(r.state, e)
		}
	}
}

func (r *root[S, C, E]) fold(e *eventstore.Event) error {
	ev, err := r.kind.decode(e.Type, e.Schema, e.Data)
	if err != nil {
		return err
	}
	r.kind.evolve(r.state, ev)
	return nil
}

func (r *root[S, C, E]) describe() (string, []string) { return r.kind.describe(r.state) }

func (r *root[S, C, E]) snapshot() (int16, []byte, error) {
	data, err := r.kind.encodeSnapshot(r.state)
	return r.kind.snapshotSchema, data, err
}

func (r *root[S, C, E]) restore(schema int16, data []byte) error {
	s, err := r.kind.decodeSnapshot(schema, data)
	if err != nil {
		return err
	}
	r.state = s
	return nil
}

// duplicate returns a private copy of a.
func duplicate(a aggregate) (aggregate, error) {
	schema, data, err := a.snapshot()
	if err != nil {
		return nil, err
	}
	b := a.empty()
	return b, b.restore(schema, data)
}

// decode reads a stored event of any aggregate.
func (k *kinds) decode(e *eventstore.Event) (any, error) {
	if _, ok := order.ParseStream(e.Stream); ok {
		return k.order.decode(e.Type, e.Schema, e.Data)
	}
	return k.stock.decode(e.Type, e.Schema, e.Data)
}
