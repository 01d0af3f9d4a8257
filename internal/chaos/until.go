package chaos

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// final is an error that waiting longer does not help.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// until asks again and again until condition returns nil, for as long as limit. The error says what was missing in the
// end. Each question is given a context that ends with the limit.
func until(ctx context.Context, limit time.Duration, condition func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var last error
	for {
		err := condition(ctx)
		if err == nil {
			return nil
		}
		if _, ok := errors.AsType[final](err); ok {
			return err
		}
		if ctx.Err() == nil || last == nil {
			last = err // and not that the time is over
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %w", limit, last)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
