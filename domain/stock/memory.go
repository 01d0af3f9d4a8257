package stock

// memory remembers the last few things by id, the oldest is forgotten first.
type memory[T any] struct {
	ring  []T
	next  int            // where the next one goes once the ring is full
	index map[string]int // id to place in ring
}

// find returns what was remembered under id; ok is false if nothing is, or no longer.
func (m *memory[T]) find(id string) (t T, ok bool) {
	at, ok := m.index[id]
	if !ok {
		return t, false
	}
	return m.ring[at], true
}

// add remembers t under id, and forgets the oldest when there are limit others.
func (m *memory[T]) add(id string, t T, limit int, idOf func(T) string) {
	if m.index == nil {
		m.index = make(map[string]int)
	}
	if len(m.ring) < limit {
		m.index[id] = len(m.ring)
		m.ring = append(m.ring, t)
		return
	}
	if old := idOf(m.ring[m.next]); m.index[old] == m.next { // a later one under the same id stays
		delete(m.index, old)
	}
	m.ring[m.next] = t
	m.index[id] = m.next
	m.next = (m.next + 1) % limit
}

// oldestFirst returns all that is remembered.
func (m *memory[T]) oldestFirst() []T {
	if len(m.ring) == 0 {
		return nil
	}
	all := make([]T, 0, len(m.ring))
	return append(append(all, m.ring[m.next:]...), m.ring[:m.next]...)
}
