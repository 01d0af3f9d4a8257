package stock

import (
	"cmp"
	"slices"

	"waybill/domain"
)

// Restock says that units of an order came back from its customer. Each unit of a return has an id and comes back once:
// one that did already is left out.
type Restock struct {
	Key
	OrderID  string
	ReturnID string
	UnitIDs  []string // 1 to MaxUnits ids, unique within the return
	Bucket   Bucket   // why they cannot be sold; "" if they can
	Reason   string
	Now      domain.Time
}

// Restocked records units that came back.
type Restocked struct {
	OrderID  string      `msgpack:"order_id,omitempty"`
	ReturnID string      `msgpack:"return_id,omitempty"`
	UnitIDs  []string    `msgpack:"unit_ids,omitempty"`
	Bucket   Bucket      `msgpack:"bucket,omitempty"` // absent if they can be sold
	Reason   string      `msgpack:"reason,omitempty"`
	At       domain.Time `msgpack:"at"`
}

// restockedUnit is a unit that came back, kept so that it does so once.
type restockedUnit struct {
	ID     string `msgpack:"id,omitempty"`
	Bucket Bucket `msgpack:"bucket,omitempty"`
}

// unitKey names a unit of a return. Ids hold no space.
func unitKey(returnID, unitID string) string { return returnID + " " + unitID }

// CommandType implements [Command].
func (Restock) CommandType() string { return CommandRestock }

// EventType implements [Event].
func (Restocked) EventType() string { return TypeRestocked }

// SchemaVersion implements [Event].
func (Restocked) SchemaVersion() int16 { return schemaFirst }

// Order implements [Event].
func (e Restocked) Order() string { return e.OrderID }

func (c Restock) decide(i *Item) ([]Event, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	var fresh []string
	for n, id := range c.UnitIDs {
		if err := domain.CheckID("unit_id", id); err != nil {
			return nil, err
		}
		if slices.Contains(c.UnitIDs[:n], id) {
			return nil, domain.InvalidField{Field: "unit_id", Reason: "repeats " + id}
		}
		known, ok := i.restocked.find(unitKey(c.ReturnID, id))
		if !ok {
			fresh = append(fresh, id)
		} else if known.Bucket != c.Bucket {
			return nil, RestockConflict{ReturnID: c.ReturnID, UnitID: id, Bucket: known.Bucket, Requested: c.Bucket}
		}
	}
	if len(fresh) == 0 {
		return nil, nil
	}
	if after := i.OnHand + int64(len(fresh)); after > MaxQuantity {
		return nil, domain.LimitExceeded{Field: "on_hand", Limit: MaxQuantity, Actual: after, Unit: "units"}
	}
	return i.settleFact(c.Now, Restocked{
		OrderID: c.OrderID, ReturnID: c.ReturnID, UnitIDs: fresh, Bucket: c.Bucket, Reason: c.Reason, At: c.Now,
	}), nil
}

func (c Restock) check() error {
	err := cmp.Or(
		domain.CheckID("order_id", c.OrderID), domain.CheckID("return_id", c.ReturnID), domain.CheckText("reason", c.Reason, maxText),
	)
	if err == nil && c.Bucket != "" {
		err = checkBucket(c.Bucket)
	}
	switch n := len(c.UnitIDs); {
	case err != nil:
		return err
	case n == 0:
		return domain.InvalidField{Field: "unit_ids", Reason: "are missing"}
	case n > MaxUnits:
		return domain.LimitExceeded{Field: "unit_ids", Limit: MaxUnits, Actual: int64(n), Unit: "units"}
	}
	return nil
}

func (e Restocked) count(s *Sums) {
	n := int64(len(e.UnitIDs))
	s.OnHand += n
	s.Restocked += n
	if e.Bucket != "" {
		s.Unavailable.add(e.Bucket, n)
	}
}

func (e Restocked) apply(i *Item) {
	for _, id := range e.UnitIDs {
		key := unitKey(e.ReturnID, id)
		i.restocked.add(key, restockedUnit{ID: key, Bucket: e.Bucket}, RestockMemory, restockedID)
	}
	i.UpdatedAt = e.At
}
