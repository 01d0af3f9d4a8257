package orderlist_test

import (
	"testing"

	"waybill/projections/historytest"
	"waybill/projections/orderlist"
	"waybill/projections/projectiontest"
)

func TestContract(t *testing.T) {
	projectiontest.Run(t, orderlist.Projection{}, historytest.Samples()...)
}

func TestAnyBatches(t *testing.T) {
	historytest.AnyBatches(t, orderlist.Projection{})
}
