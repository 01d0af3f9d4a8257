package timeline_test

import (
	"testing"

	"waybill/projections/historytest"
	"waybill/projections/projectiontest"
	"waybill/projections/timeline"
)

func TestContract(t *testing.T) {
	projectiontest.Run(t, timeline.Projection{}, historytest.Samples()...)
}

func TestAnyBatches(t *testing.T) {
	historytest.AnyBatches(t, timeline.Projection{})
}
