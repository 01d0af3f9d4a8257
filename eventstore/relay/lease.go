package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"waybill/eventstore"
)

// leaseName is the row that all relays of one log share.
const leaseName = "relay"

// leaseTTL is how long a relay that died keeps the others waiting at most.
const leaseTTL = 4 * time.Second

// NewLease returns a lease that is kept in the log's own database, over a pool of the role [eventstore.RoleRelay].
// holder names this process to people, such as "host/pid"; two relays of one name are told apart all the same. A ttl of
// zero is 4 s; it must be longer than [Config].Renew.
func NewLease(leases *eventstore.Leases, holder string, ttl time.Duration) Lease {
	return &storedLease{leases: leases, holder: cmp.Or(holder, "relay") + "#" + uuid.NewString()[:8], ttl: cmp.Or(ttl, leaseTTL)}
}

// storedLease is a lease in Postgres. A relay uses it from one goroutine at a time.
type storedLease struct {
	leases *eventstore.Leases
	holder string
	ttl    time.Duration
	now    eventstore.Lease // the one held; Term 0 if none
}

// Hold implements [Lease].
func (l *storedLease) Hold(ctx context.Context, upto int64) (bool, error) {
	if l.now.Term != 0 {
		renewed, err := l.leases.RenewLease(ctx, l.now, l.ttl, upto)
		if err == nil {
			l.now = renewed
			return true, nil
		}
		if !errors.Is(err, eventstore.ErrLeaseLost) {
			return false, fmt.Errorf("hold the relay's lease: %w", err)
		}
		l.now = eventstore.Lease{}
		return false, nil // stop at once; whether it is free again is another question
	}
	taken, err := l.leases.AcquireLease(ctx, leaseName, l.holder, l.ttl, upto)
	if errors.Is(err, eventstore.ErrLeaseHeld) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("hold the relay's lease: %w", err)
	}
	l.now = taken
	return true, nil
}

// Release implements [Lease].
func (l *storedLease) Release(ctx context.Context) error {
	if l.now.Term == 0 {
		return nil
	}
	lease := l.now
	l.now = eventstore.Lease{}
	if err := l.leases.ReleaseLease(ctx, lease); err != nil {
		return fmt.Errorf("release the relay's lease: %w", err)
	}
	return nil
}
