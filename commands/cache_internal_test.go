package commands

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"
)

func testCache(tb testing.TB, entries int, bytes int64) (*cache, *kinds) {
	tb.Helper()
	m, err := newMetrics(nil)
	if err != nil {
		tb.Fatal(err)
	}
	k := newKinds()
	return newCache(entries, bytes, m), &k
}

func TestCacheKeepsWhatWasUsedLast(t *testing.T) {
	t.Parallel()
	c, k := testCache(t, 2, 1<<30)
	use := func(stream string) *entry {
		e := c.pin(stream, k, false)
		c.unpin(e)
		return e
	}
	a, b := use("a"), use("b")
	if use("a") != a || use("b") != b {
		t.Error("an entry was made twice")
	}
	use("a")
	use("c") // drops b
	if use("a") != a {
		t.Error("a was dropped, b was used longer ago")
	}
	if use("b") == b {
		t.Error("b was kept")
	}
	if len(c.entries) != 2 {
		t.Errorf("%d entries, want 2", len(c.entries))
	}
}

func TestCacheNeverDropsWhatIsInUse(t *testing.T) {
	t.Parallel()
	c, k := testCache(t, 1, 1)
	pinned := c.pin("a", k, true)
	for i := range 10 {
		c.unpin(c.pin(strconv.Itoa(i), k, true))
	}
	if again := c.pin("a", k, true); again != pinned {
		t.Error("an entry in use was dropped")
	}
	c.unpin(pinned)
	c.unpin(pinned)
	if len(c.entries) != 0 || c.bytes != 0 {
		t.Errorf("%d entries of %d bytes are left, want none: the limit is one byte", len(c.entries), c.bytes)
	}
}

func TestCacheIsBoundByBytes(t *testing.T) {
	t.Parallel()
	c, k := testCache(t, 1000, 10*baseWeight+5000)
	for i := range 100 {
		e := c.pin(strconv.Itoa(i), k, true)
		e.grow(1000)
		c.unpin(e)
	}
	if n := len(c.entries); n == 0 || c.bytes > c.maxBytes || n > 8 {
		t.Errorf("%d entries of %d bytes, limit %d", n, c.bytes, c.maxBytes)
	}
}

func TestWaitingForAStreamEndsWithTheContext(t *testing.T) {
	t.Parallel()
	k := newKinds()
	e := newEntry("order-1", k.empty(true))
	if err := e.acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := e.acquire(ctx); err == nil {
		t.Error("acquired twice")
	}
	e.release()
	if err := e.acquire(t.Context()); err != nil {
		t.Error(err)
	}
}

func BenchmarkCache(b *testing.B) {
	c, k := testCache(b, 10_000, 1<<30)
	streams := make([]string, 20_000)
	for i := range streams {
		streams[i] = fmt.Sprint("order-", i)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			c.unpin(c.pin(streams[i%5000], k, true))
		}
	})
}
