package chaos

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	mostSessions   = 60  // of one process with all roles: docs/operations.md
	mostGoroutines = 600 // of one process that nobody asks for anything; the one that leads the processes has some 400
)

// leaks wants nothing to be left of what was broken: no session too many or in a transaction that nobody ends, no
// goroutine that waits for what will not come.
func (c *Cluster) leaks(ctx context.Context, v *violations) error {
	conn, err := c.Database.Connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var sessions, idle, waiting int
	err = conn.QueryRow(ctx, `
SELECT count(*), count(*) FILTER (WHERE state LIKE 'idle in transaction%' AND state_change < clock_timestamp() - interval '10 s'),
       count(*) FILTER (WHERE wait_event_type = 'Lock' AND state_change < clock_timestamp() - interval '10 s')
FROM pg_stat_activity WHERE usename = $1`, engineUser).Scan(&sessions, &idle, &waiting)
	if err != nil {
		return fmt.Errorf("count the sessions of the engine: %w", err)
	}
	if sessions > mostSessions*len(c.Servers) || idle > 0 || waiting > 0 {
		v.add("I15", "%d sessions of the engine, %d of them idle in a transaction and %d waiting for a lock", sessions, idle, waiting)
	}
	for _, s := range c.Servers {
		n, err := s.goroutines(ctx)
		if err != nil {
			return fmt.Errorf("count the goroutines of %s: %w", s.Name, err)
		}
		if n > mostGoroutines {
			v.add("I15", "%s has %d goroutines and nothing to do", s.Name, n)
		}
	}
	return nil
}

// goroutines asks a process how many it has.
func (s *Server) goroutines(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Base+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "go_goroutines "); ok {
			return strconv.Atoi(text)
		}
	}
	return 0, fmt.Errorf("%s says nothing of go_goroutines", req.URL)
}
