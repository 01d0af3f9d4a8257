package timeline_test

import (
	"os"
	"testing"

	"waybill/internal/devstack/devtest"
	"waybill/projections/historytest"
)

func TestMain(m *testing.M) { os.Exit(devtest.Main(m, historytest.Migrate)) }
