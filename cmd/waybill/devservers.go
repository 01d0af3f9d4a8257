package main

import (
	"context"
	"net"
	"sync"
	"time"

	"waybill/internal/devstack"
)

// A Postgres that ends so many times in so short a time is not started again: it is broken, and nobody kills it.
const (
	mostRestarts   = 5
	restartsWithin = time.Minute
)

// watch runs a server beside what needs it. If the server is gone for good, lost hears of it. The function that watch
// returns ends the server in order and waits for that.
func watch(ctx context.Context, a *app, name string, run func(context.Context) error, lost context.CancelCauseFunc) (stop func()) {
	ctx, end := context.WithCancel(context.WithoutCancel(ctx)) // the engine that needs it stops before
	var wg sync.WaitGroup
	wg.Go(func() {
		err := run(ctx)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			a.sayf("waybill: stop %s: %v", name, err)
		default:
			lost(err)
		}
	})
	return func() {
		end()
		wg.Wait()
	}
}

// postgresKeeper keeps the Postgres of dev running: when it ends by itself, or somebody kills it, it is started again
// on its folder. It has the same address then, and the pools of the engine connect to it anew.
type postgresKeeper struct {
	app    *app
	server *devstack.Postgres
	cfg    devstack.PostgresConfig
}

func (k *postgresKeeper) run(ctx context.Context) error {
	var restarts []time.Time
	for {
		err := k.server.Run(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		advice := "look at what it says in its log, then start dev again; its data is in " + k.server.Dir()
		now := time.Now()
		if restarts = append(restarts, now); len(restarts) > mostRestarts {
			if now.Sub(restarts[0]) < restartsWithin {
				return fail(exitError, advice, "ended %d times within %s: %w", len(restarts), restartsWithin, err)
			}
			restarts = restarts[1:]
		}
		k.app.sayf("waybill: %v; Postgres is started again", err)
		if err := k.server.Kill(); err != nil { // what is left of it, and its hold on the folder
			return fail(exitError, advice, "start Postgres again: %w", err)
		}
		again, err := devstack.StartPostgres(ctx, k.cfg)
		if ctx.Err() != nil && err != nil {
			return nil //nolint:nilerr // dev ends, and there is nothing to stop
		}
		if err != nil {
			return fail(exitError, advice, "start Postgres again: %w", err)
		}
		k.server = again
	}
}

// natsListener is the host and the port of --nats-addr.
func natsListener(ctx context.Context, addr string) (host string, port int, err error) {
	host, name, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fail(exitUsage, "", "--nats-addr %q is not HOST:PORT", addr)
	}
	port, err = net.DefaultResolver.LookupPort(ctx, "tcp", name)
	if err != nil {
		return "", 0, fail(exitUsage, "", "--nats-addr %q: %w", addr, err)
	}
	return host, port, nil
}
