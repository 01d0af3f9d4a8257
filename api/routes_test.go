package api_test

import (
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"waybill/api/apitest"
	"waybill/api/auth"
	"waybill/api/problem"
	"waybill/api/wire"
	"waybill/domain/order"
)

// update rewrites the golden files.
var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil { //nolint:gosec // a test file
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(got) {
		t.Errorf("%s differs; if that is wanted, run go test ./api -run %s -update", path, t.Name())
	}
}

// exampleID is the order of the examples.
const exampleID = "0198c5f0-7a3e-7c11-8a2b-9d4e5f607182"

// target fills the names in a path.
func target(path string) string {
	return strings.NewReplacer("{order_id}", exampleID, "{sku}", "A", "{location}", "B", "{id}", "x", "{code}", "malformed").Replace(path)
}

// TestRoutesAreGuarded: the table of routes and scopes is the golden file, and every route in it answers 401 without a key
// and 403 with a key that lacks the scope. A route that is not in the file fails the test.
func TestRoutesAreGuarded(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.WithoutProjections)
	routes := s.Server.Routes()
	var b strings.Builder
	for _, r := range routes {
		need := "open"
		if !r.Open {
			need = strings.Join(r.Scopes, " or ")
		}
		b.WriteString(r.Method + " " + r.Path + ": " + need + "\n")
	}
	golden(t, "testdata/routes.txt", []byte(b.String()))

	for _, r := range routes {
		body := ""
		if r.Method == http.MethodPost {
			body = "{}"
		}
		path := target(r.Path)
		if r.Open {
			if r.Path == "/metrics" || r.Path == "/v1/stream" {
				continue
			}
			if a := s.Do(r.Method, path, body, "Authorization", ""); a.Status != http.StatusOK {
				t.Errorf("%s %s is open and answers %d without a key", r.Method, path, a.Status)
			}
			continue
		}
		if a := s.Do(r.Method, path, body, "Authorization", ""); a.Status != http.StatusUnauthorized || a.Code() != problem.Unauthenticated || a.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s %s answers %d %s without a key", r.Method, path, a.Status, a.Body)
		}
		if a := s.Do(r.Method, path, body, "Authorization", "Bearer wb_test_wrong"); a.Status != http.StatusUnauthorized {
			t.Errorf("%s %s answers %d with a wrong key", r.Method, path, a.Status)
		}
		var others []auth.Scope
		for _, scope := range auth.Scopes() {
			if scope != auth.Admin && !slices.Contains(r.Scopes, string(scope)) {
				others = append(others, scope)
			}
		}
		key := s.AddKey("other", others...)
		if a := s.Do(r.Method, path, body, "Authorization", "Bearer "+key); a.Status != http.StatusForbidden || a.Code() != problem.Forbidden {
			t.Errorf("%s %s answers %d %s without %v", r.Method, path, a.Status, a.Body, r.Scopes)
		}
	}
	if a := s.Do(http.MethodGet, "/v1/nothing", "", "Authorization", ""); a.Status != http.StatusNotFound || a.Code() != problem.NotFound {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	if a := s.Do(http.MethodDelete, "/v1/orders", ""); a.Status != http.StatusMethodNotAllowed || a.Header.Get("Allow") != "GET, POST" {
		t.Errorf("got %d %v", a.Status, a.Header)
	}
}

// TestOpenAPI: the document is the golden file, is 3.1, loads nothing from outside, and describes every route.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.WithoutProjections)
	a := s.Do(http.MethodGet, "/openapi.json", "", "Authorization", "")
	golden(t, "testdata/openapi.json", a.Body)
	var doc struct {
		OpenAPI string                               `json:"openapi"`
		Paths   map[string]map[string]map[string]any `json:"paths"`
	}
	a.Decode(t, &doc)
	if !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Errorf("version %q", doc.OpenAPI)
	}
	described := 0
	for _, r := range s.Server.Routes() {
		if _, ok := doc.Paths[r.Path][strings.ToLower(r.Method)]; !ok {
			t.Errorf("%s %s is not described", r.Method, r.Path)
		}
		described++
	}
	all := 0
	for _, methods := range doc.Paths {
		all += len(methods)
	}
	if all != described {
		t.Errorf("%d operations are described, %d routes exist", all, described)
	}
	var refs func(v any)
	refs = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				name := strings.TrimPrefix(ref, "#/components/schemas/")
				if !strings.Contains(string(a.Body), "\n   \""+name+"\": {") {
					t.Errorf("%s leads nowhere", ref)
				}
			}
			for _, item := range v {
				refs(item)
			}
		case []any:
			for _, item := range v {
				refs(item)
			}
		}
	}
	var whole any
	a.Decode(t, &whole)
	refs(whole)
}

// ready returns the order that the example of a command works on. It is the one that the examples before it have placed and
// changed, unless that one can never come to where it is needed.
func ready(t *testing.T, s *apitest.Stack, command string) string {
	t.Helper()
	switch command {
	case order.CommandProposeAmendment:
		return placed(t, s)
	case order.CommandWithdrawAmendment, order.CommandAcceptAmendment:
		id := placed(t, s)
		accepted(t, s.Do(http.MethodPost, "/v1/orders/"+id+"/amend", rebate("rebate-1", 1, -50)), "order.amendment_proposed")
		return id
	case order.CommandGrantRefund:
		return shipped(t, s)
	case order.CommandArchive:
		id := placed(t, s)
		accepted(t, s.Do(http.MethodPost, "/v1/orders/"+id+"/cancel", ""), "order.lines_cancelled", "order.cancelled")
		return id
	}
	return exampleID
}

// TestExamples carries out every example of the document in the order of the table: each works.
func TestExamples(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	table, err := wire.NewTable()
	if err != nil {
		t.Fatal(err)
	}
	token := ""
	for _, spec := range table.Specs {
		var fields map[string]any
		example := strings.ReplaceAll(spec.Example, exampleID, ready(t, s, spec.Type))
		if err := json.Unmarshal([]byte(example), &fields); err != nil {
			t.Fatal(err)
		}
		path := spec.Path
		for name, v := range fields {
			if text, ok := v.(string); ok {
				path = strings.ReplaceAll(path, "{"+name+"}", text)
			}
		}
		want := http.StatusOK
		if spec.Created {
			want = http.StatusCreated
		}
		for _, dry := range []string{"?dry_run=true", ""} {
			a := s.Do(http.MethodPost, path+dry, example)
			if a.Status != want && (dry == "" || a.Status != http.StatusOK) {
				t.Errorf("%s%s: %d %s", spec.Type, dry, a.Status, a.Body)
			}
			token = a.Header.Get("Consistency-Token")
		}
	}
	for _, path := range []string{
		"/v1/orders?tag=gift&lifecycle=pending&include=total&sort=-total&currency=EUR&total_min=1", "/v1/orders/0198c5f0-7a3e-7c11-8a2b-9d4e5f607182",
		"/v1/orders/0198c5f0-7a3e-7c11-8a2b-9d4e5f607182/timeline?limit=2", "/v1/stock?location=BER1&available_below=1000", "/v1/stock/TSHIRT-M/BER1",
		"/v1/reservations?sku=TSHIRT-M", "/v1/stuck-orders?older_than=0", "/v1/events?order=0198c5f0-7a3e-7c11-8a2b-9d4e5f607182&type=order.", "/v1/events?stream=stock-TSHIRT-M@BER1", "/v1/projections",
	} {
		a := s.Do(http.MethodGet, path, "", "Consistency-Token", token, "Prefer", "wait=10")
		var page struct {
			Data []json.RawMessage `json:"data"`
			ID   string            `json:"order_id"`
			SKU  string            `json:"sku"`
		}
		a.Decode(t, &page)
		if a.Status != http.StatusOK || len(page.Data) == 0 && page.ID == "" && page.SKU == "" && !strings.Contains(path, "reservations") {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
		}
	}
}

// TestProblemPages crawls: every code has a page, and so has everything that the index links to.
func TestProblemPages(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.WithoutProjections)
	index := s.Do(http.MethodGet, "/problems", "", "Authorization", "", "Accept", "text/html")
	for _, code := range problem.Codes() {
		if !strings.Contains(string(index.Body), `href="/problems/`+code+`"`) {
			t.Errorf("%s is not in the index", code)
		}
		for accept, want := range map[string]string{"text/html,*/*": "text/html; charset=utf-8", "*/*": "text/plain; charset=utf-8"} {
			a := s.Do(http.MethodGet, "/problems/"+code, "", "Authorization", "", "Accept", accept)
			if a.Status != http.StatusOK || a.Header.Get("Content-Type") != want || !strings.Contains(string(a.Body), code) {
				t.Errorf("%s as %s: %d %v", code, accept, a.Status, a.Header)
			}
		}
	}
	if a := s.Do(http.MethodGet, "/problems/none", ""); a.Status != http.StatusNotFound {
		t.Errorf("got %d", a.Status)
	}
}
