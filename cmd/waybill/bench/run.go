package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"runtime"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats-server/v2/server"
)

const (
	fullTurn    = 4 * time.Second
	quickTurns  = 17 * time.Second // all turns of a workload together, in a quick run
	shortTurn   = 100 * time.Millisecond
	longTurn    = 3 * time.Second
	tinyTurn    = 30 * time.Millisecond
	warmUpShare = 4 // a warm-up is so many times shorter than a turn
)

// Config says what is run. The zero value of each field is its default.
type Config struct {
	Size Size
	// Rounds default to 3.
	Rounds int
	// Clients go before those of the workloads that know clients.
	Clients []int
	// DatabaseURL is a Postgres of the user's own, who may create databases there; NATSURL a server of his own. Without
	// one, it is brought up for this run.
	DatabaseURL, NATSURL string
	// CommitDelay is how long each commit takes at least, as on a disk behind a network. It is for a Postgres of our own.
	CommitDelay time.Duration
	// Version of the program.
	Version  string
	Progress func(Progress)
	Logger   *slog.Logger
}

func (c Config) validate() error {
	if c.Rounds < 0 {
		return fmt.Errorf("rounds are %d, want 1 or more", c.Rounds)
	}
	for _, n := range c.Clients {
		if n < 1 {
			return fmt.Errorf("clients are %d, want 1 or more", n)
		}
	}
	if c.CommitDelay < 0 || c.CommitDelay > 100*time.Millisecond {
		return fmt.Errorf("the delay of a commit is %s, want 0 to 100ms", c.CommitDelay)
	}
	if c.CommitDelay > 0 && c.DatabaseURL != "" {
		return errors.New("the delay of a commit is for a Postgres that is brought up here, not for one with an address")
	}
	if u, err := url.Parse(c.DatabaseURL); c.DatabaseURL != "" && (err != nil || u.Scheme == "") {
		return errors.New("a database needs an address that is a URL, such as postgres://user@host/postgres")
	}
	return nil
}

// Progress is how far a run is.
type Progress struct {
	Workload, Case, Side string
	Clients              int
	Round                int // 0: the warm-up, or what comes before it
	Done, Of             int // turns of the workload; 0 of 0 while it is prepared
}

// Run runs workloads one after the other, on the same servers, and returns a report of each. After an error there are
// those of the workloads before.
func Run(ctx context.Context, cfg Config, workloads ...Workload) (_ []Report, err error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	cfg.Rounds = cmp.Or(cfg.Rounds, 3)
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	if cfg.Progress == nil {
		cfg.Progress = func(Progress) {}
	}
	s, err := startServers(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() {
		err = errors.Join(err, s.stop(ctx))
		if err != nil && ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", ctx.Err(), err) // whatever the interrupt looked like where it struck
		}
	}()
	var reports []Report
	for _, w := range workloads {
		r, err := runWorkload(ctx, cfg, s, w)
		if err != nil {
			return reports, fmt.Errorf("bench %s: %w", w.Name, err)
		}
		reports = append(reports, r)
	}
	return reports, nil
}

func runWorkload(ctx context.Context, cfg Config, s *servers, w Workload) (_ Report, err error) {
	e := &Env{Clients: w.clients(cfg), Size: cfg.Size, Logger: cfg.Logger, servers: s}
	defer func() { err = errors.Join(err, e.close(ctx)) }()
	cfg.Progress(Progress{Workload: w.Name})
	contests, err := w.Contests(ctx, e)
	if err != nil {
		return Report{}, err
	}
	r := Report{Workload: w.Name, Measures: w.Measures, Yardstick: w.Yardstick, Rounds: cfg.Rounds}
	c := course{cfg: cfg, progress: Progress{Workload: w.Name}, contests: len(contests)}
	for _, contest := range contests {
		result, err := c.run(ctx, e, contest)
		if err != nil {
			return Report{}, err
		}
		r.Results = append(r.Results, result)
	}
	return r, r.describe(ctx, cfg, s)
}

func (w Workload) clients(cfg Config) []int {
	switch {
	case len(w.Clients) == 0:
		return nil
	case len(cfg.Clients) > 0:
		return slices.Clone(cfg.Clients)
	case cfg.Size != Full && len(w.Quick) > 0:
		return w.Quick
	}
	return w.Clients
}

// course is the run of one workload, contest by contest.
type course struct {
	cfg      Config
	progress Progress
	contests int
}

func (c *course) run(ctx context.Context, e *Env, contest Contest) (_ Result, err error) {
	c.progress.Case, c.progress.Clients, c.progress.Round, c.progress.Side = contest.Case, contest.Clients, 0, ""
	c.cfg.Progress(c.progress)
	own := e.child()
	defer func() { err = errors.Join(err, own.close(ctx)) }()
	sides, err := contest.Open(ctx, own)
	if err != nil {
		return Result{}, fmt.Errorf("%sprepare: %w", contest.label(), err)
	}
	c.progress.Of = c.contests * (c.cfg.Rounds + 1) * len(sides)
	turns := make([][]Measurement, len(sides)) // by side, then by round
	for round := range c.cfg.Rounds + 1 {
		for i := range sides {
			if round%2 == 1 { // whoever goes first finds the servers as the other one left them the round before
				i = len(sides) - 1 - i
			}
			m, err := c.turn(ctx, sides[i], round, len(sides))
			if err != nil {
				return Result{}, fmt.Errorf("%s%s, round %d: %w", contest.label(), sides[i].Name, round, err)
			}
			if round > 0 {
				turns[i] = append(turns[i], m)
			}
		}
	}
	return contest.result(sides, turns), nil
}

// turn lets one side work. What garbage the one before left is not its burden.
func (c *course) turn(ctx context.Context, s Side, round, sides int) (Measurement, error) {
	c.progress.Round, c.progress.Side = round, s.Name
	c.cfg.Progress(c.progress)
	runtime.GC()
	d := c.turnTime(sides)
	if round == 0 {
		d /= warmUpShare
	}
	m, err := s.Run(ctx, Round{Number: round, For: d})
	if err == nil {
		err = ctx.Err()
	}
	c.progress.Done++
	return m, err
}

func (c *course) turnTime(sides int) time.Duration {
	switch c.cfg.Size {
	case Full:
		return fullTurn
	case Quick:
		share := quickTurns / time.Duration(c.contests*c.cfg.Rounds*sides)
		return min(max(share, shortTurn), longTurn)
	case Tiny:
		return tinyTurn
	}
	return fullTurn
}

// label stands before an error, to say in which contest.
func (c Contest) label() string {
	label := ""
	if c.Case != "" {
		label = c.Case + ", "
	}
	if c.Clients > 0 {
		label += fmt.Sprintf("%d clients, ", c.Clients)
	}
	return label
}

// describe adds what a figure depends on.
func (r *Report) describe(ctx context.Context, cfg Config, s *servers) error {
	r.Machine = machine()
	r.Versions = map[string]string{
		"waybill": cfg.Version, "go": runtime.Version(), "nats-server": cmp.Or(s.natsVersion, server.VERSION),
	}
	err := s.onAdmin(ctx, func(conn *pgx.Conn) (err error) {
		r.Versions["postgres"] = conn.PgConn().ParameterStatus("server_version")
		r.Settings, err = settings(ctx, conn)
		return err
	})
	if err != nil {
		return err
	}
	if cfg.NATSURL == "" {
		r.Settings["nats_sync_interval"] = natsSync.String()
	}
	if s.pg != nil {
		took, err := syncTime(s.dir)
		if err != nil {
			return err
		}
		r.Settings["disk_sync"] = took.Round(time.Microsecond).String()
	}
	return nil
}
