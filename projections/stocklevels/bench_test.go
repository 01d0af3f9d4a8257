package stocklevels_test

import (
	"testing"

	"waybill/projections/historytest"
	"waybill/projections/stocklevels"
)

func BenchmarkRebuild(b *testing.B) { historytest.Rebuild(b, stocklevels.Projection{}, 200_000) }
