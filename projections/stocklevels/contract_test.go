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
