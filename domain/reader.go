package domain

import (
	"fmt"
	"unicode/utf8"
)

// Reader reads stored events without reflection. It is as strict as [Unmarshal] and gives the same values; it is worth its
// code where an event is read often: several times as fast, with one allocation for all text of an event. The first fault
// sticks, everything after it reads as zero, and [Reader.Close] returns it.
//
//	r := domain.NewReader(data)
//	for key := range r.Fields {
//		switch key {
//		case "order_id":
//			e.OrderID = r.Text()
//		default:
//			r.Skip()
//		}
//	}
//	err := r.Close()
type Reader struct {
	data  string
	off   int // where the next value begins; an offset, so that moving on writes no pointer
	depth int
	err   error
}

func (r *Reader) rest() string { return r.data[r.off:] }

// NewReader returns a reader of data, which it copies once: all text that is read shares that copy.
func NewReader(data []byte) *Reader { return &Reader{data: string(data)} }

// Close returns the first fault; anything that is left to read is one.
func (r *Reader) Close() error {
	if r.err != nil {
		return r.err
	}
	return atEnd(r.rest())
}

// fail keeps the first fault and ends the reading.
func (r *Reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.off = len(r.data)
}

// take reads the header of a value that has to be of kind k.
func (r *Reader) take(k kind) (n uint64) {
	if r.err != nil {
		return 0
	}
	got, n, size, err := header(r.rest())
	if err != nil {
		r.fail(err)
		return 0
	}
	if got != k {
		r.fail(fmt.Errorf("msgpack: byte %#02x begins another kind of value than expected", r.data[r.off]))
		return 0
	}
	r.off += size
	return n
}

// Fields yields the keys of a map, for a range loop. The body must read or skip the value of each key.
func (r *Reader) Fields(yield func(key string) bool) {
	n := r.open(kindMap)
	for range n {
		key := r.Text()
		if r.err != nil || !yield(key) {
			return
		}
	}
	r.depth--
}

// open reads the header of an array or a map.
func (r *Reader) open(k kind) uint64 {
	n := r.take(k)
	if r.depth++; r.depth > maxDepth {
		r.fail(fmt.Errorf("msgpack: nested deeper than %d", maxDepth))
		return 0
	}
	if n > uint64(len(r.data)-r.off) { // every entry takes a byte at least
		r.fail(errTruncated)
		return 0
	}
	return n
}

// Text reads UTF-8 text.
func (r *Reader) Text() string {
	n := r.take(kindText)
	if n > uint64(len(r.data)-r.off) {
		r.fail(errTruncated)
		return ""
	}
	s := r.rest()[:n]
	if !utf8.ValidString(s) {
		r.fail(errNotUTF8)
		return ""
	}
	r.off += len(s)
	return s
}

// Int reads an integer.
func (r *Reader) Int() int64 {
	if r.err != nil {
		return 0
	}
	k, n, size, err := header(r.rest())
	switch {
	case err != nil:
		r.fail(err)
		return 0
	case k != kindInt && k != kindUint:
		r.fail(fmt.Errorf("msgpack: byte %#02x begins no integer", r.data[r.off]))
		return 0
	}
	r.off += size
	return int64(n)
}

// Time reads an instant.
func (r *Reader) Time() Time { return Time(r.Int()) }

// Bool reads a boolean.
func (r *Reader) Bool() bool { return r.take(kindBool) == 1 }

// Skip passes over a value of any kind.
func (r *Reader) Skip() {
	if r.err != nil {
		return
	}
	rest, err := skip(r.rest(), r.depth)
	if err != nil {
		r.fail(err)
		return
	}
	r.off = len(r.data) - len(rest)
}

// Personal reads the envelope of a personal value.
func (r *Reader) Personal() Personal {
	var alg, key, text, data string
	for name := range r.Fields {
		switch name {
		case "alg":
			alg = r.Text()
		case "key":
			key = r.Text()
		case "text":
			text = r.Text()
		case "data":
			data = r.bytes()
		default:
			r.Skip()
		}
	}
	if r.err != nil {
		return Personal{}
	}
	p, err := fromEnvelope(alg, key, text, data)
	if err != nil {
		r.fail(err)
	}
	return p
}

func (r *Reader) bytes() string {
	n := r.take(kindBytes)
	if n > uint64(len(r.data)-r.off) {
		r.fail(errTruncated)
		return ""
	}
	s := r.rest()[:n]
	r.off += len(s)
	return s
}

// Texts reads an array of text.
func (r *Reader) Texts() []string {
	return ReadSlice(r, func(s *string) { *s = r.Text() })
}

// ReadSlice reads an array by calling read for each entry. An empty array gives nil, like an absent one.
func ReadSlice[T any](r *Reader, read func(*T)) []T {
	n := r.open(kindArray)
	r.depth--
	if n == 0 {
		return nil
	}
	r.depth++
	items := make([]T, 0, min(n, maxPrealloc))
	for range n {
		items = append(items, *new(T))
		read(&items[len(items)-1])
		if r.err != nil {
			return nil
		}
	}
	r.depth--
	return items
}

// maxPrealloc bounds what is set aside on the word of an array header.
const maxPrealloc = 1024
