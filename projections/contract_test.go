package projections_test

import (
	"testing"

	"waybill/projections/projectiontest"
)

func TestContract(t *testing.T) {
	projectiontest.Run(t, tally{},
		projectiontest.Sample{Name: "one key", Commits: history(t, 12, 1)},
		projectiontest.Sample{Name: "many keys", Commits: history(t, 120, 9)},
	)
}
