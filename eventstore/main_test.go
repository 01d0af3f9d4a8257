package eventstore_test

import (
	"context"
	"os"
	"testing"

	"waybill/eventstore"
	"waybill/internal/devstack/devtest"
)

func TestMain(m *testing.M) {
	os.Exit(devtest.Main(m, func(ctx context.Context, url string) error { return eventstore.Migrate(ctx, url) }))
}
