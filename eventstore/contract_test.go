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

// TestTwoAppendersKeepTheContract: two processes on one database, as far as Postgres can tell.
func TestTwoAppendersKeepTheContract(t *testing.T) {
	t.Parallel()
	eventstoretest.Run(t, func(t *testing.T) eventstore.Log {
		t.Helper()
		dsn := devtest.Database(t)
		return &pair{Postgres: openLog(t, dsn), other: openLog(t, dsn)}
	})
}
