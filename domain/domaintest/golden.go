package domaintest

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// testGolden holds the stored bytes of the current form of every event to what was stored before.
func (a Aggregate[E, S]) testGolden(t *testing.T) {
	for _, e := range a.Samples {
		f := a.encode(t, e)
		stored := a.golden(t, f)
		if !slices.Equal(f.data, stored) {
			t.Errorf("%s schema %d is encoded as\n%x, was stored as\n%x\na changed form needs a new schema number", f.typ, f.schema, f.data, stored)
		}
		if back := a.decode(t, form{f.typ, f.schema, stored}); !reflect.DeepEqual(back, e) {
			t.Errorf("%s schema %d was stored as %+v, want %+v", f.typ, f.schema, back, e)
		}
	}
}

// golden returns the stored bytes of a form. A missing file is written if that is asked for.
func (a Aggregate[E, S]) golden(t *testing.T, f form) []byte {
	t.Helper()
	file := filepath.Join("testdata", "golden", fmt.Sprintf("%s.v%d.msgpack", f.typ, f.schema))
	stored, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) && a.Update {
		err = errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, f.data, 0o644))
		stored = f.data
	}
	if err != nil {
		t.Fatalf("%v (a new form is written by: go test -update)", err)
	}
	return stored
}

// testGoldenFiles decodes every form that was ever stored, through its upcasts.
func (a Aggregate[E, S]) testGoldenFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.msgpack")
	if err != nil || len(files) < len(a.Samples) {
		t.Fatalf("found %d golden files (%v)", len(files), err)
	}
	for _, file := range files {
		var f form
		name := strings.TrimSuffix(filepath.Base(file), ".msgpack")
		at := strings.LastIndex(name, ".v")
		f.typ = name[:max(at, 0)]
		if _, err := fmt.Sscan(name[at+2:], &f.schema); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if f.data, err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
		e, err := a.Decode(f.typ, f.schema, f.data)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if e.EventType() != f.typ {
			t.Errorf("%s became %s", file, e.EventType())
		}
	}
}

// declaredEvents returns the types in the package under test that have an apply method.
func declaredEvents(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		src, err := parser.ParseFile(token.NewFileSet(), f, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range src.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv == nil || fn.Name.Name != "apply" {
				continue
			}
			if receiver, ok := fn.Recv.List[0].Type.(*ast.Ident); ok {
				names = append(names, receiver.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}
