package domain

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// errTruncated reports input that ends inside a value.
var errTruncated = errors.New("msgpack: input ends inside a value")

// maxDepth is how deep arrays and maps may nest in stored data.
const maxDepth = 32

// buffer collects encoded bytes.
type buffer []byte

func (b *buffer) Write(p []byte) (int, error) { *b = append(*b, p...); return len(p), nil }

func (b *buffer) WriteByte(c byte) error { *b = append(*b, c); return nil }

// reader hands bytes to a msgpack decoder without a copy.
type reader struct {
	data []byte
	off  int
}

func (r *reader) Read(p []byte) (int, error) {
	if r.off >= len(r.data) && len(p) > 0 {
		return 0, errTruncated
	}
	n := copy(p, r.data[r.off:])
	r.off += n
	return n, nil
}

func (r *reader) ReadByte() (byte, error) {
	if r.off >= len(r.data) {
		return 0, errTruncated
	}
	c := r.data[r.off]
	r.off++
	return c, nil
}

func (r *reader) UnreadByte() error {
	if r.off == 0 {
		return errors.New("msgpack: nothing to unread")
	}
	r.off--
	return nil
}

// Check reports whether data is exactly one well-formed msgpack value of the kinds that events use: integers, booleans,
// UTF-8 text, bytes, arrays, and maps with text keys.
func Check(data []byte) error {
	rest, err := checkValue(data, 0)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return fmt.Errorf("msgpack: %d bytes after the value", len(rest))
	}
	return nil
}

// header splits the first value of b into its kind, its number or length, and the bytes after the header.
func header(b []byte) (kind kind, n uint64, rest []byte, err error) {
	if len(b) == 0 {
		return 0, 0, nil, errTruncated
	}
	c, rest := b[0], b[1:]
	switch {
	case c <= 0x7f:
		return kindUint, uint64(c), rest, nil
	case c <= 0x8f:
		return kindMap, uint64(c & 0x0f), rest, nil
	case c <= 0x9f:
		return kindArray, uint64(c & 0x0f), rest, nil
	case c <= 0xbf:
		return kindText, uint64(c & 0x1f), rest, nil
	case c >= 0xe0:
		return kindInt, uint64(int64(int8(c))), rest, nil
	}
	switch c {
	case 0xc2, 0xc3:
		return kindBool, uint64(c & 1), rest, nil
	case 0xc4, 0xc5, 0xc6:
		kind = kindBytes
	case 0xcc, 0xcd, 0xce, 0xcf:
		kind = kindUint
	case 0xd0, 0xd1, 0xd2, 0xd3:
		kind = kindInt
	case 0xd9, 0xda, 0xdb:
		kind = kindText
	case 0xdc, 0xdd:
		kind = kindArray
	case 0xde, 0xdf:
		kind = kindMap
	default:
		return 0, 0, nil, fmt.Errorf("msgpack: byte %#02x begins no value of an event", c)
	}
	width := widthOf(c)
	if len(rest) < width {
		return 0, 0, nil, errTruncated
	}
	for _, d := range rest[:width] {
		n = n<<8 | uint64(d)
	}
	if kind == kindInt { // sign-extend from its width
		shift := 64 - 8*width
		n = uint64(int64(n<<shift) >> shift)
	}
	return kind, n, rest[width:], nil
}

// widthOf returns how many bytes of number or length follow the header byte c.
func widthOf(c byte) int {
	switch c {
	case 0xc4, 0xcc, 0xd0, 0xd9:
		return 1
	case 0xc5, 0xcd, 0xd1, 0xda, 0xdc, 0xde:
		return 2
	case 0xc6, 0xce, 0xd2, 0xdb, 0xdd, 0xdf:
		return 4
	}
	return 8
}

// kind is what a msgpack value is.
type kind uint8

const (
	kindUint kind = iota + 1
	kindInt
	kindBool
	kindText
	kindBytes
	kindArray
	kindMap
)

func checkValue(b []byte, depth int) (rest []byte, err error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("msgpack: nested deeper than %d", maxDepth)
	}
	k, n, rest, err := header(b)
	if err != nil {
		return nil, err
	}
	switch k {
	case kindUint, kindInt, kindBool:
		return rest, nil
	case kindText, kindBytes:
		if n > uint64(len(rest)) {
			return nil, errTruncated
		}
		if k == kindText && !utf8.Valid(rest[:n]) {
			return nil, errors.New("msgpack: text is not UTF-8")
		}
		return rest[n:], nil
	case kindArray, kindMap:
	}
	if n > uint64(len(rest)) || n > math.MaxInt32 {
		return nil, errTruncated
	}
	for range n {
		if k == kindMap {
			if len(rest) > 0 {
				if kk, _, _, err := header(rest); err == nil && kk != kindText {
					return nil, errors.New("msgpack: map key is not text")
				}
			}
			if rest, err = checkValue(rest, depth+1); err != nil {
				return nil, err
			}
		}
		if rest, err = checkValue(rest, depth+1); err != nil {
			return nil, err
		}
	}
	return rest, nil
}
