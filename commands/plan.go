package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"waybill/domain/order"
	"waybill/eventstore"
)

// plan is a command made ready: it stays the same over all attempts, but for the number of a new order.
type plan struct {
	cmd   *Command
	steps []Step // with the number filled in
	parts []part // one a stream, in order of first mention
	locks []int  // parts by the name of their stream: the order in which all commands lock, so that none wait in a circle
	of    []int  // of[i] is the part of step i

	claims      []string
	place       int    // the step that places an order, -1 if none does
	numberClaim string // the claim on a number that the bus has chosen, "" if it has chosen none
	metas       []encodedMeta

	// Most commands have one step: what they need lies here, in one piece with the plan.
	one struct {
		part  [1]part
		of    [1]int
		lock  [1]int
		metas [1]encodedMeta
	}
}

// part is what a command does on one stream.
type part struct {
	stream string
	order  string // the order whose stream it is, "" for another one
	steps  int    // how many of the command's steps it has

	// Of one attempt.
	entry   *entry
	round   int64
	version int64
	read    bool // the decision depends on its state
	changes []change
	work    aggregate // what the steps are decided on
}

// encodedMeta is the metadata of the events that share a key.
type encodedMeta struct {
	key  string
	data []byte
}

// errAnotherNumber says that the number which the bus chose for an order is taken.
var errAnotherNumber = errors.New("order number is taken")

// plan makes c ready.
func (b *Bus) plan(ctx context.Context, c *Command) (*plan, error) {
	p := &plan{cmd: c, steps: c.Steps, place: -1}
	p.of, p.parts, p.locks, p.metas = p.one.of[:0], p.one.part[:0], p.one.lock[:0], p.one.metas[:0]
	for i := range c.Steps {
		stream := c.Steps[i].stream()
		at := slices.IndexFunc(p.parts, func(pt part) bool { return pt.stream == stream })
		if at < 0 {
			at = len(p.parts)
			id, _ := order.ParseStream(stream)
			p.parts = append(p.parts, part{stream: stream, order: string(id)})
		}
		p.of = append(p.of, at)
		p.parts[at].steps++
		if _, ok := c.Steps[i].order.(order.Place); ok {
			p.place = i
		}
	}
	for i := range p.parts {
		p.locks = append(p.locks, i)
	}
	slices.SortFunc(p.locks, func(a, b int) int { return strings.Compare(p.parts[a].stream, p.parts[b].stream) })
	return p, b.planPlace(ctx, p)
}

// planPlace gives a new order its number and claims what only one order may have.
func (b *Bus) planPlace(ctx context.Context, p *plan) error {
	p.claims = p.cmd.Claims
	if p.place < 0 {
		return nil
	}
	place, _ := p.cmd.Steps[p.place].order.(order.Place)
	ours := place.Details.Number == ""
	if ours {
		number, err := b.number(ctx, p.cmd, place.Details.Channel)
		if err != nil {
			return err
		}
		place.Details.Number = number
		p.steps = slices.Clone(p.cmd.Steps)
		p.steps[p.place] = Order(place)
	}
	p.claims = slices.Clone(p.cmd.Claims)
	claim := func(key string) {
		if !slices.Contains(p.claims, key) {
			p.claims = append(p.claims, key)
		}
	}
	if ref := place.Details.SourceRef; ref != "" {
		claim(SourceClaim(place.Details.Channel, ref))
	}
	number := NumberClaim(place.Details.Channel, place.Details.Number)
	claim(number)
	if ours {
		p.numberClaim = number
	}
	return nil
}

func (b *Bus) number(ctx context.Context, c *Command, channel string) (string, error) {
	switch {
	case c.DryRun: // a question uses no number up
		return formatNumber(channel, 0), nil
	case b.cfg.Numbers == nil:
		return "", fmt.Errorf("%w: the order has no number, and this bus gives none out: set details.number", ErrInvalid)
	}
	number, err := b.cfg.Numbers.Next(ctx, channel)
	if err != nil {
		return "", fmt.Errorf("number for an order: %w", err)
	}
	return number, nil
}

// key is what the command is about: under it a timeline finds its verdict.
func (p *plan) key() string {
	if p.cmd.Key != "" {
		return p.cmd.Key
	}
	for i := range p.parts {
		if p.parts[i].order != "" {
			return p.parts[i].order
		}
	}
	return p.parts[0].stream
}

// keyOf is the partition key of an event: the order that it belongs to, whichever stream it stands in.
func (p *plan) keyOf(pt *part, c *change) string {
	switch {
	case c.order != "":
		return c.order
	case pt.order != "":
		return pt.order
	case p.cmd.Key != "":
		return p.cmd.Key
	}
	return pt.stream
}

// meta returns the encoded metadata of events with that key. It is the same bytes for all of them.
func (p *plan) meta(key string) ([]byte, error) {
	for i := range p.metas {
		if p.metas[i].key == key {
			return p.metas[i].data, nil
		}
	}
	c := p.cmd
	m := eventstore.Meta{
		Key: key, Command: c.Type, Actor: c.Actor, Channel: c.Channel,
		CorrelationID: c.CorrelationID, CausationID: c.CausationID, Traceparent: c.Traceparent, OccurredAt: c.OccurredAt,
	}
	if m.CorrelationID == "" || m.CausationID == "" {
		id := c.ID.String()
		if m.CorrelationID == "" {
			m.CorrelationID = id
		}
		if m.CausationID == "" {
			m.CausationID = id
		}
	}
	data, err := eventstore.EncodeMeta(m)
	if err != nil {
		return nil, err
	}
	p.metas = append(p.metas, encodedMeta{key: key, data: data})
	return data, nil
}

// stream returns the name of the stream that s is decided on, "" if s is empty.
func (s Step) stream() string {
	switch {
	case s.order != nil:
		return order.Stream(s.order.OrderID())
	case s.stock != nil:
		return s.stock.ItemKey().Stream()
	}
	return ""
}

// creates tells whether s begins a stream. Ids of orders are made up for them, so the stream is taken to be new without
// looking; if it is not, the log says so and it is loaded after all.
func (s Step) creates() bool {
	_, ok := s.order.(order.Place)
	return ok
}
