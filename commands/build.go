package commands

import (
	"slices"
	"strings"

	"github.com/google/uuid"

	"waybill/domain"
	"waybill/domain/order"
	"waybill/domain/stock"
)

// OnOrder makes a command of one order command. The caller adds who asks.
func OnOrder(id uuid.UUID, c order.Command) Command {
	return Command{ID: id, Type: c.CommandType(), Key: string(c.OrderID()), Steps: []Step{Order(c)}}
}

// OnStock makes a command of one stock command. The caller adds who asks.
func OnStock(id uuid.UUID, c stock.Command) Command {
	return Command{ID: id, Type: c.CommandType(), Steps: []Step{Stock(c)}}
}

// Demand is what one line of an order needs of the stock.
type Demand struct {
	LineID         string
	SKU            string
	Location       string
	Quantity       int64
	AllowBackorder bool
}

// Reservation asks for the stock of an order: all of it, or none.
type Reservation struct {
	OrderID   order.ID
	Attempt   int // counted from 1; see [stock.ReservationID]
	Demands   []Demand
	ExpiresAt domain.Time
	Now       domain.Time
}

// Reserve makes a command that takes the stock of a whole order in one commit. What several lines need of one SKU at one
// location becomes one step, so that two lines are never counted against the same unit; the steps are sorted by stream.
func Reserve(id uuid.UUID, r Reservation) Command {
	return Command{ID: id, Type: stock.CommandReserve, Key: string(r.OrderID), Steps: ReserveSteps(r)}
}

// ReserveSteps returns the steps of [Reserve], for a command that does more besides.
func ReserveSteps(r Reservation) []Step {
	demands := slices.Clone(r.Demands)
	slices.SortStableFunc(demands, func(a, b Demand) int {
		return strings.Compare(stock.Stream(a.SKU, a.Location), stock.Stream(b.SKU, b.Location))
	})
	var steps []Step
	for i := 0; i < len(demands); {
		key := stock.Key{SKU: demands[i].SKU, Location: demands[i].Location}
		c := stock.Reserve{Key: key, OrderID: string(r.OrderID), ExpiresAt: r.ExpiresAt, Now: r.Now}
		for ; i < len(demands) && demands[i].SKU == key.SKU && demands[i].Location == key.Location; i++ {
			c.Reservations = append(c.Reservations, stock.Ask{
				ReservationID:  stock.ReservationID(string(r.OrderID), demands[i].LineID, r.Attempt),
				Quantity:       demands[i].Quantity,
				AllowBackorder: demands[i].AllowBackorder,
			})
		}
		steps = append(steps, Stock(c))
	}
	return steps
}
