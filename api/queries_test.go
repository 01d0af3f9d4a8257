package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"waybill/api"
	"waybill/api/apitest"
	"waybill/api/auth"
	"waybill/api/problem"
	"waybill/projections"
)

// slow is a read model that does not move until it is let go.
type slow struct {
	api.Checkpoints

	stuck atomic.Bool
}

// Position is no more than what the model had seen when it got stuck.
func (s *slow) Position(ctx context.Context, name string) (int64, error) {
	at, err := s.Checkpoints.Position(ctx, name)
	if s.stuck.Load() {
		at = min(at, 7)
	}
	return at, err
}

func (s *slow) WaitFor(ctx context.Context, name string, position int64) error {
	for s.stuck.Load() {
		select {
		case <-ctx.Done():
			return &projections.BehindError{Projection: name, Position: position - 1, Want: position}
		case <-time.After(time.Millisecond):
		}
	}
	return s.Checkpoints.WaitFor(ctx, name, position)
}

// away is a read model whose database does not answer.
type away struct {
	api.Checkpoints

	err error
}

func (a *away) Position(ctx context.Context, name string) (int64, error) {
	if a.err != nil {
		return 0, a.err
	}
	return a.Checkpoints.Position(ctx, name)
}

func TestQueriesSayThatTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	var model *away
	s := apitest.New(t, func(c *api.Config) {
		model = &away{Checkpoints: c.Checkpoints}
		c.Checkpoints = model
	})
	id := placed(t, s)
	for _, tt := range []struct {
		err    error
		status int
		code   string
	}{
		{&pgconn.PgError{Code: "57P03"}, http.StatusServiceUnavailable, problem.Unavailable},
		{&pgconn.PgError{Code: "55P03"}, http.StatusServiceUnavailable, problem.Unavailable},
		{io.ErrUnexpectedEOF, http.StatusServiceUnavailable, problem.Unavailable},
		{errors.New("of the program"), http.StatusInternalServerError, problem.Internal},
	} {
		model.err = fmt.Errorf("read the checkpoint: %w", tt.err)
		if a := s.Do(http.MethodGet, "/v1/orders/"+id, ""); a.Status != tt.status || a.Code() != tt.code {
			t.Errorf("%v: %d %s", tt.err, a.Status, a.Body)
		}
	}
}

func TestReadYourWrites(t *testing.T) {
	t.Parallel()
	var model *slow
	s := apitest.New(t, func(c *api.Config) {
		model = &slow{Checkpoints: c.Checkpoints}
		c.Checkpoints = model
	})
	for i := range 20 { // never an older version than the token says
		id := placed(t, s)
		tagged := s.Do(http.MethodPost, "/v1/orders/"+id+"/tag", `{"tags":["a"]}`)
		a := s.Do(http.MethodGet, "/v1/orders/"+id, "", "Consistency-Token", tagged.Header.Get("Consistency-Token"), "Prefer", "respond-async, wait=10")
		if a.Status != http.StatusOK || a.Header.Get("Etag") != `"2"` {
			t.Fatalf("order %d: %d %v %s", i, a.Status, a.Header, a.Body)
		}
	}
	model.stuck.Store(true)
	a := s.Do(http.MethodGet, "/v1/orders?min_position=40", "", "Prefer", "wait=0")
	if a.Status != http.StatusServiceUnavailable || a.Code() != problem.ProjectionBehind || a.Header.Get("Retry-After") == "" || !strings.Contains(string(a.Body), `"position":7,"min_position":40`) {
		t.Fatalf("got %d %v %s", a.Status, a.Header, a.Body)
	}
	if a := s.Do(http.MethodGet, "/v1/orders", ""); a.Status != http.StatusOK {
		t.Errorf("a query without a token waits: %d %s", a.Status, a.Body)
	}
	release := time.AfterFunc(50*time.Millisecond, func() { model.stuck.Store(false) }) // while the query waits
	defer release.Stop()
	if a := s.Do(http.MethodGet, "/v1/orders?min_position=40", "", "Prefer", "wait=10"); a.Status != http.StatusOK {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	if a := s.Do(http.MethodGet, "/v1/orders?min_position=40", "", "Prefer", "wait=0"); a.Status != http.StatusOK {
		t.Errorf("wait=0 does not look at a model that is far enough: %d %s", a.Status, a.Body)
	}
	if a := s.Do(http.MethodGet, "/v1/orders?min_position=100000", "", "Prefer", "wait=0"); a.Status != http.StatusServiceUnavailable {
		t.Errorf("a position that nobody has reached: %d %s", a.Status, a.Body)
	}
}

func TestAsOf(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	id := placed(t, s)
	var at []string // tokens, by version
	at = append(at, "", "1")
	for i := range 3 {
		a := s.Do(http.MethodPost, "/v1/orders/"+id+"/tag", fmt.Sprintf(`{"tags":["t%d"]}`, i))
		at = append(at, a.Header.Get("Consistency-Token"))
	}
	for version := 1; version <= 4; version++ {
		byVersion := s.Do(http.MethodGet, fmt.Sprintf("/v1/orders/%s?at_version=%d", id, version), "", "Consistency-Token", at[4], "Prefer", "wait=10")
		byPosition := s.Do(http.MethodGet, fmt.Sprintf("/v1/orders/%s?at_position=%s", id, at[version]), "")
		if byVersion.Status != http.StatusOK || byVersion.Header.Get("Etag") != fmt.Sprintf(`"%d"`, version) || string(byVersion.Body) != string(byPosition.Body) {
			t.Errorf("version %d: %d %v\n%s\n%s", version, byVersion.Status, byVersion.Header, byVersion.Body, byPosition.Body)
		}
		if n := strings.Count(string(byVersion.Body), `"t`+strconv.Itoa(version-2)); version > 1 && n != 1 {
			t.Errorf("version %d has not the tag of its time: %s", version, byVersion.Body)
		}
	}
	for path, want := range map[string]string{
		"?at_version=9":              problem.VersionNotFound,
		"?at_position=999":           problem.VersionNotFound,
		"?at=2001-01-01T00:00:00Z":   problem.OrderNotFound,
		"?at_version=0":              problem.InvalidParameter,
		"?at=yesterday":              problem.InvalidParameter,
		"?min_position=-1":           problem.InvalidParameter,
		"?at_versions=1":             problem.InvalidParameter,
		"/timeline?cursor=nonsense":  problem.InvalidParameter,
		"/timeline?limit=201":        problem.InvalidParameter,
		"/timeline?oldest_first=who": problem.InvalidParameter,
	} {
		a := s.Do(http.MethodGet, "/v1/orders/"+id+path, "")
		if a.Code() != want || a.Header.Get("Content-Type") != problem.ContentType || !strings.Contains(string(a.Body), `"request_id":"req_`) {
			t.Errorf("%s: %d %v %s, want %s", path, a.Status, a.Header, a.Body, want)
		}
		var p problem.Problem
		a.Decode(t, &p)
		if p.Status != a.Status {
			t.Errorf("%s: status %d in the body, %d in the head", path, p.Status, a.Status)
		}
	}
}

func TestPersonalDataNeedsItsScope(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	id := placed(t, s, `"contact":{"name":"Ana Example","email":"ana@example.com"}`)
	note := s.Do(http.MethodPost, "/v1/orders/"+id+"/note", `{"text":"Ana rang"}`)
	blind := s.AddKey("blind", auth.OrdersRead, auth.EventsRead)
	for _, path := range []string{"/v1/orders/" + id, "/v1/orders/" + id + "?at_version=2", "/v1/orders/" + id + "/timeline", "/v1/events"} {
		for key, sees := range map[string]bool{s.Key: true, blind: false} {
			a := s.Do(http.MethodGet, path, "", "Authorization", "Bearer "+key, "Consistency-Token", note.Header.Get("Consistency-Token"), "Prefer", "wait=10")
			if a.Status != http.StatusOK || strings.Contains(string(a.Body), "Ana") != sees {
				t.Errorf("%s: %d, shows personal data: %t, want %t: %s", path, a.Status, !sees, sees, a.Body)
			}
		}
	}
}

func TestPagesOfEvents(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.WithoutProjections)
	want := 25
	for range want {
		placed(t, s)
	}
	var seen []string
	cursor := ""
	for range 100 {
		a := s.Do(http.MethodGet, "/v1/events?limit=4&type=order.placed&cursor="+cursor, "")
		var p struct {
			Data []struct {
				Position string `json:"position"`
			} `json:"data"`
			HasMore    bool   `json:"has_more"`
			NextCursor string `json:"next_cursor"`
		}
		a.Decode(t, &p)
		for _, e := range p.Data {
			seen = append(seen, e.Position)
		}
		if cursor = p.NextCursor; !p.HasMore {
			break
		}
	}
	if len(seen) != want {
		t.Fatalf("saw %v", seen)
	}
	for i, p := range seen {
		if p != strconv.Itoa(i+1) {
			t.Fatalf("saw %v", seen)
		}
	}
	if a := s.Do(http.MethodGet, "/v1/events?type=stock.", ""); !strings.Contains(string(a.Body), `"data":[]`) {
		t.Errorf("got %s", a.Body)
	}
}
