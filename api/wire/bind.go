package wire

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"waybill/api/problem"
)

// maxErrors is how many places of one body are reported.
const maxErrors = 20

// Binder fills structs of one type from values. Make one at start with [NewBinder]; it may be shared.
//
// Field names are those of the json tags, matched exactly. A field without omitempty or omitzero is required. It
// takes strings, booleans, int64, times (RFC 3339), pointers, slices (a maxItems tag bounds them, and an empty tag says
// what to do in place of sending none), maps of string to string, and structs of these. null is the same as absence.
type Binder struct {
	root *shape
}

type shape struct {
	kind     reflect.Kind
	typ      reflect.Type
	time     bool
	elem     *shape // of pointers, slices and maps
	maxItems int
	empty    string // what to do in place of sending an empty list; an empty list is taken if this is empty
	decimal  string // an example of a text that holds a decimal number; of strings
	fields   []field
}

type field struct {
	name     string
	index    int
	required bool
	shape    *shape
}

// NewBinder makes a binder for the type of sample, which must be a struct of the kinds that [Binder] takes.
func NewBinder(sample any) (*Binder, error) {
	s, err := shapeOf(reflect.TypeOf(sample), "")
	if err != nil {
		return nil, fmt.Errorf("binder for %T: %w", sample, err)
	}
	if s.kind != reflect.Struct {
		return nil, fmt.Errorf("binder for %T: not a struct", sample)
	}
	return &Binder{root: s}, nil
}

func shapeOf(t reflect.Type, tag reflect.StructTag) (*shape, error) {
	s := &shape{kind: t.Kind(), typ: t, time: t == reflect.TypeFor[time.Time](), empty: tag.Get("empty"), decimal: tag.Get("decimal")}
	if n, err := strconv.Atoi(tag.Get("maxItems")); err == nil {
		s.maxItems = n
	}
	if s.time {
		return s, nil
	}
	var err error
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int64:
		return s, nil
	case reflect.Pointer, reflect.Slice:
		s.elem, err = shapeOf(t.Elem(), "")
		return s, err
	case reflect.Map:
		if t.Key().Kind() != reflect.String || t.Elem().Kind() != reflect.String {
			return nil, fmt.Errorf("%s: maps are string to string", t)
		}
		s.elem, err = shapeOf(t.Elem(), "")
		return s, err
	case reflect.Struct:
		return s, s.addFields(t)
	default:
		return nil, fmt.Errorf("%s is not a kind that bodies have", t)
	}
}

func (s *shape) addFields(t reflect.Type) error {
	for i := range t.NumField() {
		f := t.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			return fmt.Errorf("%s.%s has no json name", t, f.Name)
		}
		fs, err := shapeOf(f.Type, f.Tag)
		if err != nil {
			return fmt.Errorf("%s.%s: %w", t, f.Name, err)
		}
		required := !strings.Contains(opts, "omitempty") && !strings.Contains(opts, "omitzero")
		s.fields = append(s.fields, field{name: name, index: i, required: required, shape: fs})
	}
	return nil
}

// Bind fills the struct that dst points to. The problem lists every place that is wrong, up to a bound.
func (b *Binder) Bind(v *Value, dst any) *problem.Problem {
	target := reflect.ValueOf(dst)
	if target.Kind() != reflect.Pointer || target.Elem().Type() != b.root.typ {
		return problem.New(problem.Internal, "bind %T with the binder of %s", dst, b.root.typ)
	}
	r := run{}
	r.bind(b.root, v, target.Elem())
	if len(r.errs) == 0 {
		return nil
	}
	if r.tooMany {
		p := problem.New(problem.TooManyItems, "%s", r.errs[0].Location+" "+r.errs[0].Message)
		p.Errors = r.errs
		return p
	}
	p := problem.New(problem.Malformed, "%s", r.errs[0].Location+" "+r.errs[0].Message)
	if n := len(r.errs); n > 1 {
		p.Detail += " (and " + strconv.Itoa(n-1) + " more)"
	}
	p.Errors = r.errs
	return p
}

// run is one binding. The path is kept as steps and only written out when something is wrong.
type run struct {
	path    []step
	errs    []problem.FieldError
	tooMany bool
}

type step struct {
	name  string
	index int // -1 for a name
}

func (r *run) fail(format string, args ...any) {
	if len(r.errs) < maxErrors {
		r.errs = append(r.errs, problem.FieldError{Location: r.location(), Message: fmt.Sprintf(format, args...)})
	}
}

func (r *run) location() string {
	var b strings.Builder
	b.WriteString("body")
	for _, s := range r.path {
		if s.index >= 0 {
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
			continue
		}
		b.WriteString("." + s.name)
	}
	return b.String()
}

func (r *run) under(s step, f func()) {
	r.path = append(r.path, s)
	f()
	r.path = r.path[:len(r.path)-1]
}

func (r *run) bind(s *shape, v *Value, dst reflect.Value) {
	if v.kind == kindNull {
		if s.kind != reflect.Pointer {
			r.fail("is null")
		}
		return
	}
	if s.time {
		r.bindTime(v, dst)
		return
	}
	switch s.kind {
	case reflect.Pointer:
		dst.Set(reflect.New(s.elem.typ))
		r.bind(s.elem, v, dst.Elem())
	case reflect.String:
		if s.decimal != "" && (v.kind == kindInt || v.kind == kindFraction) {
			r.fail("must be a decimal in a string, such as %q, not a number", s.decimal)
			return
		}
		if r.want(v, kindText) {
			dst.SetString(v.text)
		}
	case reflect.Bool:
		if r.want(v, kindBool) {
			dst.SetBool(v.num == 1)
		}
	case reflect.Int64:
		if r.want(v, kindInt) {
			dst.SetInt(v.num)
		}
	case reflect.Slice:
		if r.want(v, kindList) {
			r.bindList(s, v, dst)
		}
	case reflect.Map:
		if r.want(v, kindMap) {
			r.bindMap(s, v, dst)
		}
	case reflect.Struct:
		if r.want(v, kindMap) {
			r.bindStruct(s, v, dst)
		}
	default: // shapeOf lets no other kind through
		r.fail("has a kind that bodies do not have")
	}
}

func (r *run) want(v *Value, k kind) bool {
	if v.kind == k {
		return true
	}
	r.fail("must be %s, not %s", k, v.kind)
	return false
}

func (r *run) bindTime(v *Value, dst reflect.Value) {
	if !r.want(v, kindText) {
		return
	}
	t, err := time.Parse(time.RFC3339Nano, v.text)
	if err != nil {
		r.fail("must be a time in RFC 3339, such as 2026-11-22T10:30:00Z")
		return
	}
	dst.Set(reflect.ValueOf(t.UTC().Truncate(time.Microsecond)))
}

func (r *run) bindList(s *shape, v *Value, dst reflect.Value) {
	if s.maxItems > 0 && len(v.items) > s.maxItems {
		r.tooMany = true
		r.errs = slices.Insert(r.errs, 0, problem.FieldError{Location: r.location(), Message: fmt.Sprintf("has %d items, at most %d are taken", len(v.items), s.maxItems)})
		return
	}
	if s.empty != "" && len(v.items) == 0 {
		r.fail("is empty: %s", s.empty)
		return
	}
	list := reflect.MakeSlice(s.typ, len(v.items), len(v.items))
	for i := range v.items {
		r.under(step{index: i}, func() { r.bind(s.elem, &v.items[i], list.Index(i)) })
	}
	dst.Set(list)
}

func (r *run) bindMap(s *shape, v *Value, dst reflect.Value) {
	m := reflect.MakeMapWithSize(s.typ, len(v.items))
	for i, name := range v.fields {
		r.under(step{name: name, index: -1}, func() {
			if r.want(&v.items[i], kindText) {
				m.SetMapIndex(reflect.ValueOf(name), reflect.ValueOf(v.items[i].text))
			}
		})
	}
	dst.Set(m)
}

func (r *run) bindStruct(s *shape, v *Value, dst reflect.Value) {
	for i, name := range v.fields {
		at := slices.IndexFunc(s.fields, func(f field) bool { return f.name == name })
		r.under(step{name: name, index: -1}, func() {
			switch {
			case at < 0:
				r.fail("is not a field of this command")
			case v.items[i].kind != kindNull:
				r.bind(s.fields[at].shape, &v.items[i], dst.Field(s.fields[at].index))
			}
		})
	}
	for i := range s.fields {
		f := &s.fields[i]
		if !f.required {
			continue
		}
		if got, ok := v.Field(f.name); !ok || got.kind == kindNull {
			r.under(step{name: f.name, index: -1}, func() { r.fail("is missing") })
		}
	}
}

// deref returns the struct that a payload points to.
func deref(p Payload) any { return reflect.ValueOf(p).Elem().Interface() }
