package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"waybill/eventstore"
	"waybill/internal/devstack"
)

const (
	databasePrefix = "waybill_bench_"
	streamPrefix   = "WAYBILL" // of all streams that the engine makes
	eventSubjects  = "waybill.>"
	natsSync       = time.Second
)

// servers are what everything runs on: our own, made when first asked for, or the user's.
type servers struct {
	cfg  Config
	dir  string // temporary; removed at the end
	pg   *devstack.Postgres
	nats *devstack.NATS

	admin       string // address of a database to create others from
	roles       []string
	before      []string // streams that were there already
	cleaning    bool     // the workload that runs has asked for the broker
	natsVersion string
}

// startServers starts our own Postgres, or looks whether the user's answers.
func startServers(ctx context.Context, cfg Config) (_ *servers, err error) {
	s := &servers{cfg: cfg}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop(ctx))
		}
	}()
	if s.dir, err = os.MkdirTemp("", "waybill-bench-"); err != nil {
		return nil, fmt.Errorf("make a folder for the servers: %w", err)
	}
	if err := os.Chmod(s.dir, 0o755); err != nil { //nolint:gosec // Postgres, as another user, has to get through
		return nil, fmt.Errorf("open the folder of the servers: %w", err)
	}
	if cfg.DatabaseURL != "" {
		s.admin = cfg.DatabaseURL
	} else if err := s.startPostgres(ctx); err != nil {
		return nil, err
	}
	err = s.onAdmin(ctx, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `SELECT rolname FROM pg_roles`)
		if err != nil {
			return err
		}
		s.roles, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return s, err
}

func (s *servers) startPostgres(ctx context.Context) error {
	set := map[string]string{"max_connections": "400"}
	if s.cfg.CommitDelay > 0 {
		set["commit_delay"], set["commit_siblings"] = strconv.FormatInt(s.cfg.CommitDelay.Microseconds(), 10), "0"
	}
	var err error
	s.pg, err = devstack.StartPostgres(ctx, devstack.PostgresConfig{
		Dir: filepath.Join(s.dir, "postgres"), Ephemeral: true, Settings: set, Logger: s.cfg.Logger,
	})
	if err != nil {
		return err
	}
	s.admin = s.pg.URL("postgres")
	return nil
}

// stop removes everything that is ours.
func (s *servers) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
	defer cancel()
	var errs []error
	if s.nats != nil {
		s.nats.Stop()
	}
	if s.pg != nil {
		errs = append(errs, s.pg.Stop(ctx))
	}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

func (s *servers) onAdmin(ctx context.Context, do func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, s.admin)
	if err != nil {
		return fmt.Errorf("connect to postgres: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return do(conn)
}

// createDatabase makes an empty database and returns its address, and what removes it with all that came with it.
func (s *servers) createDatabase(ctx context.Context) (address string, drop func(context.Context) error, err error) {
	u, err := url.Parse(s.admin)
	if err != nil {
		return "", nil, fmt.Errorf("create a database for the workload: %w", err)
	}
	name := databasePrefix + strings.ReplaceAll(uuid.NewString(), "-", "")[:12]
	err = s.onAdmin(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "CREATE DATABASE "+name+" ENCODING 'UTF8' TEMPLATE template0")
		return err
	})
	if err != nil {
		return "", nil, fmt.Errorf("create a database for the workload: %w", err)
	}
	u.Path = "/" + name
	return u.String(), func(ctx context.Context) error { return s.dropDatabase(ctx, name) }, nil
}

// dropDatabase removes a database, and the roles that the schema brought into the cluster.
func (s *servers) dropDatabase(ctx context.Context, name string) error {
	err := s.onAdmin(ctx, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			return err
		}
		for _, role := range eventstore.Roles() {
			if slices.Contains(s.roles, string(role)) {
				continue
			}
			if _, err := conn.Exec(ctx, "DROP ROLE IF EXISTS "+pgx.Identifier{string(role)}.Sanitize()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("remove the database of the workload: %w", err)
	}
	return nil
}

// broker returns what connects to NATS, and the first time that a workload asks, what removes its streams.
func (s *servers) broker(ctx context.Context) (connect func(...nats.Option) (*nats.Conn, error), clean func(context.Context) error, err error) {
	connect = func(options ...nats.Option) (*nats.Conn, error) { return nats.Connect(s.cfg.NATSURL, options...) }
	if s.cfg.NATSURL == "" {
		if s.nats == nil {
			s.nats, err = devstack.StartNATS(devstack.NATSConfig{
				Dir: filepath.Join(s.dir, "nats"), Port: -1, SyncInterval: natsSync, Name: "waybill-bench", Logger: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				return nil, nil, err
			}
		}
		connect = s.nats.Connect
	}
	if s.cleaning {
		return connect, nil, nil
	}
	err = onJetStream(connect, func(js jetstream.JetStream, version string) error {
		s.natsVersion = version
		if name, err := js.StreamNameBySubject(ctx, eventSubjects); err == nil {
			return fmt.Errorf("stream %s has the subjects of Waybill already: bench needs a NATS server or account without it", name)
		} else if !errors.Is(err, jetstream.ErrStreamNotFound) {
			return err
		}
		s.before, err = streams(ctx, js)
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("look at nats: %w", err)
	}
	s.cleaning = true
	return connect, func(ctx context.Context) error { return s.removeStreams(ctx, connect) }, nil
}

func (s *servers) removeStreams(ctx context.Context, connect func(...nats.Option) (*nats.Conn, error)) error {
	s.cleaning = false
	return onJetStream(connect, func(js jetstream.JetStream, _ string) error {
		names, err := streams(ctx, js)
		if err != nil {
			return err
		}
		for _, name := range names {
			if !strings.HasPrefix(name, streamPrefix) || slices.Contains(s.before, name) {
				continue
			}
			if err := js.DeleteStream(ctx, name); err != nil {
				return fmt.Errorf("remove stream %s: %w", name, err)
			}
		}
		return nil
	})
}

func onJetStream(connect func(...nats.Option) (*nats.Conn, error), do func(js jetstream.JetStream, version string) error) error {
	conn, err := connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	return do(js, conn.ConnectedServerVersion())
}

func streams(ctx context.Context, js jetstream.JetStream) ([]string, error) {
	list := js.StreamNames(ctx)
	var names []string
	for name := range list.Name() {
		names = append(names, name)
	}
	return names, list.Err()
}
