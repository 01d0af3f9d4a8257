package eventstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Role is a Postgres group role: what a part of the system may do. Nobody logs in as one; [NewPool] takes it on after
// it has logged in.
type Role string

// The group roles. All may read the log and hold leases, except that [RoleRead] may not hold leases.
const (
	RoleAppend  Role = "waybill_append"  // appends, keeps snapshots
	RoleRelay   Role = "waybill_relay"   // publishes
	RoleProject Role = "waybill_project" // keeps read models
	RoleProcess Role = "waybill_process" // keeps the state of process managers
	RoleRead    Role = "waybill_read"    // reads
)

// Roles lists all group roles.
func Roles() []Role {
	return []Role{RoleAppend, RoleRelay, RoleProject, RoleProcess, RoleRead}
}

// prepareDatabase creates what every migration takes for granted: the schema and the group roles.
func prepareDatabase(ctx context.Context, dsn string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()

	var encoding string
	if err := conn.QueryRow(ctx, "SHOW server_encoding").Scan(&encoding); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if encoding != "UTF8" {
		return fmt.Errorf("migrate: database has encoding %s, want UTF8: create it with ENCODING 'UTF8' TEMPLATE template0", encoding)
	}
	for _, role := range Roles() {
		if err := createRole(ctx, conn, role); err != nil {
			return err
		}
	}
	// IF NOT EXISTS alone still fails when two processes create the schema at once.
	err = retryCatalog(ctx, func() error {
		_, err := conn.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS waybill")
		return err
	})
	if err != nil {
		return fmt.Errorf("create schema waybill: %w", err)
	}
	return nil
}

// createRole makes sure that the role exists and that this user may take it on. Roles belong to the cluster, and
// several databases may be migrated at once, so both steps expect to lose a race.
func createRole(ctx context.Context, conn *pgx.Conn, role Role) error {
	name := pgx.Identifier{string(role)}.Sanitize()
	err := retryCatalog(ctx, func() error {
		var exists bool
		if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", string(role)).Scan(&exists); err != nil || exists {
			return err
		}
		_, err := conn.Exec(ctx, "CREATE ROLE "+name+" NOLOGIN")
		return err
	})
	if err == nil {
		err = retryCatalog(ctx, func() error {
			var member bool
			if err := conn.QueryRow(ctx, "SELECT pg_has_role($1, 'MEMBER')", string(role)).Scan(&member); err != nil || member {
				return err
			}
			_, err := conn.Exec(ctx, "GRANT "+name+" TO CURRENT_USER")
			return err
		})
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.Code == "42501" { // insufficient_privilege
		return fmt.Errorf("create role %s: user %s may not; have a superuser run: CREATE ROLE %s NOLOGIN; GRANT %s TO %s: %w",
			role, conn.Config().User, name, name, pgx.Identifier{conn.Config().User}.Sanitize(), err)
	}
	if err != nil {
		return fmt.Errorf("create role %s: %w", role, err)
	}
	return nil
}

// retryCatalog repeats do while it loses a race over a system catalog.
func retryCatalog(ctx context.Context, do func() error) error {
	const tries = 50
	var err error
	for range tries {
		err = do()
		pgErr, ok := errors.AsType[*pgconn.PgError](err)
		if !ok {
			return err
		}
		switch pgErr.Code {
		case "23505", "42710", "42P06", // unique_violation, duplicate_object, duplicate_schema: somebody else was faster
			"XX000": // "tuple concurrently updated"
		default:
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(10 * time.Millisecond):
		}
	}
	return err
}

// grantVersionTables lets every role see which migrations were applied: a process that may not migrate still has to
// check the schema before it starts.
func grantVersionTables(ctx context.Context, dsn string, sets []MigrationSet) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for _, set := range sets {
		for _, role := range Roles() {
			err := retryCatalog(ctx, func() error {
				var may bool
				if err := conn.QueryRow(ctx, "SELECT has_table_privilege($1::text, $2::text, 'SELECT')", string(role), set.table()).Scan(&may); err != nil || may {
					return err
				}
				_, err := conn.Exec(ctx, "GRANT SELECT ON "+set.table()+" TO "+pgx.Identifier{string(role)}.Sanitize())
				return err
			})
			if err != nil {
				return fmt.Errorf("let %s see the migrations of %s: %w", role, set.Name, err)
			}
		}
	}
	return nil
}
