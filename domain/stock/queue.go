package stock

import (
	"cmp"
	"iter"

	"waybill/domain"
)

// queue is a binary heap of reservations: the one whose turn comes first, then the one that was made first, is at the root.
// Each knows its place, so that one that changes is taken out at once and the heap never holds one that has ended. A
// reservation stands in one queue at most.
type queue []*Reservation

// turn is the time that r stands in line by: until when it is held, or when it was confirmed.
func (r *Reservation) turn() domain.Time { return cmp.Or(r.ExpiresAt, r.ConfirmedAt) }

func earlier(a, b *Reservation) bool {
	if x, y := a.turn(), b.turn(); x != y {
		return x < y
	}
	return a.Seq < b.Seq
}

func (q *queue) push(r *Reservation) {
	r.place = len(*q)
	*q = append(*q, r)
	q.up(r.place)
}

func (q *queue) remove(r *Reservation) {
	at, last := r.place, len(*q)-1
	q.swap(at, last)
	(*q)[last] = nil
	*q = (*q)[:last]
	if at < last {
		q.fix(at)
	}
}

// fix restores the order after the entry at n has changed.
func (q *queue) fix(n int) {
	q.down(n)
	q.up(n)
}

func (q *queue) up(n int) {
	rs := *q
	for n > 0 {
		parent := (n - 1) / 2
		if !earlier(rs[n], rs[parent]) {
			return
		}
		q.swap(n, parent)
		n = parent
	}
}

func (q *queue) down(n int) {
	rs := *q
	for {
		least := n
		for child := 2*n + 1; child <= 2*n+2 && child < len(rs); child++ {
			if earlier(rs[child], rs[least]) {
				least = child
			}
		}
		if least == n {
			return
		}
		q.swap(n, least)
		n = least
	}
}

func (q *queue) swap(a, b int) {
	rs := *q
	rs[a], rs[b] = rs[b], rs[a]
	rs[a].place, rs[b].place = a, b
}

// until yields the reservations whose turn is not after end, the earliest first, without changing the queue. The k-th step
// costs O(log k), however long the queue is.
func (q *queue) until(end domain.Time) iter.Seq[*Reservation] {
	return func(yield func(*Reservation) bool) {
		w := walk{queue: *q, end: end}
		for w.visit(0); len(w.frontier) > 0; {
			at := w.take()
			w.visit(2*at + 1)
			w.visit(2*at + 2)
			if !yield(w.queue[at]) {
				return
			}
		}
	}
}

// walk is the state of [queue.until].
type walk struct {
	queue    []*Reservation
	end      domain.Time
	frontier []int // places whose parents were visited: itself a heap
}

// visit puts the place at on the frontier if its turn has come.
func (w *walk) visit(at int) {
	if at >= len(w.queue) || w.queue[at].turn() > w.end {
		return
	}
	w.frontier = append(w.frontier, at)
	for n := len(w.frontier) - 1; n > 0 && w.before(n, (n-1)/2); n = (n - 1) / 2 {
		w.frontier[n], w.frontier[(n-1)/2] = w.frontier[(n-1)/2], w.frontier[n]
	}
}

// take removes the first of the frontier.
func (w *walk) take() int {
	at, last := w.frontier[0], len(w.frontier)-1
	w.frontier[0] = w.frontier[last]
	w.frontier = w.frontier[:last]
	for n := 0; ; {
		least := n
		for child := 2*n + 1; child <= 2*n+2 && child < len(w.frontier); child++ {
			if w.before(child, least) {
				least = child
			}
		}
		if least == n {
			return at
		}
		w.frontier[n], w.frontier[least] = w.frontier[least], w.frontier[n]
		n = least
	}
}

func (w *walk) before(a, b int) bool {
	return earlier(w.queue[w.frontier[a]], w.queue[w.frontier[b]])
}
