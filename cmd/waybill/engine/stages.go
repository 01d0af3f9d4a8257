package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// part is something that runs until its context ends.
type part struct {
	name string
	run  func(context.Context) error
}

// stage is a set of parts that stop together.
type stage struct {
	name  string
	parts []part
}

// runStages runs all parts of all stages at once until ctx ends or one of them fails, and then stops the stages one
// after the other, in the order given, each when the one before it has stopped. It returns what failed first.
func runStages(ctx context.Context, log *slog.Logger, stages []stage) error {
	type running struct {
		stage
		stop context.CancelFunc
		wg   *sync.WaitGroup
	}
	failed, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var all []running
	for _, s := range stages {
		sctx, stop := context.WithCancel(context.WithoutCancel(ctx))
		r := running{stage: s, stop: stop, wg: &sync.WaitGroup{}}
		for _, p := range s.parts {
			r.wg.Go(func() {
				err := p.run(sctx)
				switch {
				case err != nil:
					fail(fmt.Errorf("%s: %w", p.name, err))
				case sctx.Err() == nil:
					fail(fmt.Errorf("%s: %w", p.name, errEnded))
				}
			})
		}
		all = append(all, r)
	}
	<-failed.Done()
	for _, r := range all {
		began := time.Now()
		r.stop()
		r.wg.Wait()
		if len(r.parts) > 0 {
			log.InfoContext(ctx, "stopped", slog.String("stage", r.name), slog.Duration("took", time.Since(began)))
		}
	}
	if ctx.Err() != nil { // it was asked to stop
		return nil
	}
	return context.Cause(failed)
}

var errEnded = errors.New("ended without being told to")
