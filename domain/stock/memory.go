package stock

// memory remembers the last few of a kind by id: a ring, and an index into it.
type memory[T any] struct {
	ring  []T
	next  int // where the next one goes once the ring is full
	index map[string]int
}
