package bench

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// EachClient lets a number of clients work in a closed loop, each one operation after the other, until the time is over;
// an operation that was begun is waited for and counts. The count is in operations: a side whose operation is several
// units multiplies it.
func EachClient(ctx context.Context, clients int, d time.Duration, do func(ctx context.Context, client int) error) (Measurement, error) {
	until := time.Now().Add(d)
	return eachClient(ctx, clients, func(ctx context.Context, client int) (bool, error) {
		if !time.Now().Before(until) {
			return false, nil
		}
		return true, do(ctx, client)
	})
}

// UntilDone lets a number of clients work in a closed loop, each until do tells it that nothing was left to do; that
// last try is not counted.
func UntilDone(ctx context.Context, clients int, do func(ctx context.Context, client int) (more bool, err error)) (Measurement, error) {
	return eachClient(ctx, clients, do)
}

func eachClient(ctx context.Context, clients int, do func(ctx context.Context, client int) (bool, error)) (Measurement, error) {
	total := Measurement{Latency: NewHistogram()}
	var mu sync.Mutex // guards total
	g, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for client := range clients {
		g.Go(func() error {
			own, n := NewHistogram(), int64(0)
			from := time.Now()
			for ctx.Err() == nil {
				more, err := do(ctx, client)
				if err != nil {
					return err
				}
				if !more {
					break
				}
				to := time.Now()
				Record(own, to.Sub(from))
				from = to
				n++
			}
			mu.Lock()
			defer mu.Unlock()
			total.Count += n
			total.Latency.Merge(own)
			return ctx.Err()
		})
	}
	err := g.Wait()
	total.Elapsed = time.Since(began)
	return total, err
}
