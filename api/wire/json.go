package wire

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"waybill/api/problem"
)

// ParseJSON reads a body that must be exactly one JSON value (RFC 8259). Doubled keys, text that is not UTF-8 (lone
// surrogates included), more than [MaxDepth] levels, and anything but white space after the value are problems that
// name the byte, or the field that is doubled. Numbers are kept exactly; whether a fraction is allowed is the binder's business.
func ParseJSON(body []byte) (Value, *problem.Problem) {
	p := jsonParser{s: string(body)}
	if !utf8.ValidString(p.s) {
		return Value{}, malformedAt(invalidUTF8(p.s), "not valid UTF-8")
	}
	v, err := p.value(0)
	if p.doubled != nil {
		slices.Reverse(p.doubled)
		at := "body" + strings.Join(p.doubled, "")
		return Value{}, problem.New(problem.Malformed, "%s stands twice in one object", at).At(at, "stands twice in one object")
	}
	if err != nil {
		return Value{}, err
	}
	p.space()
	if p.at < len(p.s) {
		return Value{}, malformedAt(p.at, "something follows the end of the value")
	}
	return v, nil
}

func invalidUTF8(s string) int {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(s)
}

type jsonParser struct {
	s  string
	at int

	doubled []string // the way to a field that stands twice, from the field outwards
}

func (p *jsonParser) space() {
	for p.at < len(p.s) {
		switch p.s[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

func (p *jsonParser) value(depth int) (Value, *problem.Problem) {
	p.space()
	if p.at >= len(p.s) {
		return Value{}, malformedAt(p.at, "ends where a value should stand")
	}
	switch c := p.s[p.at]; {
	case c == '{':
		return p.object(depth + 1)
	case c == '[':
		return p.list(depth + 1)
	case c == '"':
		text, err := p.text()
		return Value{kind: kindText, text: text}, err
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	}
	for _, w := range []struct {
		word  string
		value Value
	}{{"true", Value{kind: kindBool, num: 1}}, {"false", Value{kind: kindBool}}, {"null", Value{}}} {
		if strings.HasPrefix(p.s[p.at:], w.word) {
			p.at += len(w.word)
			return w.value, nil
		}
	}
	return Value{}, malformedAt(p.at, "no JSON value begins here")
}

// usualFields is how many fields most objects have room for from the start.
const usualFields = 6

func (p *jsonParser) object(depth int) (Value, *problem.Problem) {
	if depth > MaxDepth {
		return Value{}, tooDeep(p.at)
	}
	start := p.at
	p.at++
	v := Value{kind: kindMap, fields: make([]string, 0, usualFields), items: make([]Value, 0, usualFields)}
	for p.space(); ; p.space() {
		if p.at < len(p.s) && p.s[p.at] == '}' && len(v.fields) == 0 {
			p.at++
			return v, nil
		}
		if p.at >= len(p.s) || p.s[p.at] != '"' {
			return Value{}, malformedAt(p.at, "expected a field name")
		}
		name, err := p.text()
		if err != nil {
			return Value{}, err
		}
		if p.space(); p.at >= len(p.s) || p.s[p.at] != ':' {
			return Value{}, malformedAt(p.at, "expected a colon")
		}
		p.at++
		item, err := p.value(depth)
		if err != nil {
			p.within("." + name)
			return Value{}, err
		}
		v.fields, v.items = append(v.fields, name), append(v.items, item)
		done, err := p.next('}')
		if err != nil {
			return Value{}, err
		}
		if done {
			break
		}
	}
	if name, ok := firstDouble(v.fields); ok {
		p.doubled = []string{"." + name}
		return Value{}, malformedAt(start, "a field stands twice")
	}
	return v, nil
}

// within notes where the object with a doubled field stands.
func (p *jsonParser) within(step string) {
	if p.doubled != nil {
		p.doubled = append(p.doubled, step)
	}
}

func (p *jsonParser) list(depth int) (Value, *problem.Problem) {
	if depth > MaxDepth {
		return Value{}, tooDeep(p.at)
	}
	p.at++
	v := Value{kind: kindList}
	if p.space(); p.at < len(p.s) && p.s[p.at] == ']' {
		p.at++
		return v, nil
	}
	for {
		item, err := p.value(depth)
		if err != nil {
			p.within("[" + strconv.Itoa(len(v.items)) + "]")
			return Value{}, err
		}
		v.items = append(v.items, item)
		done, err := p.next(']')
		if err != nil || done {
			return v, err
		}
	}
}

// next steps over a comma, or over the closing byte and reports the end.
func (p *jsonParser) next(closing byte) (done bool, err *problem.Problem) {
	p.space()
	if p.at >= len(p.s) {
		return false, malformedAt(p.at, "ends inside a value")
	}
	switch p.s[p.at] {
	case ',':
		p.at++
		return false, nil
	case closing:
		p.at++
		return true, nil
	}
	return false, malformedAt(p.at, "expected a comma or "+strconv.Quote(string(closing)))
}

// number reads a number by the grammar of RFC 8259.
func (p *jsonParser) number() (Value, *problem.Problem) {
	start := p.at
	if p.s[p.at] == '-' {
		p.at++
	}
	if p.at < len(p.s) && p.s[p.at] == '0' {
		p.at++
	} else if p.digits() == 0 {
		return Value{}, malformedAt(start, "not a number")
	}
	whole := true
	if p.at < len(p.s) && p.s[p.at] == '.' {
		whole = false
		p.at++
		if p.digits() == 0 {
			return Value{}, malformedAt(start, "not a number")
		}
	}
	if p.at < len(p.s) && (p.s[p.at] == 'e' || p.s[p.at] == 'E') {
		whole = false
		p.at++
		if p.at < len(p.s) && (p.s[p.at] == '+' || p.s[p.at] == '-') {
			p.at++
		}
		if p.digits() == 0 {
			return Value{}, malformedAt(start, "not a number")
		}
	}
	text := p.s[start:p.at]
	if whole {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return Value{kind: kindInt, num: n}, nil
		}
	}
	return Value{kind: kindFraction, text: text}, nil
}

func (p *jsonParser) digits() int {
	start := p.at
	for p.at < len(p.s) && p.s[p.at] >= '0' && p.s[p.at] <= '9' {
		p.at++
	}
	return p.at - start
}

// text reads a string; without escapes it is a part of the body and costs no copy.
func (p *jsonParser) text() (string, *problem.Problem) {
	p.at++
	start := p.at
	for p.at < len(p.s) {
		switch c := p.s[p.at]; {
		case c == '"':
			p.at++
			return p.s[start : p.at-1], nil
		case c == '\\':
			return p.escaped(start)
		case c < 0x20:
			return "", malformedAt(p.at, "a control character must be escaped")
		}
		p.at++
	}
	return "", malformedAt(p.at, "ends inside a string")
}

func (p *jsonParser) escaped(start int) (string, *problem.Problem) {
	var b strings.Builder
	b.WriteString(p.s[start:p.at])
	for p.at < len(p.s) {
		switch c := p.s[p.at]; {
		case c == '"':
			p.at++
			return b.String(), nil
		case c == '\\':
			r, ok := p.escape()
			if !ok {
				return "", malformedAt(p.at, "not a valid escape")
			}
			b.WriteRune(r)
		case c < 0x20:
			return "", malformedAt(p.at, "a control character must be escaped")
		default:
			b.WriteByte(c)
			p.at++
		}
	}
	return "", malformedAt(p.at, "ends inside a string")
}

func (p *jsonParser) escape() (rune, bool) {
	if p.at+1 >= len(p.s) {
		return 0, false
	}
	c := p.s[p.at+1]
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
		p.at += 2
		return rune("\"\\/\b\f\n\r\t"[i]), true
	}
	if c != 'u' {
		return 0, false
	}
	r, ok := p.hex(p.at + 2)
	if !ok {
		return 0, false
	}
	if !utf16.IsSurrogate(r) {
		p.at += 6
		return r, true
	}
	if !strings.HasPrefix(p.s[min(p.at+6, len(p.s)):], `\u`) {
		return 0, false
	}
	low, ok := p.hex(p.at + 8)
	if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
		return 0, false
	}
	p.at += 12
	return r, true
}

func (p *jsonParser) hex(at int) (rune, bool) {
	if at+4 > len(p.s) {
		return 0, false
	}
	n, err := strconv.ParseUint(p.s[at:at+4], 16, 32)
	return rune(n), err == nil
}
