package stuckorders_test

import (
	"testing"

	"waybill/projections/historytest"
	"waybill/projections/stuckorders"
)

func BenchmarkRebuild(b *testing.B) { historytest.Rebuild(b, stuckorders.Projection{}, 200_000) }
