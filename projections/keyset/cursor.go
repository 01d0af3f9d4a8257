package keyset

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
)

// The form of a cursor, before base64: its version, a tag, then the keys. The tag is the hash of the scope and the keys:
// a cursor that was changed, or that is used with another filter, does not match it.
const (
	cursorVersion = 1
	tagBytes      = 12
	maxCursor     = 1024 // characters; no cursor of ours is near it

	kindInt  = 'i'
	kindText = 's'
)

// Scope is what a cursor is bound to: the list, its filter and its order.
type Scope [sha256.Size]byte

// NewScope returns the scope of a list with a filter. The filter is hashed as JSON, without its cursor and its limit: a
// caller may change the size of the page between two pages.
func NewScope(list string, filter any) (Scope, error) {
	b, err := json.Marshal(filter)
	if err != nil {
		return Scope{}, fmt.Errorf("hash the filter of %s: %w", list, err)
	}
	return sha256.Sum256(append([]byte(list+"\x00"), b...)), nil
}

// Key is one sort value of the row at which a page ends: an integer or a text.
type Key struct {
	text   string
	number int64
	isText bool
}

// Int makes a key of an integer.
func Int(n int64) Key { return Key{number: n} }

// Text makes a key of a text.
func Text(s string) Key { return Key{text: s, isText: true} }

// Int returns the integer of the key, 0 for a text.
func (k Key) Int() int64 { return k.number }

// Text returns the text of the key, "" for an integer.
func (k Key) Text() string { return k.text }

// Encode makes the cursor that stands after the row with these keys.
func (s Scope) Encode(keys ...Key) string {
	body := make([]byte, 0, 64)
	for _, k := range keys {
		if k.isText {
			body = append(body, kindText)
			body = binary.AppendUvarint(body, uint64(len(k.text)))
			body = append(body, k.text...)
			continue
		}
		body = append(body, kindInt)
		body = binary.AppendVarint(body, k.number)
	}
	tag := s.tag(body)
	raw := make([]byte, 0, 1+tagBytes+len(body))
	raw = append(append(append(raw, cursorVersion), tag[:tagBytes]...), body...)
	return base64.RawURLEncoding.EncodeToString(raw)
}

// Decode returns the keys of a cursor. The keys of want say how many there must be, and of which kind. Everything that
// [Scope.Encode] did not make for this scope is an error that matches [ErrBadCursor].
func (s Scope) Decode(cursor string, want ...Key) ([]Key, error) {
	if len(cursor) > maxCursor {
		return nil, fmt.Errorf("%w: %d characters", ErrBadCursor, len(cursor))
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil {
		return nil, fmt.Errorf("%w: not base64", ErrBadCursor)
	}
	if len(raw) < 1+tagBytes || raw[0] != cursorVersion {
		return nil, fmt.Errorf("%w: not a cursor of this engine", ErrBadCursor)
	}
	body := raw[1+tagBytes:]
	if tag := s.tag(body); !bytes.Equal(raw[1:1+tagBytes], tag[:tagBytes]) {
		return nil, fmt.Errorf("%w: it was changed, or belongs to a list with another filter or order", ErrBadCursor)
	}
	keys := make([]Key, 0, len(want))
	for _, w := range want {
		var k Key
		if k, body, err = decodeKey(body, w.isText); err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	// One place has one cursor: a longer form of the same number, or bytes after the last key, are not ours.
	if s.Encode(keys...) != cursor {
		return nil, fmt.Errorf("%w: not in its shortest form", ErrBadCursor)
	}
	return keys, nil
}

func (s Scope) tag(body []byte) [sha256.Size]byte {
	return sha256.Sum256(append(append(make([]byte, 0, len(s)+1+len(body)), append(s[:], cursorVersion)...), body...))
}

func decodeKey(b []byte, text bool) (k Key, rest []byte, err error) {
	kind := byte(kindInt)
	if text {
		kind = kindText
	}
	if len(b) == 0 || b[0] != kind {
		return Key{}, nil, fmt.Errorf("%w: other keys than this order has", ErrBadCursor)
	}
	b = b[1:]
	if !text {
		v, n := binary.Varint(b)
		if n <= 0 {
			return Key{}, nil, fmt.Errorf("%w: no number where one belongs", ErrBadCursor)
		}
		return Int(v), b[n:], nil
	}
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return Key{}, nil, fmt.Errorf("%w: no text where one belongs", ErrBadCursor)
	}
	return Text(string(b[n : n+int(size)])), b[n+int(size):], nil
}
