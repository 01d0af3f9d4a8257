package orderdetail_test

import (
	"testing"

	"waybill/projections/historytest"
	"waybill/projections/orderdetail"
	"waybill/projections/projectiontest"
)

func TestContract(t *testing.T) {
	projectiontest.Run(t, orderdetail.Projection{}, historytest.Samples()...)
}

func TestAnyBatches(t *testing.T) {
	historytest.AnyBatches(t, orderdetail.Projection{})
}

func TestRowsStayOnTheirPages(t *testing.T) {
	historytest.InPlace(t, orderdetail.Projection{}, "order_detail", "order_id")
}
