package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/eventstore"
)

const (
	oldestPostgres = 140000 // as server_version_num has it
	clockWarning   = time.Second
	clockProblem   = 30 * time.Second
	connectTimeout = 5 * time.Second
)

// database connects and looks at the server; it returns whether there is one.
func (d *doctor) database(ctx context.Context) bool {
	d.area = "database"
	connecting, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	db, err := pgx.Connect(connecting, d.DSN)
	if err != nil {
		d.problem("start it, or mend database.url", "waybill config show --origin", "%v", err)
		return false
	}
	d.db = db
	for _, look := range []func(context.Context) error{d.server, d.durability, d.connections, d.clock} {
		if err := look(ctx); err != nil {
			d.failed("the server", err)
		}
	}
	return true
}

func (d *doctor) server(ctx context.Context) error {
	var number int
	var version, encoding, user, standbys string
	var standby, super bool
	err := d.db.QueryRow(ctx, `
SELECT current_setting('server_version_num')::int, current_setting('server_version'), current_setting('server_encoding'), current_user,
       current_setting('synchronous_standby_names'), pg_is_in_recovery(), current_setting('is_superuser')::boolean`).
		Scan(&number, &version, &encoding, &user, &standbys, &standby, &super)
	if err != nil {
		return err
	}
	switch {
	case number < oldestPostgres:
		d.problem("upgrade it: Waybill needs 14 or later", "", "PostgreSQL %s", version)
	case standby:
		d.problem("point database.url at the primary, or promote this one", "waybill config show --origin", "PostgreSQL %s is a standby: it takes no writes", version)
	case encoding != "UTF8":
		d.problem("make the database anew with ENCODING 'UTF8' TEMPLATE template0", "", "PostgreSQL %s, encoding %s", version, encoding)
	default:
		d.ok("PostgreSQL %s, user %s", version, user)
	}
	if super && !d.Dev {
		d.warn("give the engine a user that owns nothing and is a member of the group roles: a superuser may do what they may not", "",
			"user %s is a superuser", user)
	}
	if !d.Dev && standbys == "" {
		d.warn("an acknowledged event is on one disk: name a synchronous standby in synchronous_standby_names", "", "there is no synchronous standby")
	}
	return nil
}

// durability looks at the settings of this very session: ALTER ROLE and ALTER DATABASE change them too.
func (d *doctor) durability(ctx context.Context) error {
	rows, err := d.db.Query(ctx, `SELECT name, setting, source FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'data_checksums') ORDER BY name`)
	if err != nil {
		return err
	}
	var name, setting, source string
	var good []string
	_, err = pgx.ForEachRow(rows, []any{&name, &setting, &source}, func() error {
		switch {
		case setting == "on" || name == "synchronous_commit" && setting == "remote_apply":
			good = append(good, name)
		case name == "data_checksums":
			if !d.Dev {
				d.warn("a damaged page would be handed out as if it were right: stop the server and run pg_checksums --enable", "", "data_checksums is off")
			}
		default:
			d.problem("acknowledged events may be lost: set it to on", d.psql("SUPERUSER", fmt.Sprintf("ALTER SYSTEM SET %s = on", name), "SELECT pg_reload_conf()"),
				"%s is %s (set by: %s)", name, setting, source)
		}
		return nil
	})
	if err == nil && len(good) > 0 {
		d.ok("%s on", strings.Join(good, ", "))
	}
	return err
}

func (d *doctor) connections(ctx context.Context) error {
	var used, most int
	err := d.db.QueryRow(ctx, `
SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int`).Scan(&used, &most)
	switch {
	case err != nil:
		return err
	case used*5 > most*4:
		d.warn("raise max_connections, or let fewer processes run: each with all roles takes up to 60", "", "%d of %d connections are in use", used, most)
	default:
		d.ok("%d of %d connections are in use", used, most)
	}
	return nil
}

// clock compares the clocks of this machine and of the database.
func (d *doctor) clock(ctx context.Context) error {
	before := d.Now()
	var there time.Time
	if err := d.db.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&there); err != nil {
		return err
	}
	here := before.Add(d.Now().Sub(before) / 2)
	apart := here.Sub(there).Round(time.Millisecond)
	const cure = "let both machines follow one time service: the time of an order is that of the process that took it"
	switch {
	case apart.Abs() > clockProblem:
		d.problem(cure, "", "the clock of this machine is %s off that of the database", apart)
	case apart.Abs() > clockWarning:
		d.warn(cure, "", "the clock of this machine is %s off that of the database", apart)
	default:
		d.ok("the clock of this machine is %s off that of the database", apart)
	}
	return nil
}

// grant is what a role must be able to do, or must not.
type grant struct {
	role  eventstore.Role
	verb  string
	table string
}

func mustHave() []grant {
	return []grant{
		{eventstore.RoleAppend, "INSERT", "waybill.events"},
		{eventstore.RoleAppend, "INSERT", "waybill.claims"},
		{eventstore.RoleAppend, "INSERT", "waybill.outcomes"},
		{eventstore.RoleAppend, "UPDATE", "waybill.counters"},
		{eventstore.RoleAppend, "SELECT", "api.keys"},
		{eventstore.RoleAppend, "INSERT", "intake.poison"},
		{eventstore.RoleRelay, "SELECT", "waybill.events"},
		{eventstore.RoleRelay, "UPDATE", "waybill.leases"},
		{eventstore.RoleProject, "SELECT", "waybill.events"},
		{eventstore.RoleProject, "UPDATE", "projections.versions"},
		{eventstore.RoleProcess, "SELECT", "waybill.events"},
		{eventstore.RoleProcess, "UPDATE", "processes.instances"},
		{eventstore.RoleRead, "SELECT", "waybill.events"},
		{eventstore.RoleRead, "SELECT", "projections.versions"},
		{eventstore.RoleRead, "SELECT", "api.keys"},
	}
}

// roles looks at who may do what.
func (d *doctor) roles(ctx context.Context) {
	d.area = "roles"
	before := len(d.findings)
	if err := errors.Join(d.members(ctx), d.grants(ctx), d.triggers(ctx)); err != nil {
		d.failed("roles and grants", err)
	}
	if len(d.findings) == before {
		d.ok("%d group roles and their grants are in place; the log is append-only for everybody", len(eventstore.Roles()))
	}
}

func (d *doctor) members(ctx context.Context) error {
	var roles []string
	for _, r := range eventstore.Roles() {
		roles = append(roles, string(r))
	}
	rows, err := d.db.Query(ctx, `
SELECT name, EXISTS (SELECT FROM pg_roles WHERE rolname = name), current_user,
       coalesce((SELECT pg_has_role(current_user, oid, 'MEMBER') FROM pg_roles WHERE rolname = name), false)
FROM unnest($1::text[]) AS name`, roles)
	if err != nil {
		return err
	}
	var name, user string
	var exists, member bool
	_, err = pgx.ForEachRow(rows, []any{&name, &exists, &user, &member}, func() error {
		switch {
		case !exists:
			d.problem("", "waybill migrate", "role %s does not exist", name)
		case !member:
			d.problem("as the owner of the schema", d.psql("OWNER", fmt.Sprintf("GRANT %s TO %s", name, pgx.Identifier{user}.Sanitize())), "user %s is not a member of role %s", user, name)
		}
		return nil
	})
	return err
}

func (d *doctor) grants(ctx context.Context) error {
	for _, g := range mustHave() {
		has, err := d.may(ctx, g)
		if err != nil {
			return err
		}
		if !has {
			d.problem("as the owner of the schema", d.psql("OWNER", fmt.Sprintf("GRANT %s ON %s TO %s", g.verb, g.table, g.role)), "role %s may not %s %s", g.role, g.verb, g.table)
		}
	}
	for _, role := range eventstore.Roles() {
		for _, table := range []string{"waybill.events", "waybill.claims", "waybill.outcomes"} {
			for _, verb := range []string{"UPDATE", "DELETE", "TRUNCATE"} {
				has, err := d.may(ctx, grant{role, verb, table})
				if err != nil {
					return err
				}
				if has {
					d.problem("what happened is not changed: as the owner of the schema", d.psql("OWNER", fmt.Sprintf("REVOKE %s ON %s FROM %s", verb, table, role)), "role %s may %s %s", role, verb, table)
				}
			}
		}
	}
	return nil
}

func (d *doctor) may(ctx context.Context, g grant) (has bool, err error) {
	err = d.db.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1) AND has_table_privilege($1::name, $2::text, $3)", string(g.role), g.table, g.verb).Scan(&has)
	if err != nil {
		return false, fmt.Errorf("ask whether %s may %s %s: %w", g.role, g.verb, g.table, err)
	}
	return has, nil
}

// triggers looks at what keeps the log append-only even for its owner.
func (d *doctor) triggers(ctx context.Context) error {
	rows, err := d.db.Query(ctx, `
SELECT tgrelid::regclass::text || '.' || tgname FROM pg_trigger
WHERE tgenabled = 'A' AND tgrelid IN ('waybill.events'::regclass, 'waybill.claims'::regclass, 'waybill.outcomes'::regclass, 'waybill.log_head'::regclass)`)
	if err != nil {
		return err
	}
	there, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, want := range []string{"waybill.events.append_only", "waybill.claims.append_only", "waybill.outcomes.append_only", "waybill.log_head.only_row", "waybill.log_head.only_forward"} {
		if !slices.Contains(there, want) {
			cut := strings.LastIndex(want, ".")
			d.problem("somebody switched off what keeps the log append-only: find out who, then, as its owner",
				d.psql("OWNER", fmt.Sprintf("ALTER TABLE %s ENABLE ALWAYS TRIGGER %s", want[:cut], want[cut+1:])), "trigger %s is off or gone", want)
		}
	}
	return nil
}
