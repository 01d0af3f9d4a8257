package eventstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

var (
	// ErrLeaseHeld is matched when somebody else holds the lease.
	ErrLeaseHeld = errors.New("lease is held by another process")
	// ErrLeaseLost is matched when the lease has changed hands since it was acquired: stop the work at once.
	ErrLeaseLost = errors.New("lease is lost")
)

// LeaseHeldError says who holds the lease, and until when by the clock of the database.
type LeaseHeldError struct {
	Name, Holder string
	ExpiresAt    time.Time
}

func (e *LeaseHeldError) Error() string {
	return fmt.Sprintf("lease %s is held by %s until %s", e.Name, e.Holder, e.ExpiresAt.Format(time.RFC3339Nano))
}

// Unwrap makes errors.Is(err, ErrLeaseHeld) true.
func (e *LeaseHeldError) Unwrap() error { return ErrLeaseHeld }

// Lease is the right to do what one process at a time should do. It saves the others the work; it is not what keeps
// two of them correct.
type Lease struct {
	Name, Holder string
	Term         int64     // fencing token: grows with every acquisition
	Upto         int64     // highest position that a holder has recorded
	ExpiresAt    time.Time // by the clock of the database
}

// Leases keeps leases in Postgres. Time is that of the database, so the clocks of the processes do not matter.
type Leases struct{ pool *pgxpool.Pool }

// NewLeases keeps leases over a pool of any role but [RoleRead].
func NewLeases(pool *pgxpool.Pool) *Leases { return &Leases{pool: pool} }

const (
	acquireLease = `
INSERT INTO waybill.leases AS l (name, holder, term, upto, expires_at)
VALUES ($1, $2, 1, $3, clock_timestamp() + $4::interval)
ON CONFLICT (name) DO UPDATE
SET holder = EXCLUDED.holder, term = l.term + 1, upto = greatest(l.upto, EXCLUDED.upto), expires_at = clock_timestamp() + $4::interval
WHERE l.holder = EXCLUDED.holder OR l.expires_at <= clock_timestamp()
RETURNING term, upto, expires_at`

	renewLease = `
UPDATE waybill.leases
SET upto = greatest(upto, $4), expires_at = clock_timestamp() + $5::interval
WHERE name = $1 AND holder = $2 AND term = $3
RETURNING term, upto, expires_at`

	releaseLease = `UPDATE waybill.leases SET expires_at = clock_timestamp() WHERE name = $1 AND holder = $2 AND term = $3`

	selectLease = `SELECT holder, expires_at FROM waybill.leases WHERE name = $1`
)

// AcquireLease takes the lease if it is free, has expired, or is held by holder already, whose earlier term then ends.
// The error matches [ErrLeaseHeld] if somebody else holds it. It is a synchronous write, as RenewLease is.
func (l *Leases) AcquireLease(ctx context.Context, name, holder string, ttl time.Duration, upto int64) (Lease, error) {
	lease, err := l.write(ctx, Lease{Name: name, Holder: holder}, acquireLease, name, holder, upto, ttl)
	if !errors.Is(err, pgx.ErrNoRows) {
		return lease, leaseError("acquire", name, err)
	}
	held := &LeaseHeldError{Name: name}
	if err := l.pool.QueryRow(ctx, selectLease, name).Scan(&held.Holder, &held.ExpiresAt); err != nil {
		return Lease{}, leaseError("acquire", name, err)
	}
	held.ExpiresAt = held.ExpiresAt.UTC()
	return Lease{}, held
}

// RenewLease extends the lease and records that its holder has seen the log up to position upto. When it returns
// without error, this write has reached the synchronous standby, if there is one, and so has everything that was
// committed before: all positions up to upto survive a failover. The error matches [ErrLeaseLost] if the lease has
// changed hands; a lease that has merely expired is taken up again.
func (l *Leases) RenewLease(ctx context.Context, lease Lease, ttl time.Duration, upto int64) (Lease, error) {
	renewed, err := l.write(ctx, lease, renewLease, lease.Name, lease.Holder, lease.Term, upto, ttl)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrLeaseLost
	}
	return renewed, leaseError("renew", lease.Name, err)
}

// ReleaseLease lets the next one take the lease at once. It does nothing if the lease has changed hands.
func (l *Leases) ReleaseLease(ctx context.Context, lease Lease) error {
	_, err := l.pool.Exec(ctx, releaseLease, lease.Name, lease.Holder, lease.Term)
	return leaseError("release", lease.Name, err)
}

// write runs a statement that returns the lease, and makes sure that it is as durable as an append.
func (l *Leases) write(ctx context.Context, lease Lease, sql string, args ...any) (Lease, error) {
	conn, err := l.pool.Acquire(ctx)
	if err != nil {
		return Lease{}, err
	}
	defer conn.Release()
	takeSyncCancelled(conn.Conn())
	if err := conn.QueryRow(ctx, sql, args...).Scan(&lease.Term, &lease.Upto, &lease.ExpiresAt); err != nil {
		return Lease{}, err
	}
	if takeSyncCancelled(conn.Conn()) {
		return Lease{}, fmt.Errorf("%w: %w", ErrOutcomeUnknown, errUnreplicated)
	}
	lease.ExpiresAt = lease.ExpiresAt.UTC()
	return lease, nil
}

func leaseError(verb, name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s lease %s: %w", verb, name, err)
}
