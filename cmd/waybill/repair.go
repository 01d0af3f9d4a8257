package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/term"

	"waybill/cmd/waybill/engine"
	"waybill/eventstore"
	"waybill/eventstore/relay"
	"waybill/internal/config"
	"waybill/projections"
)

// confirm asks a person to type a word before something is done that cannot be undone; yes answers for them.
func (a *app) confirm(yes bool, word, what string) error {
	if yes {
		return nil
	}
	if f, ok := a.in.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return fail(exitUsage, "the same with --yes", "this %s, and there is nobody to ask", what)
	}
	fmt.Fprintf(a.err, "This %s.\nType %q to go on: ", what, word)
	answer, err := bufio.NewReader(a.in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	if strings.TrimSpace(answer) != word {
		return fail(exitUsage, "", "not confirmed, nothing was changed")
	}
	return nil
}

// repair is one repair by doctor.
type repair struct {
	app *app
	cfg config.Config
	dev bool
	yes bool
}

// rebuildStream deletes the event stream and makes it anew; a relay that runs, or the next one, fills it.
func (r *repair) rebuildStream(ctx context.Context) error {
	what := "deletes the event stream " + relay.StreamName + " and has the relay fill it again from the log; messages of others in it are lost, events are not"
	if err := r.app.confirm(r.yes, "rebuild", what); err != nil {
		return err
	}
	if err := r.rebuild(ctx); err != nil {
		return err
	}
	r.app.sayf("%s is made anew; the relay fills it", relay.StreamName)
	return nil
}

func (r *repair) rebuild(ctx context.Context) error {
	log, err := r.open(ctx)
	if err != nil {
		return err
	}
	defer log.Close()
	conn, err := newConnector(r.app, r.cfg)(engine.Admin, relay.ConnOptions()...)
	if err != nil {
		return err
	}
	defer conn.Close()
	own, err := relay.New(relay.Config{Log: log, Conn: conn})
	if err != nil {
		return err
	}
	return own.Rebuild(ctx)
}

// open opens the log to read it, for which its durability does not matter.
func (r *repair) open(ctx context.Context) (*eventstore.Postgres, error) {
	return eventstore.OpenPostgres(ctx, eventstore.PostgresConfig{DSN: r.cfg.Database.URL.Reveal(), AllowDataLoss: true})
}

// newEpoch is the way on from a restored database: everything that was derived from positions that are given out again
// is made anew. It may be run again if it was cut short.
func (r *repair) newEpoch(ctx context.Context) error {
	what := "gives the log a new epoch, empties the read models and folds them anew, and rebuilds the event stream"
	if err := r.app.confirm(r.yes, "new epoch", what); err != nil {
		return err
	}
	if err := r.nobodyWorks(ctx); err != nil {
		return err
	}
	dsn := r.cfg.Database.URL.Reveal()
	head, err := eventstore.NewEpoch(ctx, dsn)
	if err != nil {
		return err
	}
	r.app.sayf("the log ends at %d and has the epoch %s", head.Position, head.Epoch)
	if err := r.moveProcesses(ctx, head); err != nil {
		return err
	}
	if err := r.resetProjections(ctx); err != nil {
		return err
	}
	if err := r.rebuild(ctx); err != nil {
		return err
	}
	if r.dev {
		r.app.sayf("restart dev: it still has the old epoch")
		return nil
	}
	r.app.sayf("read models and stream are empty: start the engine, which fills them, and then run: waybill verify")
	return nil
}

// nobodyWorks refuses while somebody holds a lease: a process of the old epoch would write its checkpoints over the new.
func (r *repair) nobodyWorks(ctx context.Context) error {
	if r.dev {
		return nil // its database runs no longer than it does
	}
	conn, err := pgx.Connect(ctx, r.cfg.Database.URL.Reveal())
	if err != nil {
		return fmt.Errorf("look who works: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var name, holder string
	var left time.Duration
	err = conn.QueryRow(ctx, `
SELECT name, holder, expires_at - clock_timestamp() FROM waybill.leases
WHERE expires_at > clock_timestamp() ORDER BY expires_at DESC LIMIT 1`).Scan(&name, &holder, &left)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look who works: %w", err)
	}
	return fail(exitConflict, "stop every waybill serve, then the same again", "the engine still runs: %s holds the lease %s for another %s", holder, name, left.Round(time.Second))
}

// moveProcesses takes the checkpoints of processes along: they were restored together with the log, so what they say of
// it still holds. Processes are never rewound, because what they did has left the house.
func (r *repair) moveProcesses(ctx context.Context, head eventstore.Head) error {
	conn, err := pgx.Connect(ctx, r.cfg.Database.URL.Reveal())
	if err != nil {
		return fmt.Errorf("take the processes along: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "UPDATE processes.checkpoints SET epoch = $1, position = least(position, $2)", head.Epoch, head.Position); err != nil {
		return fmt.Errorf("take the processes along: %w", err)
	}
	return nil
}

func (r *repair) resetProjections(ctx context.Context) error {
	log, err := r.open(ctx)
	if err != nil {
		return err
	}
	defer log.Close()
	pool, err := eventstore.NewPool(ctx, r.cfg.Database.URL.Reveal(), eventstore.PoolConfig{Role: eventstore.RoleProject})
	if err != nil {
		return err
	}
	defer pool.Close()
	admin := projections.Admin{Pool: pool, Log: log}
	for _, p := range engine.Projections() {
		err := admin.Reset(ctx, p)
		switch {
		case errors.Is(err, projections.ErrUnknown): // it was never folded
		case err != nil:
			return err
		default:
			r.app.sayf("read model %s version %d is to be folded anew", p.Name(), p.Version())
		}
	}
	return nil
}
