package intake_test

import (
	"os"
	"testing"

	"waybill/api/apitest"
	"waybill/internal/devstack/devtest"
)

func TestMain(m *testing.M) { os.Exit(devtest.Main(m, apitest.Migrate)) }
