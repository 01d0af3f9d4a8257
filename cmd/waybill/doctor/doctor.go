// Package doctor looks at the servers that Waybill runs on, and at what it keeps there, and says of each thing whether it
// is as it should be, what follows if it is not, and which command to run next.
//
// It looks and changes nothing. It does not read the whole log: whether what is stored is right is for package verify.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"

	"waybill/cmd/waybill/engine"
	"waybill/eventstore"
	"waybill/projections"
)

// State is how a thing is.
type State string

// The states of a thing.
const (
	OK      State = "ok"
	Warning State = "warning" // it works, and should be seen to
	Problem State = "problem" // something does not work, or soon will not
)

// Finding is what was found of one thing.
type Finding struct {
	Area  string `json:"area"` // "database", "stream" …
	State State  `json:"state"`
	Says  string `json:"says"`
	Cure  string `json:"cure,omitempty"` // what to do about it
	Next  string `json:"next,omitempty"` // the next command to run
}

// Config says what to look at. All but Now and Dev are required.
type Config struct {
	DSN         string
	Schema      []eventstore.MigrationSet
	Projections []projections.Projection
	Processes   []string // names of process managers
	Connect     func(part engine.Part, options ...nats.Option) (*nats.Conn, error)
	// HasUser tells whether a part has a NATS user of its own.
	HasUser func(part engine.Part) bool
	// Dev is true for servers that dev brought along, which are for one person on one machine.
	Dev bool
	// Now tells the time; the wall clock by default.
	Now func() time.Time
}

// Problems counts what does not work.
func Problems(findings []Finding) int {
	n := 0
	for i := range findings {
		if findings[i].State == Problem {
			n++
		}
	}
	return n
}

// doctor is one examination.
type doctor struct {
	Config
	db       *pgx.Conn
	findings []Finding
	head     eventstore.Head
	area     string
}

// Run looks at everything that it can reach; what it cannot reach is a finding too.
func Run(ctx context.Context, cfg Config) []Finding {
	d := &doctor{Config: cfg}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.database(ctx) {
		defer func() { _ = d.db.Close(context.WithoutCancel(ctx)) }()
		if d.schema(ctx) {
			d.roles(ctx)
			d.log(ctx)
			d.projections(ctx)
			d.processes(ctx)
			d.leases(ctx)
			d.poison(ctx)
		}
	}
	d.broker(ctx)
	return d.findings
}

func (d *doctor) ok(format string, args ...any) { d.add(OK, "", "", format, args...) }

func (d *doctor) warn(cure, next, format string, args ...any) {
	d.add(Warning, cure, next, format, args...)
}

func (d *doctor) problem(cure, next, format string, args ...any) {
	d.add(Problem, cure, next, format, args...)
}

func (d *doctor) add(s State, cure, next, format string, args ...any) {
	d.findings = append(d.findings, Finding{Area: d.area, State: s, Says: fmt.Sprintf(format, args...), Cure: cure, Next: next})
}

// failed notes that a look did not succeed.
func (d *doctor) failed(what string, err error) {
	d.problem("", "", "cannot look at %s: %v", what, err)
}

// schema tells whether there is a schema to look into.
func (d *doctor) schema(ctx context.Context) bool {
	d.area = "schema"
	err := eventstore.CheckSchema(ctx, d.DSN, d.Schema...)
	switch {
	case err == nil:
		names := []string{eventstore.Migrations().Name}
		for _, s := range d.Schema {
			names = append(names, s.Name)
		}
		d.ok("is that of this program (%s)", strings.Join(names, ", "))
		return true
	case errors.Is(err, eventstore.ErrSchemaBehind):
		d.problem("", "waybill migrate", "%v", err)
	case errors.Is(err, eventstore.ErrSchemaAhead):
		d.problem("run the version of waybill that the database was migrated with, or a newer one", "waybill migrate --status", "%v", err)
		return true
	default:
		d.failed("the schema", err)
	}
	return false
}

func (d *doctor) log(ctx context.Context) {
	d.area = "log"
	var epoch [16]byte
	var last int64
	var recorded time.Time
	err := d.db.QueryRow(ctx, `
SELECT h.position, h.epoch, h.recorded_at, coalesce((SELECT max(position) FROM waybill.events), 0)
FROM waybill.log_head h`).Scan(&d.head.Position, &epoch, &recorded, &last)
	d.head.Epoch = epoch
	switch {
	case err != nil:
		d.failed("the log", err)
	case last != d.head.Position:
		d.problem("restore the database from a backup; the log is damaged", "waybill verify", "log_head says that the log ends at %d, its events end at %d", d.head.Position, last)
	case last == 0:
		d.ok("is empty, epoch %s", d.head.Epoch)
	default:
		d.ok("ends at position %d, %s, epoch %s", last, recorded.UTC().Format(time.RFC3339), d.head.Epoch)
	}
}

// standsStill is how long a checkpoint may stay where it is while there is more to fold.
const standsStill = 10 * time.Second

func (d *doctor) projections(ctx context.Context) {
	d.area = "projections"
	versions, err := projections.Versions(ctx, d.db)
	if err != nil {
		d.failed("the projections", err)
		return
	}
	// The log goes on while it is looked at: it has to reach as far as they have seen now, not as far as it did before.
	if err := d.db.QueryRow(ctx, "SELECT position FROM waybill.log_head").Scan(&d.head.Position); err != nil {
		d.failed("the end of the log", err)
		return
	}
	for _, p := range d.Projections {
		i := slices.IndexFunc(versions, func(v projections.Version) bool { return v.Name == p.Name() && v.Version == p.Version() })
		if i < 0 {
			d.warn("", "waybill serve --roles projections", "%s version %d was never folded", p.Name(), p.Version())
			continue
		}
		d.version(&versions[i])
	}
	for i := range versions {
		v := &versions[i]
		if !slices.ContainsFunc(d.Projections, func(p projections.Projection) bool { return v.Name == p.Name() && v.Version == p.Version() }) {
			d.ok("%s version %d (%s) is of another version of this program", v.Name, v.Version, v.State)
		}
	}
}

func (d *doctor) version(v *projections.Version) {
	lag, since := d.head.Position-v.Position, d.Now().Sub(v.MovedAt).Round(time.Second)
	parked := "waybill projections parked " + v.Name
	switch {
	case v.Epoch != d.head.Epoch:
		d.problem("the log was restored; what is folded has to be folded anew", "waybill projections rebuild "+v.Name,
			"%s is of epoch %s, the log of %s", v.Name, v.Epoch, d.head.Epoch)
	case lag < 0:
		d.problem("the log lost its end without being given another epoch", "waybill doctor --new-epoch",
			"%s has seen position %d, the log ends at %d", v.Name, v.Position, d.head.Position)
	case lag > 0 && since > standsStill:
		d.problem("nobody folds it: start a process with the role, or look into the log of the one that runs", "waybill serve --roles projections",
			"%s version %d (%s) stands at %d, %d events behind, since %s", v.Name, v.Version, v.State, v.Position, lag, since)
	case v.ParkedKeys > 0:
		d.warn("look at the reason; when it is gone, try them again", parked, "%s version %d (%s) at %d, %d behind, has parked %d keys",
			v.Name, v.Version, v.State, v.Position, lag, v.ParkedKeys)
	default:
		d.ok("%s version %d (%s) at %d, %d behind", v.Name, v.Version, v.State, v.Position, lag)
	}
}

func (d *doctor) processes(ctx context.Context) {
	d.area = "processes"
	for _, name := range d.Processes {
		var open, overdue, foreign, parked int64
		var key, reason string
		err := d.db.QueryRow(ctx, `
SELECT (SELECT count(*) FROM processes.instances WHERE process = $1 AND NOT done),
       (SELECT count(*) FROM processes.timers WHERE process = $1 AND due_at < clock_timestamp() - interval '1 minute'),
       (SELECT count(*) FROM processes.checkpoints WHERE process = $1 AND epoch <> $2),
       (SELECT count(DISTINCT key) FROM processes.parked WHERE process = $1),
       coalesce((SELECT key FROM processes.parked WHERE process = $1 ORDER BY id LIMIT 1), ''),
       coalesce((SELECT reason FROM processes.parked WHERE process = $1 ORDER BY id LIMIT 1), '')`,
			name, d.head.Epoch).Scan(&open, &overdue, &foreign, &parked, &key, &reason)
		switch {
		case err != nil:
			d.failed("process "+name, err)
		case foreign > 0:
			d.problem("the log was restored; begin its epoch anew, which also takes the checkpoints along", "waybill doctor --new-epoch",
				"%s has checkpoints of another epoch than the log", name)
		case parked > 0:
			d.problem("the order waits until somebody carries on for it by hand", "waybill orders timeline "+key,
				"%s has parked %d keys, the first is %s: %s", name, parked, key, reason)
		case overdue > 0:
			d.warn("nobody fires them: start a process with the role", "waybill serve --roles processes", "%s has %d timers that are more than a minute late", name, overdue)
		default:
			d.ok("%s: open instances: %d", name, open)
		}
	}
}

// leases lists who does what only one process should do.
func (d *doctor) leases(ctx context.Context) {
	d.area = "leases"
	type lease struct {
		Name, Holder string
		Term         int64
		Left         time.Duration
	}
	rows, err := d.db.Query(ctx, "SELECT name, holder, term, expires_at - clock_timestamp() FROM waybill.leases ORDER BY name")
	var held []lease
	if err == nil {
		held, err = pgx.CollectRows(rows, pgx.RowToStructByPos[lease])
	}
	if err != nil {
		d.failed("the leases", err)
		return
	}
	roles := map[string]string{"relay": "relay"}
	names := []string{"relay"}
	for _, p := range d.Processes {
		names = append(names, "process:"+p)
		roles["process:"+p] = "processes"
	}
	for _, name := range names {
		i := slices.IndexFunc(held, func(l lease) bool { return l.Name == name })
		next := "waybill serve --roles " + roles[name]
		switch {
		case i < 0:
			d.warn("", next, "%s: nobody has ever held it", name)
		case held[i].Left <= 0:
			d.warn("", next, "%s: nobody holds it; %s let go of it %s ago", name, held[i].Holder, (-held[i].Left).Round(time.Second))
		default:
			d.ok("%s: held by %s, term %d, for another %s", name, held[i].Holder, held[i].Term, held[i].Left.Round(100*time.Millisecond))
		}
	}
}

// poison counts what the durable intake could never carry out.
func (d *doctor) poison(ctx context.Context) {
	d.area = "intake"
	var n int64
	var last time.Time
	err := d.db.QueryRow(ctx, "SELECT count(*), coalesce(max(recorded_at), 'epoch') FROM intake.poison").Scan(&n, &last)
	switch {
	case err != nil:
		d.failed("what the intake could not carry out", err)
	case n > 0:
		d.warn("tell whoever sent it; it is kept to be looked at, and is not tried again",
			d.psql(d.db.Config().User, "SELECT sequence, principal, subject, code, problem FROM intake.poison ORDER BY recorded_at DESC LIMIT 20"),
			"%d messages could never be carried out, the last at %s", n, last.UTC().Format(time.RFC3339))
	default:
		d.ok("no message was poison")
	}
}

// psql is the command that runs statements in the database that was looked at, as a user who may.
func (d *doctor) psql(user string, statements ...string) string {
	at := d.db.Config()
	if d.Dev {
		user = at.User // who is superuser
	}
	var b strings.Builder
	fmt.Fprintf(&b, "psql -h %s -p %d -U %s -d %s", at.Host, at.Port, user, at.Database)
	for _, s := range statements {
		fmt.Fprintf(&b, " -c '%s'", s)
	}
	return b.String()
}
