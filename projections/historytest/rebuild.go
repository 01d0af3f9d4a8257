package historytest

import (
	"testing"

	"waybill/projections"
)

// Rebuild measures how fast p folds a log of n events into empty tables, in batches as the runner makes them far behind.
// It reports the events of the log for each second, as progress of a rebuild is counted, and those that p wanted.
func Rebuild(b *testing.B, p projections.Projection, n int) {
	b.Helper()
	log := Random(9, n)
	wanted := len(Wanted(p, log.Events))
	b.ResetTimer()
	for range b.N { // not b.Loop: making the tables is not part of the figure
		b.StopTimer()
		pool := Install(b, p)
		b.StartTimer()
		Apply(b, pool, p, log.Events, 2_000)
	}
	b.ReportMetric(float64(len(log.Events)*b.N)/b.Elapsed().Seconds(), "log-events/s")
	b.ReportMetric(float64(wanted*b.N)/b.Elapsed().Seconds(), "wanted/s")
	b.ReportMetric(float64(len(log.OrderIDs)), "orders")
}
