package order

import (
	"waybill/domain"
)

// Complete closes a confirmed order of which nothing is left to do: all of it is delivered, paid, and let go.
type Complete struct {
	ID  ID
	Now domain.Time
}

// Archive puts an order away that is over: completed, cancelled, rejected or expired. Facts about it are still taken.
type Archive struct {
	ID  ID
	Now domain.Time
}

// Completed records that nothing is left to do.
type Completed struct {
	At domain.Time `msgpack:"at"`
}

// Archived records that the order was put away.
type Archived struct {
	At domain.Time `msgpack:"at"`
}

// OrderID implements [Command].
func (c Complete) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (Complete) CommandType() string { return CommandComplete }

// OrderID implements [Command].
func (c Archive) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (Archive) CommandType() string { return CommandArchive }

// EventType implements [Event].
func (Completed) EventType() string { return TypeCompleted }

// SchemaVersion implements [Event].
func (Completed) SchemaVersion() int16 { return schemaFirst }

// EventType implements [Event].
func (Archived) EventType() string { return TypeArchived }

// SchemaVersion implements [Event].
func (Archived) SchemaVersion() int16 { return schemaFirst }

func (c Complete) decide(o *Order) ([]Event, error) {
	switch o.Lifecycle {
	case LifecycleConfirmed:
		if left := o.unsettled(c.Now); !left.settled() {
			return nil, left
		}
		return []Event{Completed{At: c.Now}}, nil
	case LifecycleCompleted:
		return nil, nil
	case LifecycleNone, LifecyclePending, LifecycleRejected, LifecycleExpired, LifecycleCancelling, LifecycleCancelled:
	}
	return nil, transition(o, c)
}

// unsettled returns what keeps o from being complete at now. A line that is not shipped has nothing to deliver.
func (o *Order) unsettled(now domain.Time) NotSettled {
	left := NotSettled{Balance: o.Balance()}
	for i := range o.Lines {
		l := &o.Lines[i]
		left.Assigned += l.Assigned
		left.Undelivered += l.Shipped - l.Delivered
		if l.Line.RequiresShipping {
			left.Open += l.Open()
		}
	}
	for i := range o.Holds {
		if o.Holds[i].Active(now) {
			left.Holds = append(left.Holds, o.Holds[i].ID)
		}
	}
	for i := range o.Requests {
		if o.Requests[i].ClosedAt.IsZero() {
			left.Cancellations = append(left.Cancellations, o.Requests[i].ID)
		}
	}
	for i := range o.Refunds {
		if o.Refunds[i].SettledAt.IsZero() {
			left.Refunds = append(left.Refunds, o.Refunds[i].RefundID)
		}
	}
	for i := range o.Returns {
		if len(o.Returns[i].Rest()) > 0 {
			left.Returns = append(left.Returns, o.Returns[i].ReturnID)
		}
	}
	return left
}

func (e Completed) apply(o *Order) {
	o.Lifecycle, o.CompletedAt, o.UpdatedAt = LifecycleCompleted, e.At, e.At
}

func (c Archive) decide(o *Order) ([]Event, error) {
	switch {
	case !o.over():
		return nil, transition(o, c)
	case !o.ArchivedAt.IsZero():
		return nil, nil
	}
	return []Event{Archived{At: c.Now}}, nil
}

func (e Archived) apply(o *Order) { o.ArchivedAt, o.UpdatedAt = e.At, e.At }

// over reports whether o has come to its end, whatever it was.
func (o *Order) over() bool { return o.closed() || o.Lifecycle == LifecycleCompleted }
