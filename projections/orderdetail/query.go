package orderdetail

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"waybill/projections/keyset"
)

// Get returns the document of an order as of the model's checkpoint; without such an order, the error matches
// [keyset.ErrNotFound].
func Get(ctx context.Context, db keyset.Querier, orderID string) (Detail, error) {
	var document []byte
	err := db.QueryRow(ctx, "SELECT document FROM readmodel.order_detail WHERE order_id = $1", orderID).Scan(&document)
	if errors.Is(err, pgx.ErrNoRows) {
		err = keyset.ErrNotFound
	}
	if err != nil {
		return Detail{}, fmt.Errorf("read order %s: %w", orderID, err)
	}
	s, err := decodeState(document)
	if err != nil {
		return Detail{}, fmt.Errorf("read order %s: %w", orderID, err)
	}
	if s.Version == 0 { // stock was reserved for an id that no order has
		return Detail{}, fmt.Errorf("read order %s: %w", orderID, keyset.ErrNotFound)
	}
	return s.Detail(), nil
}
