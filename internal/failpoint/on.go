//go:build failpoints

package failpoint

import (
	"context"
	"fmt"
	"os"
	"sync"
)

// current is what the environment asks for, read once: the process is what it was started as.
var current = sync.OnceValues(func() (*plan, error) { return parse(os.Getenv("FAILPOINTS")) }) //nolint:gochecknoglobals // the points are reached from everywhere, and nothing changes it

// Arm reads FAILPOINTS. A program calls it first of all, and ends if it returns an error.
func Arm() error {
	if _, err := current(); err != nil {
		return fmt.Errorf("FAILPOINTS: %w", err)
	}
	return nil
}

// Hit is where the program passes a point. The error is the fault that was asked for.
func Hit(ctx context.Context, point Point) error {
	p, err := current()
	if err != nil {
		return err
	}
	return p.hit(ctx, point)
}

// On tells whether a bug was sown.
func On(bug Bug) bool {
	p, err := current()
	return err == nil && p.bugs[bug]
}
