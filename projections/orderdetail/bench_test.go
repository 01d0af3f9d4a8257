package orderdetail_test

import (
	"testing"

	"waybill/projections/historytest"
	"waybill/projections/orderdetail"
)

func BenchmarkRebuild(b *testing.B) { historytest.Rebuild(b, orderdetail.Projection{}, 200_000) }
