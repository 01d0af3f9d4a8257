package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// follower reads the events as somebody outside does, as server-sent events, and comes back with the last position that it
// saw whenever its connection breaks. It keeps the ids of events: they have to be those of the log in the end.
type follower struct {
	turns int

	mu   sync.Mutex
	seen []string // by position, from 1
	odd  []string // what should not have come
}

// silence is how long a follower waits for a sign of life before it asks another server.
const silence = 3 * time.Second

// follow reads until ctx ends.
func (f *follower) follow(ctx context.Context, c *Cluster) {
	for ctx.Err() == nil {
		f.turns++
		f.read(ctx, c, c.Servers[f.turns%len(c.Servers)])
		wait(ctx, 50*time.Millisecond)
	}
}

// read reads from one server until the connection breaks or is silent for too long.
func (f *follower) read(ctx context.Context, c *Cluster, s *Server) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Base+"/v1/stream?from=1", nil)
	if err != nil {
		return
	}
	req.Close = true
	req.Header.Set("Authorization", "Bearer "+c.Key)
	if last := f.count(); last > 0 {
		req.Header.Set("Last-Event-ID", strconv.Itoa(last))
	}
	alive := time.AfterFunc(silence, cancel)
	defer alive.Stop()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 4<<20)
	event := ""
	for lines.Scan() {
		alive.Reset(silence)
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			event = data
		} else if lines.Text() == "" && event != "" { // an event without its empty line was cut off, and is none
			f.take(event, s.Name)
			event = ""
		}
	}
}

func (f *follower) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.seen)
}

func (f *follower) take(data, from string) {
	var e struct {
		ID       string `json:"id"`
		Position string `json:"position"`
	}
	err := json.Unmarshal([]byte(data), &e)
	f.mu.Lock()
	defer f.mu.Unlock()
	if position, next := number(e.Position), int64(len(f.seen))+1; err != nil || position != next {
		f.odd = append(f.odd, fmt.Sprintf("%s sent position %d where %d comes next: %v", from, position, next, err))
		return
	}
	f.seen = append(f.seen, e.ID)
}

// check reads what is missing up to the end of the log, and wants everything to be as it stands there.
func (f *follower) check(ctx context.Context, c *Cluster, l *storedLog, v *violations) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { f.follow(ctx, c) })
	err := until(ctx, 30*time.Second, func(context.Context) error {
		if got := f.count(); got < len(l.events) {
			return fmt.Errorf("it has come to position %d of %d", got, len(l.events))
		}
		return nil
	})
	cancel()
	wg.Wait()
	if err != nil {
		v.add("I11", "a follower of the events: %v", err)
	}
	for _, odd := range f.odd {
		v.add("I4", "a follower of the events: %s", odd)
	}
	want := make([]string, len(l.events))
	for i := range l.events {
		want[i] = l.events[i].EventID
	}
	if n := min(len(want), len(f.seen)); !slices.Equal(f.seen[:n], want[:n]) {
		v.add("I4", "a follower of the events saw other events than the log has")
	}
}
