package orderlist_test

import (
	"testing"

	"waybill/projections/historytest"
	"waybill/projections/orderlist"
)

// BenchmarkRebuild folds a log into an empty table, in batches as the runner makes them far behind.
func BenchmarkRebuild(b *testing.B) {
	log := historytest.Random(9, 200_000)
	wanted := historytest.Wanted(orderlist.Projection{}, log.Events)
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		pool := historytest.Install(b, orderlist.Projection{})
		b.StartTimer()
		historytest.Apply(b, pool, orderlist.Projection{}, log.Events, 10_000)
	}
	b.ReportMetric(float64(len(log.Events)*b.N)/b.Elapsed().Seconds(), "log-events/s")
	b.ReportMetric(float64(len(wanted)*b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(len(log.OrderIDs)), "orders")
}
