package stocklevels

import (
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/domain/stock"
	"waybill/projections"
)

// level is the row of an item.
type level struct {
	Level

	key stock.Key
}

// claimKey names a reservation: its id is unique within its item.
type claimKey struct {
	item stock.Key
	id   string
}

// claim is the row of a reservation.
type claim struct {
	Reservation

	key   claimKey
	state stock.State
	dirty bool
}

// batch folds the events of a batch in memory. Lists keep the order of first mention, so that rows are always written in
// the same order.
type batch struct {
	decoded []stock.Event
	levels  map[stock.Key]*level
	order   []stock.Key
	claims  map[claimKey]*claim
	claimed []claimKey // in order of first mention, those to load among them
	load    []claimKey
}

// newBatch decodes events, and lists the rows that they concern.
func newBatch(events []projections.Event) (*batch, error) {
	b := &batch{
		decoded: make([]stock.Event, len(events)),
		levels:  map[stock.Key]*level{}, claims: map[claimKey]*claim{},
	}
	for i := range events {
		e := &events[i]
		sku, location, ok := stock.ParseStream(e.Stream)
		if !ok {
			return nil, fmt.Errorf("event %d: %s is not in the stream of an item", e.Position, e.Type)
		}
		ev, err := stock.Decode(e.Type, e.Schema, e.Data)
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", e.Position, err)
		}
		item := stock.Key{SKU: sku, Location: location}
		b.decoded[i] = ev
		if b.levels[item] == nil {
			b.levels[item] = &level{key: item, Level: Level{SKU: sku, Location: location}}
			b.order = append(b.order, item)
		}
		b.mention(item, ev)
	}
	return b, nil
}

// mention lists the reservations that an event concerns; those that it does not make are to be loaded.
func (b *batch) mention(item stock.Key, ev stock.Event) {
	see := func(id string, made bool) {
		k := claimKey{item: item, id: id}
		if _, ok := b.claims[k]; ok {
			return
		}
		b.claims[k] = nil
		b.claimed = append(b.claimed, k)
		if !made {
			b.load = append(b.load, k)
		}
	}
	switch ev := ev.(type) {
	case stock.Reserved:
		for _, g := range ev.Reservations {
			see(g.ReservationID, true)
		}
	case stock.ReservationExtended:
		for _, id := range ev.ReservationIDs {
			see(id, false)
		}
	case stock.ReservationConfirmed:
		for _, id := range ev.ReservationIDs {
			see(id, false)
		}
	case stock.ReservationReleased:
		for _, p := range ev.Parts {
			see(p.ReservationID, false)
		}
	case stock.AllocationReleased:
		for _, p := range ev.Parts {
			see(p.ReservationID, false)
		}
	case stock.ReservationAllocated:
		for _, p := range ev.Parts {
			see(p.ReservationID, false)
		}
	case stock.ReservationDeallocated:
		for _, p := range ev.Parts {
			see(p.ReservationID, false)
		}
	case stock.Issued:
		for _, p := range ev.Parts {
			if p.Quantity > 0 {
				see(p.ReservationID, false)
			}
		}
	case stock.BackorderFilled:
		see(ev.ReservationID, false)
	case stock.ReservationExpired:
		see(ev.ReservationID, false)
	case stock.Received, stock.Adjusted, stock.Counted, stock.MadeUnavailable, stock.MadeAvailable, stock.TransferredOut,
		stock.TransferredIn, stock.Restocked, stock.OversoldDetected, stock.AnomalyDetected, stock.BelowThreshold, stock.Depleted,
		stock.BackorderPolicySet, stock.SafetyStockSet, stock.ThresholdSet: // of the item alone
	}
}

// fold brings one event into the rows.
func (b *batch) fold(e *projections.Event, ev stock.Event) error {
	sku, location, _ := stock.ParseStream(e.Stream)
	l := b.levels[stock.Key{SKU: sku, Location: location}]
	l.UpdatedAt, l.Version, l.Position = e.RecordedAt, e.Version, e.Position
	switch ev := ev.(type) {
	case stock.Received:
		l.OnHand += ev.Quantity
	case stock.Adjusted:
		l.OnHand += ev.Delta
	case stock.Counted:
		l.OnHand += ev.Delta
	case stock.TransferredOut:
		l.OnHand -= ev.Quantity
	case stock.TransferredIn:
		l.OnHand += ev.Quantity
	case stock.MadeUnavailable:
		l.putAside(ev.Bucket, ev.Quantity)
	case stock.MadeAvailable:
		l.putAside(ev.Bucket, -ev.Quantity)
	case stock.Restocked:
		l.OnHand += int64(len(ev.UnitIDs))
		if ev.Bucket != "" {
			l.putAside(ev.Bucket, int64(len(ev.UnitIDs)))
		}
	case stock.BackorderPolicySet:
		l.BackorderLimit = ev.Limit
	case stock.SafetyStockSet:
		l.Safety = ev.Quantity
	case stock.ThresholdSet:
		l.Threshold = ev.Quantity
	case stock.OversoldDetected, stock.AnomalyDetected, stock.BelowThreshold, stock.Depleted: // follow from the levels
	case stock.Reserved:
		return b.reserve(e, l, &ev)
	case stock.ReservationExtended:
		return b.each(e, l, ev.ReservationIDs, func(c *claim) { c.ExpiresAt = ev.ExpiresAt.Time() })
	case stock.ReservationConfirmed:
		return b.each(e, l, ev.ReservationIDs, func(c *claim) { c.state, c.ExpiresAt = stock.StateConfirmed, time.Time{} })
	case stock.ReservationExpired:
		return b.one(e, l, ev.ReservationID, func(c *claim) { c.state, c.Quantity, c.Backordered = stock.StateExpired, 0, 0 })
	case stock.BackorderFilled:
		return b.one(e, l, ev.ReservationID, func(c *claim) { c.Backordered -= ev.Quantity })
	case stock.ReservationReleased, stock.AllocationReleased, stock.ReservationAllocated, stock.ReservationDeallocated, stock.Issued:
		return b.foldParts(e, l, ev)
	}
	return nil
}

// foldParts brings in an event that names units of reservations.
func (b *batch) foldParts(e *projections.Event, l *level, ev stock.Event) error {
	var err error
	part := func(id string, change func(*claim)) {
		if err == nil {
			err = b.one(e, l, id, change)
		}
	}
	switch ev := ev.(type) { //nolint:gochecksumtype // fold sends no others here
	case stock.ReservationReleased:
		for _, p := range ev.Parts {
			part(p.ReservationID, func(c *claim) {
				c.Backordered -= p.Backordered
				c.end(p.FromStock+p.Backordered, stock.StateReleased)
			})
		}
	case stock.AllocationReleased:
		for _, p := range ev.Parts {
			part(p.ReservationID, func(c *claim) {
				c.Allocated -= p.FromStock
				c.end(p.FromStock, stock.StateReleased)
			})
		}
	case stock.ReservationAllocated:
		for _, p := range ev.Parts {
			part(p.ReservationID, func(c *claim) { c.Allocated += p.Quantity })
		}
	case stock.ReservationDeallocated:
		for _, p := range ev.Parts {
			part(p.ReservationID, func(c *claim) { c.Allocated -= p.Quantity })
		}
	case stock.Issued:
		for _, p := range ev.Parts {
			l.OnHand -= p.Quantity + p.Unallocated
			if p.Quantity == 0 {
				continue // the reservation is another one's, or nobody's
			}
			part(p.ReservationID, func(c *claim) {
				c.Allocated -= p.Quantity
				c.Issued += p.Quantity
				c.end(p.Quantity, stock.StateIssued)
			})
		}
	}
	return err
}

// end takes units off c; when none is left, it ends in a state.
func (c *claim) end(quantity int64, state stock.State) {
	c.Quantity -= quantity
	if c.Quantity == 0 {
		c.state = state
	}
}

// putAside counts units that lie there and are not for sale.
func (l *level) putAside(b stock.Bucket, quantity int64) {
	switch b {
	case stock.BucketDamaged:
		l.Damaged += quantity
	case stock.BucketQualityControl:
		l.QualityControl += quantity
	case stock.BucketOther:
		l.Other += quantity
	default: // of a later program; the item counts it so, too
		l.Other += quantity
	}
}

func (b *batch) reserve(e *projections.Event, l *level, ev *stock.Reserved) error {
	for _, g := range ev.Reservations {
		k := claimKey{item: l.key, id: g.ReservationID}
		if b.claims[k] != nil {
			return fmt.Errorf("reservation %s of %s at %s is made twice", k.id, l.SKU, l.Location)
		}
		c := &claim{key: k, state: stock.StateHeld, dirty: true, Reservation: Reservation{
			ReservationID: g.ReservationID, SKU: l.SKU, Location: l.Location, OrderID: ev.OrderID,
			Asked: g.FromStock + g.Backordered, Quantity: g.FromStock + g.Backordered, Backordered: g.Backordered,
			ExpiresAt: ev.ExpiresAt.Time(), ReservedAt: e.RecordedAt, UpdatedAt: e.RecordedAt, Position: e.Position, seq: e.Position,
		}}
		b.claims[k] = c
		l.count(c, 1)
	}
	return nil
}

// each changes reservations of an item.
func (b *batch) each(e *projections.Event, l *level, ids []string, change func(*claim)) error {
	for _, id := range ids {
		if err := b.one(e, l, id, change); err != nil {
			return err
		}
	}
	return nil
}

// one changes a reservation of an item, and keeps the sums of its level.
func (b *batch) one(e *projections.Event, l *level, id string, change func(*claim)) error {
	c := b.claims[claimKey{item: l.key, id: id}]
	if c == nil {
		return fmt.Errorf("%s of the reservation %s of %s at %s, which nobody made", e.Type, id, l.SKU, l.Location)
	}
	l.count(c, -1)
	change(c)
	if c.state == stock.StateConfirmed || c.state == stock.StateAllocated {
		c.state = stock.StateConfirmed
		if c.Allocated > 0 && c.Allocated == c.Quantity {
			c.state = stock.StateAllocated
		}
	}
	l.count(c, 1)
	c.UpdatedAt, c.Position, c.dirty = e.RecordedAt, e.Position, true
	return nil
}

// count adds a reservation to the sums of l, or takes it off.
func (l *level) count(c *claim, sign int64) {
	covered := sign * (c.Quantity - c.Backordered)
	switch c.state {
	case stock.StateHeld:
		l.Held += covered
	case stock.StateConfirmed, stock.StateAllocated:
		l.Confirmed += covered - sign*c.Allocated
		l.Allocated += sign * c.Allocated
	case stock.StateNone, stock.StateReleased, stock.StateExpired, stock.StateIssued:
		return
	}
	l.Backordered += sign * c.Backordered
}

func (b *batch) levelKeys() [][]any {
	keys := make([][]any, len(b.order))
	for i, k := range b.order {
		keys[i] = []any{k.SKU, k.Location}
	}
	return keys
}

func (b *batch) reservationKeys() [][]any {
	keys := make([][]any, len(b.load))
	for i, k := range b.load {
		keys[i] = []any{k.item.SKU, k.item.Location, k.id}
	}
	return keys
}

func (b *batch) loadLevel(row pgx.CollectableRow) error {
	var l level
	err := row.Scan(&l.SKU, &l.Location, &l.OnHand, &l.Damaged, &l.QualityControl, &l.Other, &l.Safety, &l.Held, &l.Confirmed, &l.Allocated,
		&l.Backordered, &l.BackorderLimit, &l.Threshold, &l.Version, &l.Position, &l.UpdatedAt)
	l.key = stock.Key{SKU: l.SKU, Location: l.Location}
	b.levels[l.key] = &l
	return err
}

func (b *batch) loadReservation(row pgx.CollectableRow) error {
	var c claim
	var expires *time.Time
	var open bool
	err := row.Scan(&c.SKU, &c.Location, &c.ReservationID, &c.OrderID, &c.State, &c.Asked, &c.Quantity, &c.Allocated, &c.Backordered, &c.Issued,
		&expires, &c.ReservedAt, &c.UpdatedAt, &open, &c.Position, &c.seq)
	if err != nil {
		return err
	}
	if expires != nil {
		c.ExpiresAt = *expires
	}
	for _, s := range []stock.State{
		stock.StateHeld, stock.StateConfirmed, stock.StateAllocated, stock.StateIssued, stock.StateReleased, stock.StateExpired,
	} {
		if s.String() == c.State {
			c.state = s
		}
	}
	c.key = claimKey{item: stock.Key{SKU: c.SKU, Location: c.Location}, id: c.ReservationID}
	b.claims[c.key] = &c
	return nil
}

func (b *batch) levelRows() [][]any {
	rows := make([][]any, len(b.order))
	for i, k := range b.order {
		l := b.levels[k]
		rows[i] = []any{
			l.SKU, l.Location, l.OnHand, l.Damaged, l.QualityControl, l.Other, l.Safety, l.Held, l.Confirmed, l.Allocated,
			l.Backordered, l.BackorderLimit, l.Threshold, l.Version, l.Position, l.UpdatedAt,
		}
	}
	return rows
}

func (b *batch) reservationRows() [][]any {
	rows := make([][]any, 0, len(b.claimed))
	for _, k := range b.claimed {
		c := b.claims[k]
		if c == nil || !c.dirty {
			continue
		}
		var expires any
		if !c.ExpiresAt.IsZero() {
			expires = c.ExpiresAt
		}
		open := c.state == stock.StateHeld || c.state == stock.StateConfirmed || c.state == stock.StateAllocated
		rows = append(rows, []any{
			c.SKU, c.Location, c.ReservationID, c.OrderID, c.state.String(), c.Asked, c.Quantity, c.Allocated, c.Backordered, c.Issued,
			expires, c.ReservedAt, c.UpdatedAt, open, c.Position, c.seq,
		})
	}
	return rows
}
