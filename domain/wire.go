package domain

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// What can be wrong with input that is not one well-formed value.
var (
	errTruncated = errors.New("msgpack: input ends inside a value")
	errNotUTF8   = errors.New("msgpack: text is not UTF-8")
	errKey       = errors.New("msgpack: map key is not text")
	errRange     = errors.New("msgpack: number does not fit 64 bits with a sign")
)

// maxDepth is how deep arrays and maps may nest in stored data.
const maxDepth = 32

// buffer collects encoded bytes.
type buffer []byte

func (b *buffer) Write(p []byte) (int, error) { *b = append(*b, p...); return len(p), nil }

func (b *buffer) WriteByte(c byte) error { *b = append(*b, c); return nil }

// reader hands bytes to a msgpack decoder.
type reader struct {
	data string
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

// header returns what the first value of b is, its number or length, and how many bytes the header takes.
func header(b string) (k kind, n uint64, size int, err error) {
	if b == "" {
		return 0, 0, 0, errTruncated
	}
	c := b[0]
	switch {
	case c <= 0x7f:
		return kindUint, uint64(c), 1, nil
	case c <= 0x8f:
		return kindMap, uint64(c & 0x0f), 1, nil
	case c <= 0x9f:
		return kindArray, uint64(c & 0x0f), 1, nil
	case c <= 0xbf:
		return kindText, uint64(c & 0x1f), 1, nil
	case c >= 0xe0:
		return kindInt, uint64(int64(int8(c))), 1, nil
	}
	k, width := shapeOf(c)
	if k == 0 {
		return 0, 0, 0, fmt.Errorf("msgpack: byte %#02x begins no value of an event", c)
	}
	if k == kindBool {
		return kindBool, uint64(c & 1), 1, nil
	}
	if len(b) <= width {
		return 0, 0, 0, errTruncated
	}
	for i := range width {
		n = n<<8 | uint64(b[1+i])
	}
	if k == kindUint && n > math.MaxInt64 {
		return 0, 0, 0, errRange
	}
	if k == kindInt { // sign-extend from its width
		shift := 64 - 8*width
		n = uint64(int64(n<<shift) >> shift)
	}
	return k, n, 1 + width, nil
}

// shapeOf returns what the header byte c begins and how many bytes of number or length follow it; no kind for nil,
// floats and extensions, which events do not use.
func shapeOf(c byte) (k kind, width int) {
	switch c {
	case 0xc2, 0xc3:
		return kindBool, 0
	case 0xc4, 0xc5, 0xc6:
		return kindBytes, 1 << (c - 0xc4)
	case 0xcc, 0xcd, 0xce, 0xcf:
		return kindUint, 1 << (c - 0xcc)
	case 0xd0, 0xd1, 0xd2, 0xd3:
		return kindInt, 1 << (c - 0xd0)
	case 0xd9, 0xda, 0xdb:
		return kindText, 1 << (c - 0xd9)
	case 0xdc, 0xdd:
		return kindArray, 2 << (c - 0xdc)
	case 0xde, 0xdf:
		return kindMap, 2 << (c - 0xde)
	}
	return 0, 0
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

// skip passes over the first value of b, which may stand depth levels deep.
func skip(b string, depth int) (rest string, err error) {
	if depth > maxDepth {
		return "", fmt.Errorf("msgpack: nested deeper than %d", maxDepth)
	}
	k, n, size, err := header(b)
	if err != nil {
		return "", err
	}
	rest = b[size:]
	switch k {
	case kindUint, kindInt, kindBool:
		return rest, nil
	case kindText, kindBytes:
		if n > uint64(len(rest)) {
			return "", errTruncated
		}
		if k == kindText && !utf8.ValidString(rest[:n]) {
			return "", errNotUTF8
		}
		return rest[n:], nil
	case kindArray, kindMap:
	}
	if n > uint64(len(rest)) { // every entry takes a byte at least
		return "", errTruncated
	}
	for range n {
		if k == kindMap {
			if kk, _, _, err := header(rest); err == nil && kk != kindText {
				return "", errKey
			}
			if rest, err = skip(rest, depth+1); err != nil {
				return "", err
			}
		}
		if rest, err = skip(rest, depth+1); err != nil {
			return "", err
		}
	}
	return rest, nil
}

// check reports whether data is exactly one well-formed msgpack value of the kinds that events use: integers, booleans,
// UTF-8 text, bytes, arrays, and maps with text keys.
func check(data string) error {
	rest, err := skip(data, 0)
	if err != nil {
		return err
	}
	return atEnd(rest)
}

func atEnd(rest string) error {
	if rest != "" {
		return fmt.Errorf("msgpack: %d bytes after the value", len(rest))
	}
	return nil
}
