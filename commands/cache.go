package commands

import "sync"

// cache keeps the entries of the streams that were used last. An entry in use is never dropped, so that two commands
// on one stream always meet in the same entry.
//
// One mutex guards it all: it is held for a map access and a few pointer moves, a fraction of a percent of what a
// command costs (BenchmarkCache in this package), and shards would make the bounds imprecise.
type cache struct {
	maxEntries int
	maxBytes   int64
	metrics    *metrics

	mu      sync.Mutex
	entries map[string]*entry
	bytes   int64
	newest  entry // the ring of all entries: newest.next was used last, newest.prev longest ago
}

func newCache(entries int, bytes int64, m *metrics) *cache {
	c := &cache{maxEntries: entries, maxBytes: bytes, metrics: m, entries: map[string]*entry{}}
	c.newest.prev, c.newest.next = &c.newest, &c.newest
	return c
}

// pin returns the entry of a stream, an order or a stock item, and keeps it until unpin.
func (c *cache) pin(stream string, k *kinds, order bool) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[stream]
	if ok {
		c.metrics.hits.Inc()
		e.unlink()
	} else {
		c.metrics.misses.Inc()
		e = newEntry(stream, k.empty(order))
		c.entries[stream] = e
	}
	e.refs++
	e.linkAfter(&c.newest)
	return e
}

// unpin gives an entry back.
func (c *cache) unpin(e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.refs--
	w := e.weight.Load()
	c.bytes += w - e.counted
	e.counted = w
	for old := c.newest.prev; old != &c.newest && (len(c.entries) > c.maxEntries || c.bytes > c.maxBytes); {
		next := old.prev
		if old.refs == 0 {
			c.drop(old)
		}
		old = next
	}
}

func (c *cache) drop(e *entry) {
	e.unlink()
	delete(c.entries, e.stream)
	c.bytes -= e.counted
	c.metrics.evictions.Inc()
}

func (e *entry) unlink() { e.prev.next, e.next.prev = e.next, e.prev }

func (e *entry) linkAfter(at *entry) {
	e.prev, e.next = at, at.next
	at.next.prev, at.next = e, e
}
