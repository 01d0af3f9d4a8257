package wire

import (
	"strconv"
	"strings"

	"waybill/api/problem"
)

// kind is what a value is.
type kind uint8

const (
	kindNull kind = iota
	kindBool
	kindInt
	kindFraction // a number that is not a 64-bit integer
	kindText
	kindBinary // bytes that are not UTF-8, from msgpack only
	kindList
	kindMap
)

func (k kind) String() string {
	switch k {
	case kindNull:
		return "null"
	case kindBool:
		return "a boolean"
	case kindInt:
		return "an integer"
	case kindFraction:
		return "a number that is not a 64-bit integer"
	case kindText:
		return "a string"
	case kindBinary:
		return "binary data"
	case kindList:
		return "an array"
	case kindMap:
		return "an object"
	}
	return "nothing"
}

// Value is one value of a body as it was sent, before it is known what it should be.
type Value struct {
	kind   kind
	num    int64 // of kindInt; 1 for true
	text   string
	items  []Value  // of kindList, and the values of kindMap
	fields []string // the keys of kindMap
}

// Field returns the value under a key of an object.
func (v *Value) Field(name string) (*Value, bool) {
	for i, f := range v.fields {
		if f == name {
			return &v.items[i], true
		}
	}
	return nil, false
}

// Text returns the text of a string.
func (v *Value) Text() (string, bool) { return v.text, v.kind == kindText }

// Lane returns what a payload is about, by the fields that name it, or "" if none does. Commands of one lane should be
// carried out in the order in which they were sent.
func (v *Value) Lane() string {
	var lane strings.Builder
	for _, name := range []string{"order_id", "sku", "location"} {
		if f, ok := v.Field(name); ok && f.kind == kindText {
			lane.WriteString(name + "\x00" + f.text + "\x00")
		}
	}
	return lane.String()
}

// Object makes the value of an object without fields, which is what an empty body stands for.
func Object() Value { return Value{kind: kindMap} }

// manyFields is where a set beats a walk when doubled keys are looked for.
const manyFields = 16

// firstDouble returns the first key that stands twice.
func firstDouble(fields []string) (string, bool) {
	if len(fields) <= manyFields {
		for i := range fields {
			for j := range i {
				if fields[i] == fields[j] {
					return fields[i], true
				}
			}
		}
		return "", false
	}
	seen := make(map[string]struct{}, len(fields))
	for _, f := range fields {
		if _, ok := seen[f]; ok {
			return f, true
		}
		seen[f] = struct{}{}
	}
	return "", false
}

func malformedAt(offset int, message string) *problem.Problem {
	return problem.New(problem.Malformed, "the body is malformed at byte %d: %s", offset, message).
		At("body", "byte "+strconv.Itoa(offset)+": "+message)
}

func tooDeep(offset int) *problem.Problem {
	return problem.New(problem.TooDeep, "the body nests deeper than %d levels", MaxDepth).
		At("body", "byte "+strconv.Itoa(offset)+": level "+strconv.Itoa(MaxDepth+1))
}
