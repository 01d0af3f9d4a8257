package commands

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// Numbers gives orders the numbers that people read, such as "WEB-100042".
type Numbers interface {
	// Next returns a number that no order of the channel has been given by this allocator. There may be holes.
	Next(ctx context.Context, channel string) (string, error)
}

// Counter hands out blocks of whole numbers, each number once for ever. [eventstore.Counters] keeps them in Postgres.
type Counter interface {
	// Take returns the first of n numbers in a row under the name; the first of all is 1.
	Take(ctx context.Context, name string, n int64) (first int64, err error)
}

const (
	// numberBlock is how many numbers are taken at once. What is left when the process ends becomes a hole.
	numberBlock = 64
	// numberBase is added to all, so that numbers have the same length for long and do not tell how young a shop is.
	numberBase = 100_000
)

// Blocks is an allocator that takes numbers from a counter in blocks and gives them out from memory.
type Blocks struct {
	counter Counter

	mu       sync.Mutex
	channels map[string]*block
}

// block is what is left of the numbers taken for a channel. Its lock is a channel, held while the counter is asked, so
// that one caller asks and the others wait for the answer as long as their context lets them.
type block struct {
	lock       chan struct{}
	next, last int64
}

var _ Numbers = (*Blocks)(nil)

// NewBlocks returns an allocator on c.
func NewBlocks(c Counter) *Blocks { return &Blocks{counter: c, channels: map[string]*block{}} }

// Next implements [Numbers].
func (a *Blocks) Next(ctx context.Context, channel string) (string, error) {
	prefix := numberChannel(channel)
	b := a.block(prefix)
	select {
	case b.lock <- struct{}{}:
	case <-ctx.Done():
		return "", fmt.Errorf("next number of %s: %w", prefix, context.Cause(ctx))
	}
	defer func() { <-b.lock }()
	if b.next > b.last {
		first, err := a.counter.Take(ctx, "order-number:"+prefix, numberBlock)
		if err != nil {
			return "", fmt.Errorf("next number of %s: %w", prefix, err)
		}
		b.next, b.last = first, first+numberBlock-1
	}
	n := b.next
	b.next++
	return formatNumber(channel, n), nil
}

func (a *Blocks) block(prefix string) *block {
	a.mu.Lock()
	defer a.mu.Unlock()
	b, ok := a.channels[prefix]
	if !ok {
		b = &block{lock: make(chan struct{}, 1), next: 1}
		a.channels[prefix] = b
	}
	return b
}

// formatNumber returns "WEB-100042" for the 42nd order of channel "web".
func formatNumber(channel string, n int64) string {
	return numberChannel(channel) + "-" + strconv.FormatInt(numberBase+n, 10)
}

const maxNumberChannel = 16

// numberChannel is what a channel's numbers begin with: its letters and digits in upper case. Channels that come to
// the same share a counter, so their numbers differ all the same.
func numberChannel(channel string) string {
	var s strings.Builder
	for _, r := range strings.ToUpper(channel) {
		if s.Len() == maxNumberChannel {
			break
		}
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			s.WriteRune(r)
		}
	}
	if s.Len() == 0 {
		return "ORDER"
	}
	return s.String()
}

// MemoryCounter is a counter that forgets with the process, for tests. Its zero value begins at 1.
type MemoryCounter struct {
	mu    sync.Mutex
	names map[string]int64
}

var _ Counter = (*MemoryCounter)(nil)

// Take implements [Counter].
func (c *MemoryCounter) Take(_ context.Context, name string, n int64) (int64, error) {
	if n < 1 {
		return 0, errors.New("take numbers: want at least 1")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.names == nil {
		c.names = map[string]int64{}
	}
	first := c.names[name] + 1
	c.names[name] += n
	return first, nil
}
