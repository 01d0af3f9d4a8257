package bench

import (
	"context"
	"errors"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sync/errgroup"
)

// EachClient lets a number of clients work in a closed loop, each one operation after the other and at least one, until the
// time is over; an operation that was begun is waited for and counts. The count is in operations: a side whose operation is several
// units multiplies it.
func EachClient(ctx context.Context, clients int, d time.Duration, do func(ctx context.Context, client int) error) (Measurement, error) {
	until, worked := time.Now().Add(d), make([]bool, clients)
	return eachClient(ctx, clients, func(ctx context.Context, client int) (bool, error) {
		if worked[client] && !time.Now().Before(until) {
			return false, nil
		}
		worked[client] = true
		return true, do(ctx, client)
	})
}

// UntilDone lets a number of clients work in a closed loop, each until do tells it that nothing was left to do; that
// last try is not counted.
func UntilDone(ctx context.Context, clients int, do func(ctx context.Context, client int) (more bool, err error)) (Measurement, error) {
	return eachClient(ctx, clients, do)
}

func eachClient(ctx context.Context, clients int, do func(ctx context.Context, client int) (bool, error)) (Measurement, error) {
	latencies, counts := make([]*hdrhistogram.Histogram, clients), make([]int64, clients)
	for client := range clients {
		latencies[client] = NewHistogram()
	}
	g, working := errgroup.WithContext(ctx)
	began := time.Now()
	for client := range clients {
		g.Go(func() error {
			from := time.Now()
			for working.Err() == nil {
				more, err := do(working, client)
				if err != nil {
					return err
				}
				if !more {
					break
				}
				to := time.Now()
				Record(latencies[client], to.Sub(from))
				counts[client]++
				from = to
			}
			return nil
		})
	}
	err := g.Wait()
	total := Measurement{Elapsed: time.Since(began), Latency: NewHistogram()}
	for client := range clients {
		total.Count += counts[client]
		total.Latency.Merge(latencies[client])
	}
	return total, errors.Join(err, ctx.Err())
}
