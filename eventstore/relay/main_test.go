package relay_test

import (
	"context"
	"os"
	"testing"

	"waybill/eventstore"
	"waybill/internal/devstack/devtest"
)

// Main also fails if goroutines were left behind.
func TestMain(m *testing.M) {
	os.Exit(devtest.Main(m, func(ctx context.Context, url string) error { return eventstore.Migrate(ctx, url) }))
}
