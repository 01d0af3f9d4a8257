package orderlist_test

import (
	"testing"

	"waybill/projections/historytest"
	"waybill/projections/orderlist"
)

func BenchmarkRebuild(b *testing.B) { historytest.Rebuild(b, orderlist.Projection{}, 200_000) }
