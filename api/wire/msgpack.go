package wire

import (
	"math"
	"strconv"
	"unicode/utf8"

	"waybill/api/problem"
)

// ParseMsgpack reads a body that must be exactly one msgpack value of the kinds that JSON has: nil, booleans, integers,
// text, arrays, and maps with text keys. Binary that is UTF-8 is read as text. Floats are kept as fractions, which no field takes;
// extension types are refused. The limits are those of [ParseJSON].
func ParseMsgpack(body []byte) (Value, *problem.Problem) {
	p := packParser{b: body}
	v, err := p.value(0)
	if err != nil {
		return Value{}, err
	}
	if p.at < len(p.b) {
		return Value{}, malformedAt(p.at, "something follows the end of the value")
	}
	return v, nil
}

type packParser struct {
	b  []byte
	at int
}

// uint reads an unsigned big-endian number of n bytes.
func (p *packParser) uint(n int) (uint64, *problem.Problem) {
	if len(p.b)-p.at < n {
		return 0, malformedAt(p.at, "ends inside a value")
	}
	var u uint64
	for _, c := range p.b[p.at : p.at+n] {
		u = u<<8 | uint64(c)
	}
	p.at += n
	return u, nil
}

func (p *packParser) value(depth int) (Value, *problem.Problem) {
	start := p.at
	head, err := p.uint(1)
	if err != nil {
		return Value{}, err
	}
	c := byte(head)
	switch {
	case c <= 0x7f:
		return Value{kind: kindInt, num: int64(c)}, nil
	case c >= 0xe0:
		return Value{kind: kindInt, num: int64(int8(c))}, nil
	case c <= 0x8f:
		return p.collection(kindMap, uint64(c&0x0f), depth+1)
	case c <= 0x9f:
		return p.collection(kindList, uint64(c&0x0f), depth+1)
	case c <= 0xbf:
		return p.bytes(kindText, uint64(c&0x1f))
	}
	switch c {
	case 0xc0:
		return Value{}, nil
	case 0xc2, 0xc3:
		return Value{kind: kindBool, num: int64(c & 1)}, nil
	case 0xca, 0xcb:
		return p.float(c)
	case 0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd1, 0xd2, 0xd3:
		return p.integer(c)
	case 0xc4, 0xc5, 0xc6:
		return p.sized(kindBinary, 1<<(c-0xc4), depth)
	case 0xd9, 0xda, 0xdb:
		return p.sized(kindText, 1<<(c-0xd9), depth)
	case 0xdc, 0xdd:
		return p.sized(kindList, 2<<(c-0xdc), depth)
	case 0xde, 0xdf:
		return p.sized(kindMap, 2<<(c-0xde), depth)
	}
	return Value{}, malformedAt(start, "no msgpack value of the kinds that JSON has begins here")
}

// sized reads a value whose length stands in width bytes.
func (p *packParser) sized(k kind, width, depth int) (Value, *problem.Problem) {
	n, err := p.uint(width)
	if err != nil {
		return Value{}, err
	}
	if k == kindText || k == kindBinary {
		return p.bytes(k, n)
	}
	return p.collection(k, n, depth+1)
}

func (p *packParser) float(c byte) (Value, *problem.Problem) {
	width := 4
	if c == 0xcb {
		width = 8
	}
	u, err := p.uint(width)
	if err != nil {
		return Value{}, err
	}
	f := math.Float64frombits(u)
	if width == 4 {
		f = float64(math.Float32frombits(uint32(u)))
	}
	return Value{kind: kindFraction, text: strconv.FormatFloat(f, 'g', -1, 64)}, nil
}

func (p *packParser) integer(c byte) (Value, *problem.Problem) {
	width := 1 << (c & 3)
	u, err := p.uint(width)
	if err != nil {
		return Value{}, err
	}
	if c >= 0xd0 {
		shift := 64 - 8*width
		return Value{kind: kindInt, num: int64(u<<shift) >> shift}, nil
	}
	if u > math.MaxInt64 {
		return Value{kind: kindFraction, text: strconv.FormatUint(u, 10)}, nil
	}
	return Value{kind: kindInt, num: int64(u)}, nil
}

// bytes reads text or binary. Binary that is UTF-8 counts as text: older encoders write text that way.
func (p *packParser) bytes(k kind, n uint64) (Value, *problem.Problem) {
	if n > uint64(len(p.b)-p.at) {
		return Value{}, malformedAt(p.at, "ends inside a string")
	}
	raw := p.b[p.at : p.at+int(n)]
	p.at += int(n)
	switch valid := utf8.Valid(raw); {
	case valid:
		k = kindText
	case k == kindText:
		return Value{}, malformedAt(p.at-int(n), "not valid UTF-8")
	}
	return Value{kind: k, text: string(raw)}, nil
}

func (p *packParser) collection(k kind, n uint64, depth int) (Value, *problem.Problem) {
	start := p.at
	if depth > MaxDepth {
		return Value{}, tooDeep(start)
	}
	if n > uint64(len(p.b)-p.at) { // each item takes a byte or more
		return Value{}, malformedAt(start, "ends inside an array or map")
	}
	v := Value{kind: k}
	for range n {
		if k == kindMap {
			name, err := p.value(depth)
			if err != nil {
				return Value{}, err
			}
			if name.kind != kindText {
				return Value{}, malformedAt(start, "a key of a map is not text")
			}
			v.fields = append(v.fields, name.text)
		}
		item, err := p.value(depth)
		if err != nil {
			return Value{}, err
		}
		v.items = append(v.items, item)
	}
	if name, ok := firstDouble(v.fields); ok {
		return Value{}, malformedAt(start, "the field "+strconv.Quote(name)+" stands twice in one object")
	}
	return v, nil
}
