package eventstore_test

import (
	"context"
	"net/url"
	"sync"
	"testing"

	"waybill/eventstore"
)

// withUser is dsn for another user.
func withUser(t testing.TB, dsn, user string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(user)
	return u.String()
}

// openLog opens the log and runs its appender until the test ends.
func openLog(t testing.TB, dsn string) *eventstore.Postgres {
	t.Helper()
	return openLogWith(t, eventstore.PostgresConfig{DSN: dsn})
}

func openLogWith(t testing.TB, cfg eventstore.PostgresConfig) *eventstore.Postgres {
	t.Helper()
	s, err := eventstore.OpenPostgres(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	run(t, s)
	return s
}

// run runs the appender until the test ends.
func run(t testing.TB, s *eventstore.Postgres) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Errorf("run the log: %v", err)
		}
	})
	t.Cleanup(func() {
		stop()
		wg.Wait()
	})
}
