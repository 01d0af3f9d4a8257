package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// restartAfter is how long a supervisor waits before it starts a process again: what systemd does by default.
const restartAfter = 100 * time.Millisecond

// Server is a serve process and its addresses, which it keeps when it is started again.
type Server struct {
	// Name tells it from others, such as "serve-1".
	Name string
	// Base is the address of its API, without a path.
	Base string
	// Log is the file that it writes to.
	Log string

	cluster     *Cluster
	http, admin string

	mu      sync.Mutex
	process *process // nil until it is first started
	wanted  bool     // that it runs: a supervisor starts it again
	deaths  int      // how often it ended without being asked by Terminate
	exits   int      // how often it ended by itself, neither asked to nor killed
}

func (c *Cluster) newServer(ctx context.Context, number int) (*Server, error) {
	name := fmt.Sprintf("serve-%d", number)
	var ports [2]int
	for i := range ports {
		var err error
		if ports[i], err = freePort(ctx); err != nil {
			return nil, err
		}
	}
	return &Server{
		Name: name, Base: "http://" + loopback(ports[0]), Log: filepath.Join(c.Dir, name+".log"),
		cluster: c, http: loopback(ports[0]), admin: loopback(ports[1]),
	}, nil
}

// Launch starts the process, with more environment than the cluster gives it, such as FAILPOINTS=…; a supervisor that
// starts it again leaves that out. One that runs is left alone.
func (s *Server) Launch(env ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil && s.process.running() {
		return nil
	}
	p, err := startProcess(s.cluster.Program, append([]string{"serve", "--http-addr", s.http, "--admin-addr", s.admin}, s.cluster.cfg.Args...),
		slices.Concat(s.cluster.engineEnv, s.cluster.cfg.Env, env), s.cluster.Dir, s.Log)
	if err != nil {
		return err
	}
	s.process, s.wanted = p, true
	return nil
}

// Start is Launch, and waits until the process says that it is ready.
func (s *Server) Start(ctx context.Context, env ...string) error {
	if err := s.Launch(env...); err != nil {
		return err
	}
	return s.Ready(ctx)
}

// Ready waits until the process says that it is, or has ended.
func (s *Server) Ready(ctx context.Context) error {
	err := until(ctx, startLimit, func(ctx context.Context) error {
		if !s.Running() {
			return final{fmt.Errorf("it ended: see %s", s.Log)}
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Base+"/readyz?verbose", nil)
		if err != nil {
			return err
		}
		req.Close = true
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode == http.StatusOK {
			return err
		}
		return fmt.Errorf("%d %s", resp.StatusCode, body)
	})
	if err != nil {
		return fmt.Errorf("wait for %s: %w", s.Name, err)
	}
	return nil
}

// Running tells whether there is such a process.
func (s *Server) Running() bool {
	p := s.now()
	return p != nil && p.running()
}

func (s *Server) now() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process
}

// Kill ends it with SIGKILL. A supervisor starts it again.
func (s *Server) Kill() {
	if p := s.now(); p != nil {
		p.kill()
	}
}

// Freeze stops it for a while: connections stay open, nothing moves, leases run out.
func (s *Server) Freeze() error {
	if p := s.now(); p != nil {
		return p.signal(signalFreeze)
	}
	return nil
}

// Thaw lets it go on where it was, as if no time had passed.
func (s *Server) Thaw() error {
	if p := s.now(); p != nil {
		return p.signal(signalThaw)
	}
	return nil
}

// Terminate asks it to end, and waits until it has. Its exit code is the answer. A supervisor leaves it down.
func (s *Server) Terminate(ctx context.Context) (int, error) {
	s.mu.Lock()
	s.wanted = false
	p := s.process
	s.mu.Unlock()
	if p == nil {
		return 0, nil
	}
	if err := errors.Join(p.signal(signalThaw), p.signal(signalTerminate)); err != nil {
		return 0, err
	}
	return s.Wait(ctx)
}

// Wait waits until it has ended, and returns its exit code; -1 if a signal ended it.
func (s *Server) Wait(ctx context.Context) (int, error) {
	p := s.now()
	if p == nil {
		return 0, fmt.Errorf("%s was never started", s.Name)
	}
	code, err := p.wait(ctx)
	if err != nil {
		_ = p.signal(signalDump) // where does it hang?
		return 0, fmt.Errorf("%s: %w", s.Name, err)
	}
	return code, nil
}

// Deaths is how often a supervisor had to start it again.
func (s *Server) Deaths() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deaths
}

// Exits is how often it ended by itself under a supervisor, which started it again: because it could not go on, or found
// its servers away when it came up.
func (s *Server) Exits() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.exits
}

// supervise starts the process again whenever it has ended without being asked to, as systemd would, until ctx ends.
func (s *Server) supervise(ctx context.Context) {
	for ctx.Err() == nil {
		p := s.now()
		if p == nil {
			wait(ctx, restartAfter)
			continue
		}
		select {
		case <-p.done:
		case <-ctx.Done():
			return
		}
		wait(ctx, restartAfter)
		s.mu.Lock()
		again := s.wanted && s.process == p && ctx.Err() == nil
		if again {
			s.deaths++
			if p.cmd.ProcessState.Exited() {
				s.exits++
			}
		}
		s.mu.Unlock()
		if again {
			_ = s.Launch() // that it could not be started shows in that it is not there
		}
	}
}
