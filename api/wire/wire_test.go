package wire_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/vmihailenco/msgpack/v5"

	"waybill/api/problem"
	"waybill/api/wire"
)

func table(tb testing.TB) *wire.Table {
	tb.Helper()
	t, err := wire.NewTable()
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

func stamp() wire.Stamp {
	return wire.Stamp{CommandID: uuid.MustParse("0198c5f0-7a3e-7c11-8a2b-000000000001"), Now: time.Unix(1_770_000_000, 0).UTC()}
}

func decode(tb testing.TB, typ, body string) (wire.Payload, []byte, *problem.Problem) {
	tb.Helper()
	spec, ok := table(tb).Find(typ)
	if !ok {
		tb.Fatalf("no command %s", typ)
	}
	v, p := wire.ParseJSON([]byte(body))
	if p != nil {
		return nil, nil, p
	}
	return spec.Decode(&v)
}

func TestExamplesDecode(t *testing.T) {
	for _, spec := range table(t).Specs {
		payload, canonical, p := decode(t, spec.Type, spec.Example)
		if p != nil {
			t.Errorf("%s: %s", spec.Type, p.JSON())
			continue
		}
		b, p := payload.Build(stamp())
		if p != nil || len(b.Steps) != 1 {
			t.Errorf("%s: build: %v, %d steps", spec.Type, p, len(b.Steps))
		}
		if _, again, p := decode(t, spec.Type, string(canonical)); p != nil || !bytes.Equal(canonical, again) {
			t.Errorf("%s: the canonical form is not stable: %v\n%s\n%s", spec.Type, p, canonical, again)
		}
	}
}

func TestRefusedBodies(t *testing.T) {
	const item = `"sku":"A","location":"B"`
	deep := `{` + item + `,"quantity":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`
	for _, test := range []struct{ name, body, code, at string }{
		{"empty", ``, problem.Malformed, "body"},
		{"not an object", `[]`, problem.Malformed, "body"},
		{"null", `null`, problem.Malformed, "body"},
		{"trailing data", `{` + item + `,"quantity":1} {}`, problem.Malformed, "body"},
		{"trailing comma", `{` + item + `,"quantity":1,}`, problem.Malformed, "body"},
		{"doubled field", `{` + item + `,"quantity":1,"quantity":2}`, problem.Malformed, "body.quantity"},
		{"doubled by an escape", `{` + item + `,"quantity":1,"quantit\u0079":2}`, problem.Malformed, "body.quantity"},
		{"unknown field", `{` + item + `,"quantity":1,"colour":"red"}`, problem.Malformed, "body.colour"},
		{"other case", `{` + item + `,"Quantity":1}`, problem.Malformed, "body.Quantity"},
		{"missing field", `{` + item + `}`, problem.Malformed, "body.quantity"},
		{"null for a required field", `{` + item + `,"quantity":null}`, problem.Malformed, "body.quantity"},
		{"string for a number", `{` + item + `,"quantity":"1"}`, problem.Malformed, "body.quantity"},
		{"number for a string", `{"sku":1,"location":"B","quantity":1}`, problem.Malformed, "body.sku"},
		{"fraction", `{` + item + `,"quantity":1.5}`, problem.Malformed, "body.quantity"},
		{"fraction that is whole", `{` + item + `,"quantity":1.0}`, problem.Malformed, "body.quantity"},
		{"exponent", `{` + item + `,"quantity":1e3}`, problem.Malformed, "body.quantity"},
		{"beyond 64 bits", `{` + item + `,"quantity":9223372036854775808}`, problem.Malformed, "body.quantity"},
		{"leading zero", `{` + item + `,"quantity":01}`, problem.Malformed, "body"},
		{"NaN", `{` + item + `,"quantity":NaN}`, problem.Malformed, "body"},
		{"invalid UTF-8", `{"sku":"` + "\xff" + `","location":"B","quantity":1}`, problem.Malformed, "body"},
		{"lone surrogate", `{"sku":"\ud800","location":"B","quantity":1}`, problem.Malformed, "body"},
		{"raw control character", "{\"sku\":\"a\nb\",\"location\":\"B\",\"quantity\":1}", problem.Malformed, "body"},
		{"too deep", deep, problem.TooDeep, "body"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, p := decode(t, "stock.receive", test.body)
			if p == nil || p.Code != test.code {
				t.Fatalf("got %v, want %s", p, test.code)
			}
			if len(p.Errors) == 0 || p.Errors[0].Location != test.at {
				t.Fatalf("got places %+v, want %s", p.Errors, test.at)
			}
		})
	}
}

func TestAllErrorsAreNamed(t *testing.T) {
	_, _, p := decode(t, "order.place", `{"channel":"web","currency":1,"lines":[{"sku":"A","quantity":"x"},{"sku":"B","quantity":1,"unit_price":"1","total":{"minor":1.5,"currency":"EUR"}}],"totals":{}}`)
	if p == nil {
		t.Fatal("accepted")
	}
	var at []string
	for _, e := range p.Errors {
		at = append(at, e.Location)
	}
	for _, want := range []string{"body.currency", "body.lines[0].quantity", "body.lines[0].unit_price", "body.lines[1].total.minor", "body.totals.grand"} {
		if !strings.Contains(strings.Join(at, " "), want) {
			t.Errorf("%s is not among %v", want, at)
		}
	}
}

func TestTooManyLines(t *testing.T) {
	lines := strings.TrimSuffix(strings.Repeat(`{"sku":"A","quantity":1,"unit_price":"1","total":{"minor":1,"currency":"EUR"}},`, wire.MaxLines+1), ",")
	_, _, p := decode(t, "order.place", `{"channel":"web","currency":"EUR","lines":[`+lines+`],"totals":{"goods":{"minor":1,"currency":"EUR"},"grand":{"minor":1,"currency":"EUR"}}}`)
	if p == nil || p.Code != problem.TooManyItems || p.Errors[0].Location != "body.lines" {
		t.Fatalf("got %v", p)
	}
}

// TestSameMeaningSameForm: order of fields, white space, escapes, null for absence and the media type do not matter.
func TestSameMeaningSameForm(t *testing.T) {
	_, want, p := decode(t, "stock.receive", `{"sku":"A","location":"B","quantity":5,"ref":"x"}`)
	if p != nil {
		t.Fatal(p)
	}
	for _, body := range []string{
		`{"ref":"x","quantity":5,"location":"B","sku":"A"}`,
		" {\n\t\"sku\" : \"A\", \"location\":\"B\",\"quantity\":5,\"ref\":\"\\u0078\"}\r\n",
		`{"sku":"A","location":"B","quantity":5,"ref":"x","reason":null}`,
	} {
		_, got, p := decode(t, "stock.receive", body)
		if p != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: got %s, want %s (%v)", body, got, want, p)
		}
	}
	packed, err := msgpack.Marshal(map[string]any{"sku": "A", "location": []byte("B"), "quantity": uint64(5), "ref": "x"})
	if err != nil {
		t.Fatal(err)
	}
	v, p := wire.ParseMsgpack(packed)
	if p != nil {
		t.Fatal(p)
	}
	spec, _ := table(t).Find("stock.receive")
	if _, got, p := spec.Decode(&v); p != nil || !bytes.Equal(got, want) {
		t.Errorf("msgpack: got %s, want %s (%v)", got, want, p)
	}
}

func TestRefusedMsgpack(t *testing.T) {
	for name, body := range map[string][]byte{
		"empty":               {},
		"truncated map":       {0x82, 0xa1, 'a'},
		"huge array":          {0xdd, 0xff, 0xff, 0xff, 0xff},
		"doubled key":         {0x82, 0xa1, 'a', 1, 0xa1, 'a', 2},
		"key that is no text": {0x81, 1, 2},
		"extension":           {0xd4, 1, 2},
		"text not UTF-8":      {0x81, 0xa1, 'a', 0xa1, 0xff},
		"something after it":  {0x80, 0x80},
		"too deep":            bytes.Repeat([]byte{0x91}, 40),
	} {
		if _, p := wire.ParseMsgpack(body); p == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestTarget(t *testing.T) {
	for _, test := range []struct {
		body string
		ok   bool
	}{
		{`{}`, true}, {`{"order_id":"x"}`, true}, {`{"order_id":"y"}`, false}, {`{"order_id":1}`, false}, {`[]`, false},
	} {
		v, p := wire.ParseJSON([]byte(test.body))
		if p != nil {
			t.Fatal(p)
		}
		if p := v.SetTarget(map[string]string{"order_id": "x"}); (p == nil) != test.ok {
			t.Errorf("%s: %v", test.body, p)
		}
	}
}

func TestEnvelope(t *testing.T) {
	tab := table(t)
	open := func(body string) (wire.Envelope, *problem.Problem) {
		v, p := wire.ParseJSON([]byte(body))
		if p != nil {
			return wire.Envelope{}, p
		}
		return tab.OpenEnvelope(&v)
	}
	e, p := open(`{"type":"order.tag","idempotency_key":"k","expected_version":3,"dry_run":true,"data":{"order_id":"x"}}`)
	if p != nil || e.Type != "order.tag" || e.Key != "k" || *e.Expected != 3 || !e.DryRun || e.Data.Lane() == "" {
		t.Fatalf("got %+v, %v", e, p)
	}
	for _, body := range []string{
		`{}`, `[]`, `{"type":"order.tag"}`, `{"type":"order.tag","data":[]}`, `{"type":1,"data":{}}`, `{"type":"x","data":{},"more":1}`,
		`{"type":"x","data":{},"correlation_id":"` + strings.Repeat("x", 300) + `"}`,
	} {
		if _, p := open(body); p == nil || p.Code != problem.Malformed {
			t.Errorf("%s: got %v", body, p)
		}
	}
}

func TestEventJSON(t *testing.T) {
	personal := map[string]any{"alg": "none", "text": "Ana"}
	data, err := msgpack.Marshal(map[string]any{
		"big": int64(9_007_199_254_740_993), "neg": int64(-1), "name": personal, "none": map[string]any{"alg": "none", "text": ""},
		"sealed": map[string]any{"alg": "xchacha", "key": "k", "data": []byte{0xff, 0xfe}}, "list": []any{"a<b", true, nil, personal},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, reveal := range []bool{false, true} {
		j, err := wire.DataJSON(data, reveal)
		if err != nil || !json.Valid(j) {
			t.Fatalf("%v: %s", err, j)
		}
		got := string(j)
		if !strings.Contains(got, `"big":9007199254740993`) || !strings.Contains(got, `"sealed":"[sealed]"`) || !strings.Contains(got, `"none":""`) {
			t.Errorf("got %s", got)
		}
		if strings.Contains(got, "Ana") != reveal || strings.Contains(got, "[personal]") == reveal {
			t.Errorf("reveal %t: got %s", reveal, got)
		}
	}
}

// FuzzJSON holds the parser against the standard library: what it accepts is JSON, and what it refuses is either no JSON
// or breaks one of our own limits.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`{}`, `[1,-0,1e9,"\ud83d\ude00",null,true]`, `{"a":{"a":[]}}`, `"\u0000"`, `1.`, `{"a":1,"a":2}`, "\ufeff{}", `-`, `[`, `"\x"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		_, p := wire.ParseJSON(body)
		if p == nil && !json.Valid(body) {
			t.Fatalf("accepted what is no JSON: %q", body)
		}
		if p != nil && json.Valid(body) && p.Code == problem.Malformed {
			for _, ours := range []string{"stands twice", "UTF-8", "escape"} {
				if strings.Contains(p.Detail, ours) {
					return
				}
			}
			t.Fatalf("refused JSON %q: %s", body, p.Detail)
		}
	})
}

// FuzzBody: no body of any command makes the decoder panic, and what it accepts has a stable canonical form.
func FuzzBody(f *testing.F) {
	tab := table(f)
	for i, spec := range tab.Specs {
		f.Add(i, []byte(spec.Example), false)
		var v any
		if err := json.Unmarshal([]byte(spec.Example), &v); err != nil {
			f.Fatal(err)
		}
		packed, err := msgpack.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(i, packed, true)
	}
	f.Fuzz(func(t *testing.T, which int, body []byte, packed bool) {
		spec := &tab.Specs[uint(which)%uint(len(tab.Specs))]
		parse := wire.ParseJSON
		if packed {
			parse = wire.ParseMsgpack
		}
		v, p := parse(body)
		if p != nil {
			return
		}
		payload, canonical, p := spec.Decode(&v)
		if p != nil {
			return
		}
		_, _ = payload.Build(stamp())
		again, p := wire.ParseJSON(canonical)
		if p != nil {
			t.Fatalf("the canonical form is no body: %s: %s", canonical, p.Detail)
		}
		if _, second, p := spec.Decode(&again); p != nil || !bytes.Equal(canonical, second) {
			t.Fatalf("the canonical form is not stable: %v\n%s\n%s", p, canonical, second)
		}
	})
}

// FuzzEnvelope: no envelope makes the decoder panic.
func FuzzEnvelope(f *testing.F) {
	tab := table(f)
	f.Add([]byte(`{"type":"order.tag","idempotency_key":"k","expected_version":3,"data":{"order_id":"x","tags":["a"]}}`))
	f.Add([]byte(`{"type":"","data":{"data":{}}}`))
	f.Fuzz(func(_ *testing.T, body []byte) {
		v, p := wire.ParseJSON(body)
		if p != nil {
			return
		}
		e, p := tab.OpenEnvelope(&v)
		if p != nil {
			return
		}
		_ = e.Data.Lane()
		if spec, ok := tab.Find(e.Type); ok {
			_, _, _ = spec.Decode(e.Data)
		}
	})
}

// FuzzEvent: no stored bytes make the renderer panic, and what it renders is JSON.
func FuzzEvent(f *testing.F) {
	f.Add([]byte{0x81, 0xa1, 'a', 0x82, 0xa3, 'a', 'l', 'g', 0xa4, 'n', 'o', 'n', 'e', 0xa4, 't', 'e', 'x', 't', 0xa1, 'x'}, true)
	f.Fuzz(func(t *testing.T, data []byte, reveal bool) {
		if j, err := wire.DataJSON(data, reveal); err == nil && !json.Valid(j) {
			t.Fatalf("rendered %q, which is no JSON", j)
		}
	})
}

func BenchmarkDecodeOrder(b *testing.B) {
	spec, _ := table(b).Find("order.place")
	body := []byte(spec.Example)
	b.ReportAllocs()
	for b.Loop() {
		v, p := wire.ParseJSON(body)
		if p != nil {
			b.Fatal(p)
		}
		if _, _, p := spec.Decode(&v); p != nil {
			b.Fatal(p)
		}
	}
}
