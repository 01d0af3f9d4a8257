package eventstore_test

import (
	"testing"

	"waybill/eventstore"
	"waybill/eventstore/eventstoretest"
	"waybill/internal/devstack/devtest"
)

func TestMemoryKeepsTheContract(t *testing.T) {
	t.Parallel()
	eventstoretest.Run(t, func(*testing.T) eventstore.Log { return eventstore.NewMemory() })
}

func TestPostgresKeepsTheContract(t *testing.T) {
	t.Parallel()
	eventstoretest.Run(t, func(t *testing.T) eventstore.Log {
		t.Helper()
		return openLog(t, devtest.Database(t))
	})
}
