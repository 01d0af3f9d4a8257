package stuckorders_test

import (
	"testing"

	"waybill/projections/historytest"
	"waybill/projections/projectiontest"
	"waybill/projections/stuckorders"
)

func TestContract(t *testing.T) {
	projectiontest.Run(t, stuckorders.Projection{}, historytest.Samples()...)
}

func TestAnyBatches(t *testing.T) {
	historytest.AnyBatches(t, stuckorders.Projection{})
}
