package api_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"waybill/api"
	"waybill/api/apitest"
	"waybill/api/problem"
)

// line is one verdict of a batch.
type line struct {
	Line     int             `json:"line"`
	Status   int             `json:"status"`
	Key      string          `json:"idempotency_key"`
	Replayed bool            `json:"replayed"`
	Body     json.RawMessage `json:"body"`
}

func verdicts(t *testing.T, b []byte) []line {
	t.Helper()
	var list []line
	for text := range strings.Lines(string(b)) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatalf("line %q: %v", text, err)
		}
		list = append(list, l)
	}
	return list
}

func place(key, id string) string {
	return fmt.Sprintf(`{"type":"order.place","idempotency_key":%q,"data":%s}`, key, apitest.Order(1, `"order_id":"`+id+`"`))
}

func TestBatchOfMixedVerdicts(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.WithoutProjections)
	id := uuid.NewString()
	lines := []string{
		place("a", id),
		`{"type":"order.tag","idempotency_key":"b","data":{"order_id":"` + id + `","tags":["x"]}}`, // after the order is placed, though lines run side by side
		`{broken`,
		``,
		`{"type":"order.release_hold","idempotency_key":"c","data":{"order_id":"` + id + `","hold_id":"none"}}`,
		`{"type":"order.tag","idempotency_key":"d","expected_version":1,"data":{"order_id":"` + id + `","tags":["y"]}}`,
		`{"type":"no.such","data":{}}`,
		`{"type":"order.tag","data":{"x":"` + strings.Repeat("y", 300<<10) + `"}}`,
		`{"type":"stock.receive","idempotency_key":"e","dry_run":true,"data":{"sku":"A","location":"B","quantity":1}}`,
		`{"type":"stock.receive","idempotency_key":"f","data":{"sku":"A","location":"B","quantity":1}}`,
	}
	body := strings.Join(lines, "\n")
	want := "1:201 2:200 3:400 5:422 6:412 7:404 8:413 9:200 10:200"
	summary := func(list []line) string {
		var out []string
		for _, l := range list {
			out = append(out, fmt.Sprintf("%d:%d", l.Line, l.Status))
		}
		return strings.Join(out, " ")
	}
	first := s.Do(http.MethodPost, "/v1/commands:batch", body, "Content-Type", "application/x-ndjson")
	if got := summary(verdicts(t, first.Body)); first.Status != http.StatusOK || got != want {
		t.Fatalf("got  %s\nwant %s\n%s", got, want, first.Body)
	}
	before := head(t, s)
	again := verdicts(t, s.Do(http.MethodPost, "/v1/commands:batch", body).Body)
	if got := summary(again); got != want {
		t.Errorf("again: got %s", got)
	}
	for i, l := range verdicts(t, first.Body) {
		stored := l.Key != "" && l.Key != "d" && l.Key != "e" && l.Status != 404 && l.Status != 400 && l.Status != 413
		if again[i].Replayed != stored || stored && string(again[i].Body) != string(l.Body) {
			t.Errorf("line %d again: %+v\n%s\n%s", l.Line, again[i], again[i].Body, l.Body)
		}
	}
	if now := head(t, s); now != before {
		t.Errorf("the batch again stored %d events", now-before)
	}
	if a := s.Do(http.MethodPost, "/v1/commands:batch", body, "Idempotency-Key", "x"); a.Status != http.StatusBadRequest {
		t.Errorf("a key for a whole batch: %d", a.Status)
	}
}

// TestBatchStreams: verdicts come while lines are still being sent, and a connection that breaks in the middle of a line
// leaves whole commands or none.
func TestBatchStreams(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.WithoutProjections, func(c *api.Config) { c.BatchConcurrency = 4 })
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "POST /v1/commands:batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nTransfer-Encoding: chunked\r\n\r\n", s.Key); err != nil {
		t.Fatal(err)
	}
	send := func(text string) {
		if _, err := fmt.Fprintf(conn, "%x\r\n%s\r\n", len(text), text); err != nil {
			t.Fatal(err)
		}
	}
	in := bufio.NewReader(conn)
	const whole = 20
	var bodies []string
	for i := range whole {
		key := fmt.Sprintf("s-%d", i)
		text := place(key, uuid.NewString())
		bodies = append(bodies, text)
		send(text + "\n")
		for { // the verdict comes before the next line is sent
			got, err := in.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(got, `"idempotency_key":"`+key+`"`) {
				if !strings.Contains(got, `"status":201`) {
					t.Fatalf("got %s", got)
				}
				break
			}
		}
	}
	half := place("s-half", uuid.NewString())
	send(half[:len(half)-1]) // all but the last brace
	_ = conn.Close()
	again := verdicts(t, s.Do(http.MethodPost, "/v1/commands:batch", strings.Join(append(bodies, half), "\n")).Body)
	if len(again) != whole+1 {
		t.Fatalf("got %d verdicts", len(again))
	}
	for i, l := range again {
		if l.Status != http.StatusCreated || l.Replayed != (i < whole) {
			t.Errorf("line %d: %+v", i+1, l)
		}
	}
	if n := head(t, s); n != whole+1 {
		t.Errorf("the log has %d events, want %d", n, whole+1)
	}
}

func TestLargeBatchKeepsItsOrder(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.WithoutProjections)
	const n = 2000
	pr, pw := io.Pipe()
	go func() {
		for i := range n {
			if _, err := fmt.Fprintf(pw, `{"type":"stock.receive","idempotency_key":"k-%d","data":{"sku":"SKU-%d","location":"B","quantity":1}}`+"\n", i, i%7); err != nil {
				return
			}
		}
		_ = pw.Close()
	}()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/v1/commands:batch", pr)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.Key)
	resp, err := s.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	list := verdicts(t, b)
	if len(list) != n {
		t.Fatalf("got %d verdicts", len(list))
	}
	versions := map[int]int64{}
	for i, l := range list {
		var a struct {
			Version int64 `json:"version"`
		}
		if err := json.Unmarshal(l.Body, &a); err != nil || l.Line != i+1 || l.Status != http.StatusOK {
			t.Fatalf("verdict %d: %+v %s", i, l, l.Body)
		}
		if versions[i%7]++; a.Version != versions[i%7] {
			t.Fatalf("line %d was carried out as number %d of its item, not %d", l.Line, a.Version, versions[i%7])
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.WithoutProjections, func(c *api.Config) {
		c.ReadHeaderTimeout, c.ReadTimeout = 200*time.Millisecond, 300*time.Millisecond
		c.Rate, c.Burst = 5, 40
	})
	address := strings.TrimPrefix(s.URL, "http://")
	// Clients that dribble are cut off, each in its time.
	for name, start := range map[string]string{
		"header": "GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ",
		"body":   "POST /v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + s.Key + "\r\nContent-Length: 100\r\n\r\n{",
	} {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, start); err != nil {
			t.Fatal(err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(conn)
		if err != nil {
			t.Errorf("slow %s: not cut off: %v", name, err)
		}
		if name == "body" && !strings.Contains(string(b), problem.Malformed) {
			t.Errorf("slow body: got %q", b)
		}
		_ = conn.Close()
	}
	// The server closes the connection with the rest of the header unread, so the answer may be lost to a reset.
	if a, err := s.Try(t.Context(), http.MethodGet, "/livez", "", "X-Large", strings.Repeat("x", 64<<10)); err == nil && a.Status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("large header: %d", a.Status)
	}
	limited := 0
	for range 60 {
		if a := s.Do(http.MethodGet, "/v1/commands/x", ""); a.Status == http.StatusTooManyRequests && a.Code() == problem.RateLimited && a.Header.Get("Retry-After") != "" {
			limited++
		}
	}
	if limited == 0 {
		t.Error("nobody was limited")
	}
	if a := s.Do(http.MethodGet, "/readyz", ""); a.Status != http.StatusOK {
		t.Errorf("health is limited: %d", a.Status)
	}
}
