package chaos

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Outcome is what a client knows of a command in the end.
type Outcome string

// The outcomes of a command.
const (
	Unknown  Outcome = "unknown"  // nobody ever said
	Accepted Outcome = "accepted" // acknowledged
	Refused  Outcome = "refused"  // decided against, and that is stored
	Invalid  Outcome = "invalid"  // turned away before it was decided, which no command of the load deserves
)

// Attempt is one time that a command was sent.
type Attempt struct {
	Server   string        `json:"server"`
	Start    time.Duration `json:"start"` // since the history began
	End      time.Duration `json:"end"`
	Status   int           `json:"status,omitempty"` // 0: no answer
	Code     string        `json:"code,omitempty"`   // of the problem
	Err      string        `json:"err,omitempty"`
	Replayed bool          `json:"replayed,omitempty"`
	// Nothing says that the answer promised that nothing was stored.
	Nothing bool `json:"nothing,omitempty"`
}

// Operation is one command of one client, with every attempt to have it carried out, under one key.
type Operation struct {
	Client   int               `json:"client"`
	Kind     string            `json:"kind"`
	Key      string            `json:"key"`
	Command  string            `json:"command"` // its type
	Path     string            `json:"path"`    // over HTTP
	Target   map[string]string `json:"target"`  // what stands in the path, and over NATS in the body
	Request  string            `json:"request"`
	Attempts []Attempt         `json:"attempts"`

	Outcome  Outcome `json:"outcome"`
	Status   int     `json:"status,omitempty"`
	Position int64   `json:"position,omitempty"` // the consistency token of the answer
	Body     string  `json:"body,omitempty"`
}

// Start is when the command was first sent.
func (o *Operation) Start() time.Duration { return o.Attempts[0].Start }

// End is when its outcome was known.
func (o *Operation) End() time.Duration { return o.Attempts[len(o.Attempts)-1].End }

// Uncertain tells whether some attempt ended without the client knowing what became of it.
func (o *Operation) Uncertain() bool { return len(o.Attempts) > 1 || o.Outcome == Unknown }

// Accept is what the answer to an accepted command says.
type Accept struct {
	CommandID string `json:"command_id"`
	OrderID   string `json:"order_id"`
	Position  int64  `json:"position"`
	Events    []struct {
		Position int64  `json:"position"`
		Stream   string `json:"stream"`
		Version  int64  `json:"version"`
		EventID  string `json:"event_id"`
		Type     string `json:"type"`
	} `json:"events"`
}

// problem is what an answer says that is none to an accepted command.
type problem struct {
	Code      string `json:"code"`
	CommandID string `json:"command_id"`
}

// Answer reads the body of an accepted command.
func (o *Operation) Answer() (Accept, error) {
	var a Accept
	if err := json.Unmarshal([]byte(o.Body), &a); err != nil {
		return a, fmt.Errorf("read the answer to %s: %w", o.Key, err)
	}
	return a, nil
}

// commandID is what the engine made of the key.
func (o *Operation) commandID() string {
	var a problem // which names it in the same way
	_ = json.Unmarshal([]byte(o.Body), &a)
	return a.CommandID
}

// History is what the clients of a load did and were told. Its methods may be called by any goroutine.
type History struct {
	began time.Time

	follower follower

	mu    sync.Mutex
	ops   []*Operation
	looks int      // how often a client looked at what it had changed
	stale []string // when it saw something older
}

// NewHistory returns an empty history that begins now.
func NewHistory() *History { return &History{began: time.Now()} }

func (h *History) now() time.Duration { return time.Since(h.began) }

// Add adds an operation that has ended.
func (h *History) Add(o *Operation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, o)
}

// looked counts a look of a client at what it had changed; stale tells of one that showed something older.
func (h *History) looked(stale string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.looks++
	if stale != "" {
		h.stale = append(h.stale, stale)
	}
}

// Operations returns all operations that have ended.
func (h *History) Operations() []*Operation {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.ops)
}

// Count is how many operations ended with an outcome.
func (h *History) Count(outcome Outcome) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, o := range h.ops {
		if o.Outcome == outcome {
			n++
		}
	}
	return n
}

// Summary says in one line what happened.
func (h *History) Summary() string {
	attempts, uncertain := 0, 0
	for _, o := range h.Operations() {
		attempts += len(o.Attempts)
		if o.Uncertain() {
			uncertain++
		}
	}
	h.mu.Lock()
	looks := h.looks
	h.mu.Unlock()
	return fmt.Sprintf("%d accepted, %d refused, %d unknown, %d invalid; %d had to be sent more than once, %d attempts in all; %d looks at what was changed",
		h.Count(Accepted), h.Count(Refused), h.Count(Unknown), h.Count(Invalid), uncertain, attempts, looks)
}

// Failures says how often an attempt got each answer that was no outcome.
func (h *History) Failures() string {
	counts := map[string]int{}
	for _, o := range h.Operations() {
		for _, a := range o.Attempts {
			switch {
			case a.Err != "":
				counts["no answer"]++
			case a.Status >= 500 || a.Status == http.StatusConflict || a.Status == http.StatusTooManyRequests:
				counts[cmp.Or(a.Code, strconv.Itoa(a.Status))]++
			}
		}
	}
	all := make([]string, 0, len(counts))
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		all = append(all, fmt.Sprintf("%s %d", name, counts[name]))
	}
	return strings.Join(all, ", ")
}

// Write writes the history to a file, one operation a line.
func (h *History) Write(path string) error {
	var out []byte
	for _, o := range h.Operations() {
		line, err := json.Marshal(o)
		if err != nil {
			return err
		}
		out = append(append(out, line...), '\n')
	}
	return os.WriteFile(path, out, 0o644) //nolint:gosec // for whoever looks into a failure
}
