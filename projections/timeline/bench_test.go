package timeline_test

import (
	"testing"

	"waybill/projections/historytest"
	"waybill/projections/timeline"
)

func BenchmarkRebuild(b *testing.B) { historytest.Rebuild(b, timeline.Projection{}, 200_000) }
