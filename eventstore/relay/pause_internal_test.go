package relay

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// TestPauses: what a person has to mend is looked at now and then, another relay's lease as often as leases are renewed,
// and everything else in pauses that grow.
func TestPauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, err := newMetrics(nil)
		if err != nil {
			t.Fatal(err)
		}
		r := &Relay{cfg: Config{}.withDefaults(), metrics: m}
		took := func(err error, delay *time.Duration) time.Duration {
			before := time.Now()
			r.pause(t.Context(), err, delay)
			return time.Since(before)
		}
		delay := minRetry
		for _, c := range []struct {
			err   error
			state State
			want  time.Duration
		}{
			{&ForkError{}, Forked, r.cfg.Audit},
			{&ConfigError{}, Forked, r.cfg.Audit},
			{errStandby, Standby, r.cfg.Renew},
		} {
			if got := took(c.err, &delay); got != c.want || r.Status().State != c.state || delay != minRetry {
				t.Errorf("%T: paused for %s as %s, want %s as %s", c.err, got, r.Status().State, c.want, c.state)
			}
		}
		sequence := &jetstream.APIError{ErrorCode: jetstream.JSErrCodeStreamWrongLastSequence}
		for i, err := range []error{errDisconnected, errAckTimeout, sequence, errLogChanged, errors.New("away"), errAckTimeout, errAckTimeout, errAckTimeout, errAckTimeout} {
			least := min(minRetry<<i, maxRetry)
			if got := took(err, &delay); got < least || got > 2*least {
				t.Errorf("after %d errors: paused for %s, want %s to %s", i+1, got, least, 2*least)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		before := time.Now()
		if r.pause(ctx, &ForkError{}, &delay); time.Since(before) != 0 {
			t.Error("it pauses although it was told to end")
		}
	})
}
