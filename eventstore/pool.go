package eventstore

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// PoolConfig says how a part of the system talks to Postgres. The zero value of each field is the default of the role.
type PoolConfig struct {
	// Role is taken on by every connection; it is required.
	Role Role
	// Application is shown in pg_stat_activity; default "waybill <role>".
	Application string
	// MaxConns is the size of the pool; default 8 for RoleRead, 4 otherwise.
	MaxConns int32
	// StatementTimeout bounds one statement; default 5 s, 30 s for RoleProject, which writes in bulk.
	// Negative means no limit. It does not bound the wait for a synchronous standby.
	StatementTimeout time.Duration
	// LockTimeout bounds the wait for one lock; default 2 s. Negative means no limit.
	LockTimeout time.Duration
	// IdleInTransactionTimeout ends a session that forgot its transaction; default 10 s. Negative means no limit.
	IdleInTransactionTimeout time.Duration
	// ConnectTimeout bounds the making of one connection; default 5 s.
	ConnectTimeout time.Duration
	// Settings are further run-time parameters of each session; they win over the defaults.
	Settings map[string]string
}

func (c PoolConfig) withDefaults() PoolConfig {
	conns, statement := int32(4), 5*time.Second
	switch c.Role {
	case RoleRead:
		conns = 8
	case RoleProject:
		statement = 30 * time.Second
	case RoleAppend, RoleRelay, RoleProcess:
	}
	c.Application = cmp.Or(c.Application, "waybill "+string(c.Role))
	c.MaxConns = cmp.Or(c.MaxConns, conns)
	c.StatementTimeout = cmp.Or(c.StatementTimeout, statement)
	c.LockTimeout = cmp.Or(c.LockTimeout, 2*time.Second)
	c.IdleInTransactionTimeout = cmp.Or(c.IdleInTransactionTimeout, 10*time.Second)
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, 5*time.Second)
	return c
}

func (c PoolConfig) validate() error {
	switch c.Role {
	case RoleAppend, RoleRelay, RoleProject, RoleProcess, RoleRead:
	default:
		return fmt.Errorf("pool: Role %q is none of %q", c.Role, Roles())
	}
	if c.MaxConns < 1 {
		return fmt.Errorf("pool: MaxConns %d: want at least 1", c.MaxConns)
	}
	return nil
}

// NewPool returns a pool whose sessions have the role and the time-outs of cfg, and UTC as their time zone. If dsn
// names several hosts, it connects to the one that takes writes, unless the role is [RoleRead]. The pool connects when it
// is first used; the caller closes it. The user of dsn must be a member of the role: [Migrate] sees to that for the
// user it ran as.
func NewPool(ctx context.Context, dsn string, cfg PoolConfig) (*pgxpool.Pool, error) {
	return newPool(ctx, dsn, cfg, nil)
}

// newPool is NewPool with a look at every new connection.
func newPool(ctx context.Context, dsn string, cfg PoolConfig, look func(context.Context, *pgx.Conn) error) (*pgxpool.Pool, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	pc, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("pool for %s: %w", cfg.Role, err)
	}
	pc.MaxConns = cfg.MaxConns
	pc.MaxConnLifetime = 30 * time.Minute // follows a failover or a changed role by and by
	pc.MaxConnLifetimeJitter = 3 * time.Minute
	pc.PingTimeout = time.Second
	pc.AfterConnect = look
	pc.ConnConfig.ConnectTimeout = cfg.ConnectTimeout
	if cfg.Role != RoleRead && pc.ConnConfig.ValidateConnect == nil && len(pc.ConnConfig.Fallbacks) > 0 {
		pc.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	pc.ConnConfig.OnNotice = noteSyncCancelled

	set := pc.ConnConfig.RuntimeParams
	set["role"] = string(cfg.Role)
	set["application_name"] = cfg.Application
	set["timezone"] = "UTC"
	set["statement_timeout"] = milliseconds(cfg.StatementTimeout)
	set["lock_timeout"] = milliseconds(cfg.LockTimeout)
	set["idle_in_transaction_session_timeout"] = milliseconds(cfg.IdleInTransactionTimeout)
	set["jit"] = "off" // our statements are short; compiling them is not
	maps.Copy(set, cfg.Settings)
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("pool for %s: %w", cfg.Role, err)
	}
	return pool, nil
}

// milliseconds is a Postgres time-out; 0 stands for no limit there.
func milliseconds(d time.Duration) string {
	return strconv.FormatInt(max(d.Milliseconds(), 0), 10)
}

// syncCancelled marks a connection whose last commit may be on this server alone.
const syncCancelled = "waybill.sync-cancelled"

// noteSyncCancelled remembers that Postgres said "canceling wait for synchronous replication": the transaction is
// committed here, and may be gone after a failover. The text is translated and its code, 01000, is that of any
// warning, so every warning counts: one too many costs a small write.
func noteSyncCancelled(c *pgconn.PgConn, n *pgconn.Notice) {
	if n.SeverityUnlocalized == "WARNING" {
		c.CustomData()[syncCancelled] = true
	}
}

// takeSyncCancelled tells whether the mark was set since it was last asked.
func takeSyncCancelled(c *pgx.Conn) bool {
	data := c.PgConn().CustomData()
	_, ok := data[syncCancelled]
	delete(data, syncCancelled)
	return ok
}
