package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// sender sends commands, to a server over HTTP or to whoever listens over NATS, and answers what came back.
type sender struct {
	cluster *Cluster
	http    *http.Client

	mu   sync.Mutex
	conn *nats.Conn // nil until it is first needed
}

func newSender(c *Cluster, clients int) *sender {
	return &sender{cluster: c, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients, IdleConnTimeout: time.Second}}}
}

func (s *sender) close() {
	s.http.CloseIdleConnections()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		s.conn.Close()
	}
}

// reply is what came back.
type reply struct {
	problem
	status   int
	body     string
	position int64
	replayed bool
}

// again tells whether the answer leaves open what becomes of the command.
func (r *reply) again() bool {
	return r.status >= 500 || r.status == http.StatusConflict || r.status == http.StatusTooManyRequests
}

// saysNothing tells whether the answer promises that nothing was stored.
func (r *reply) saysNothing() bool {
	switch r.Code {
	case "unavailable", "timed-out", "draining", "overloaded", "rate-limited", "contended":
		return true
	default:
		return false
	}
}

// send sends a command once: to a server, or over NATS if it is nil.
func (s *sender) send(ctx context.Context, o *Operation, to *Server, timeout time.Duration) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var r reply
	var err error
	if to == nil {
		r, err = s.overNATS(ctx, o)
	} else {
		r, err = s.overHTTP(ctx, o, to)
	}
	if err == nil && r.status >= 300 {
		_ = json.Unmarshal([]byte(r.body), &r.problem) // what is none of ours has no code
	}
	return r, err
}

func (s *sender) overHTTP(ctx context.Context, o *Operation, to *Server) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.Base+o.Path, strings.NewReader(o.Request))
	if err != nil {
		return reply{}, err
	}
	req.GetBody = nil // or net/http would send it again by itself, because of its key, and nobody would know
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", o.Key)
	return s.do(req)
}

func (s *sender) do(req *http.Request) (reply, error) {
	req.Header.Set("Authorization", "Bearer "+s.cluster.Key)
	resp, err := s.http.Do(req)
	if err != nil {
		return reply{}, err
	}
	body, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return reply{}, err
	}
	return reply{
		status: resp.StatusCode, body: string(body), position: number(resp.Header.Get("Consistency-Token")),
		replayed: resp.Header.Get("Idempotency-Replayed") == "true",
	}, nil
}

// number reads a number of ours; 0 if there is none.
func number(text string) int64 {
	n, _ := strconv.ParseInt(strings.Trim(text, `"`), 10, 64)
	return n
}

// overNATS sends a command as a request.
func (s *sender) overNATS(ctx context.Context, o *Operation) (reply, error) {
	answer, err := s.request(ctx, "waybill.cmd.", o)
	if err != nil {
		return reply{}, err
	}
	r := reply{
		status: http.StatusOK, body: string(answer.Data), position: number(answer.Header.Get("Consistency-Token")),
		replayed: answer.Header.Get("Idempotency-Replayed") == "true",
	}
	if code := answer.Header.Get("Nats-Service-Error-Code"); code != "" {
		r.status = int(number(code))
	}
	return r, nil
}

// queue puts a command into the durable intake. That it is there is all that the sender hears.
func (s *sender) queue(ctx context.Context, o *Operation, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err := s.request(ctx, "waybill.in.", o)
	return err
}

// request sends a command over NATS, with what an address says over HTTP in the body.
func (s *sender) request(ctx context.Context, prefix string, o *Operation) (*nats.Msg, error) {
	conn, err := s.connection()
	if err != nil {
		return nil, err
	}
	body := map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte(o.Request), &body); err != nil {
		return nil, err
	}
	for name, value := range o.Target {
		body[name] = json.RawMessage(strconv.Quote(value))
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	m := nats.NewMsg(prefix + o.Command)
	m.Data = text
	m.Header.Set("Authorization", "Bearer "+s.cluster.Key)
	m.Header.Set("Idempotency-Key", o.Key)
	return conn.RequestMsgWithContext(ctx, m)
}

func (s *sender) connection() (*nats.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		conn, err := s.cluster.Broker.Connect("storefront", nats.MaxReconnects(-1), nats.ReconnectBufSize(-1), nats.ReconnectWait(100*time.Millisecond),
			nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // a request that fails says so
		if err != nil {
			return nil, err
		}
		s.conn = conn
	}
	return s.conn, nil
}

// look asks for an order that was just changed, at the position of the change. What is older than that is told.
func (s *sender) look(ctx context.Context, at *Server, a Accept) (stale string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.Base+"/v1/orders/"+a.OrderID, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Consistency-Token", strconv.FormatInt(a.Position, 10))
	r, err := s.do(req)
	if err != nil {
		return "", err
	}
	if r.status == http.StatusInternalServerError {
		return fmt.Sprintf("order %s was asked for, and %s answers as if there were a fault in the program: %s", a.OrderID, at.Name, r.body), nil
	}
	if r.status > 500 || r.status == http.StatusTooManyRequests {
		return "", fmt.Errorf("%d %s", r.status, r.body)
	}
	var got struct {
		Version int64 `json:"version"`
	}
	if err := json.Unmarshal([]byte(r.body), &got); err != nil {
		return "", err
	}
	for _, e := range a.Events {
		if e.Stream == "order-"+a.OrderID && got.Version < e.Version {
			return fmt.Sprintf("order %s was at version %d from position %d on, and %s shows version %d at position %d: %d %s",
				a.OrderID, e.Version, e.Position, at.Name, got.Version, r.position, r.status, r.body), nil
		}
	}
	if r.position < a.Position {
		return fmt.Sprintf("order %s was asked for at position %d, and is answered at %d", a.OrderID, a.Position, r.position), nil
	}
	return "", nil
}
