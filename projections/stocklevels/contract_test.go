package stocklevels_test

import (
	"testing"

	"waybill/projections/historytest"
	"waybill/projections/projectiontest"
	"waybill/projections/stocklevels"
)

func TestContract(t *testing.T) {
	projectiontest.Run(t, stocklevels.Projection{}, historytest.Samples()...)
}

func TestAnyBatches(t *testing.T) {
	historytest.AnyBatches(t, stocklevels.Projection{})
}

func TestRowsStayOnTheirPages(t *testing.T) {
	historytest.InPlace(t, stocklevels.Projection{}, "stock_reservations", "sku, location, reservation_id")
}
