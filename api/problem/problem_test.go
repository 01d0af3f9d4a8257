package problem_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"waybill/api/problem"
)

// TestEveryRefusalIsDocumented walks the sources of the domain and the bus for refusal codes: each has an entry, and no
// entry is about a refusal that does not exist.
func TestEveryRefusalIsDocumented(t *testing.T) {
	found := map[string]bool{}
	for _, root := range []string{"../../domain", "../../commands"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, decl := range file.Decls {
				if f, ok := decl.(*ast.FuncDecl); ok && f.Name.Name == "RefusalCode" && f.Recv != nil {
					code := returned(f)
					if code == "" {
						t.Errorf("%s: RefusalCode of %v does not return a literal", path, f.Recv.List[0].Type)
					}
					found[code] = true
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(found) < 20 {
		t.Fatalf("found only %d refusal codes in the sources", len(found))
	}
	for code := range found {
		if _, ok := problem.Lookup(code); !ok {
			t.Errorf("refusal %q has no entry in the vocabulary", code)
		}
	}
	for _, code := range problem.Codes() {
		if e, _ := problem.Lookup(code); e.Status == 422 && code != problem.KeyReused && !found[code] {
			t.Errorf("entry %q is about a refusal that no source has", code)
		}
	}
}

// returned is the string literal that the only statement of f returns.
func returned(f *ast.FuncDecl) string {
	for _, s := range f.Body.List {
		if r, ok := s.(*ast.ReturnStmt); ok && len(r.Results) == 1 {
			if lit, ok := r.Results[0].(*ast.BasicLit); ok {
				code, _ := strconv.Unquote(lit.Value)
				return code
			}
		}
	}
	return ""
}

func TestEveryEntryIsComplete(t *testing.T) {
	codes := problem.Codes()
	if !slices.IsSorted(codes) || len(slices.Compact(slices.Clone(codes))) != len(codes) {
		t.Fatalf("codes are not sorted, or one stands twice: %v", codes)
	}
	for _, code := range codes {
		e, ok := problem.Lookup(code)
		if !ok {
			t.Errorf("code %q is listed and has no entry", code)
			continue
		}
		if e.Code != code || e.Title == "" || e.Means == "" || e.Do == "" || e.Status < 400 || e.Status > 599 {
			t.Errorf("entry of %q is not complete: %+v", code, e)
		}
		if e.RetryAfter > 0 && !e.Retryable {
			t.Errorf("%q says when to retry, and not to", code)
		}
		for _, html := range []bool{true, false} {
			var b bytes.Buffer
			if err := problem.Page(&b, e, html); err != nil || !strings.Contains(b.String(), code) {
				t.Errorf("page of %q: %v\n%s", code, err, b.String())
			}
		}
	}
	if _, ok := problem.Lookup("no-such-code"); ok {
		t.Error("a code that does not exist was found")
	}
}

func TestInternalErrorsSayNothing(t *testing.T) {
	err := fmt.Errorf("query: %w", errors.New("password of the database is secret"))
	p := problem.Of(err)
	if p.Code != problem.Internal || strings.Contains(string(p.JSON()), "secret") {
		t.Fatalf("got %s", p.JSON())
	}
	inner := problem.New(problem.NotFound, "100%% gone")
	if got := problem.Of(fmt.Errorf("wrapped: %w", inner)); got != inner {
		t.Fatalf("got %v, want the problem inside", got)
	}
}

func TestDocument(t *testing.T) {
	p := problem.New(problem.Malformed, "no good").At("body.lines[0].sku", "is missing")
	p.Values = json.RawMessage(`{"asked":3}`)
	want := `{"type":"/problems/malformed","code":"malformed","title":"The request is malformed","status":400,"detail":"no good",` +
		`"retryable":false,"errors":[{"location":"body.lines[0].sku","message":"is missing"}],"values":{"asked":3}}` + "\n"
	if got := string(p.JSON()); got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
	p.Values = json.RawMessage(`{broken`)
	if !json.Valid(p.JSON()) {
		t.Fatalf("broken values broke the document: %s", p.JSON())
	}
}
