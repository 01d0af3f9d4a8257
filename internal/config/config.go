// Package config gathers what a Waybill process is told from the outside: flags go before environment variables,
// those before the YAML file, that before the defaults. It remembers where every value came from, refuses a key it
// does not know and names the one that was probably meant, and never prints a secret.
//
// It does not open connections, does not watch the file for changes, and gives no component its defaults: those
// belong to the components.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"
)

// Config is everything that can be set. A field's key is its path in lower case ("database.url"); its flag is
// --database-url and its environment variable WAYBILL_DATABASE_URL. To add a setting, add a field.
type Config struct {
	Database Database `koanf:"database"`
	NATS     NATS     `koanf:"nats"`
	HTTP     HTTP     `koanf:"http"`
	Admin    Admin    `koanf:"admin"`
	// Roles of this process: which parts of the engine it runs.
	Roles    []string `koanf:"roles" usage:"parts of the engine to run: api, relay, projections, processes, intake"`
	Data     Data     `koanf:"data"`
	Log      Log      `koanf:"log"`
	Limits   Limits   `koanf:"limits"`
	Shutdown Shutdown `koanf:"shutdown"`
	// AllowDataLoss lets the engine start on a database where fsync or synchronous_commit is off.
	AllowDataLoss bool `koanf:"allow_data_loss" usage:"start even on a database that may lose acknowledged events"`
}

// Database is the Postgres that holds the log and the read models.
type Database struct {
	// URL of it. Where it is empty and PGHOST, PGSERVICE or PGDATABASE is set, it becomes "postgres://", which leaves
	// everything to the PG* variables (and the password to ~/.pgpass or PGPASSWORD).
	URL Secret `koanf:"url" env:"DATABASE_URL" usage:"address of Postgres"`
}

// NATS is the server that carries events and commands.
type NATS struct {
	// URL of one server, or several separated by commas.
	URL Secret `koanf:"url" env:"NATS_URL" usage:"address of NATS, several separated by commas"`
	// Creds is the path of a credentials file (JWT and nkey); empty: what stands in URL, or none.
	Creds string `koanf:"creds" usage:"path of the NATS credentials file"`
}

// HTTP is the public edge.
type HTTP struct {
	// Addr to listen on, host:port.
	Addr string `koanf:"addr" usage:"address that the HTTP API listens on"`
}

// Admin is the operators' edge: metrics and pprof.
type Admin struct {
	// Addr to listen on, host:port. Keep it on a loopback or private address: it asks nobody who they are.
	Addr string `koanf:"addr" usage:"address that metrics and pprof listen on"`
}

// Data is what this process keeps on its own disk.
type Data struct {
	// Dir of `waybill dev`: its Postgres, its JetStream.
	Dir string `koanf:"dir" usage:"folder for the data of dev"`
}

// Log is what the process says on standard error.
type Log struct {
	// Level from which on records are written: debug, info, warn or error.
	Level slog.Level `koanf:"level" usage:"debug, info, warn or error"`
	// Format: json, text, or auto (text on a terminal, JSON elsewhere).
	Format string `koanf:"format" usage:"auto, text or json"`
}

// Limits guard the edges against what is too large, too much or too slow.
type Limits struct {
	// BodyBytes of one request or message.
	BodyBytes Size `koanf:"body_bytes" usage:"largest request body, such as 256KiB"`
	// Connections open to the HTTP edge at one time.
	Connections int `koanf:"connections" usage:"most HTTP connections at one time"`
	// CommandTimeout bounds how long a caller waits for the outcome of a command.
	CommandTimeout time.Duration `koanf:"command_timeout" usage:"longest wait for the outcome of a command"`
}

// Shutdown is how the process takes its leave.
type Shutdown struct {
	// Delay between "not ready" and the end of listening, for load balancers to notice.
	Delay time.Duration `koanf:"delay" usage:"wait between being not ready and closing the door"`
}

// Names of the roles.
const (
	RoleAPI         = "api"
	RoleRelay       = "relay"
	RoleProjections = "projections"
	RoleProcesses   = "processes"
	RoleIntake      = "intake"
)

// AllRoles is every role, in the order in which they start.
func AllRoles() []string {
	return []string{RoleRelay, RoleProjections, RoleProcesses, RoleIntake, RoleAPI}
}

// Default is the configuration of a process that was told nothing.
func Default() Config {
	return Config{
		HTTP:   HTTP{Addr: "127.0.0.1:8080"},
		Admin:  Admin{Addr: "127.0.0.1:6060"},
		Roles:  AllRoles(),
		Data:   Data{Dir: "./.waybill"},
		Log:    Log{Level: slog.LevelInfo, Format: "auto"},
		Limits: Limits{BodyBytes: 256 << 10, Connections: 4096, CommandTimeout: 10 * time.Second},
	}
}

// Validate reports every value that cannot work, by its key.
func (c Config) Validate() error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
	for _, a := range []struct{ key, addr string }{{"http.addr", c.HTTP.Addr}, {"admin.addr", c.Admin.Addr}} {
		if _, _, err := net.SplitHostPort(a.addr); err != nil {
			bad(a.key, "%q is not host:port", a.addr)
		}
	}
	if len(c.Roles) == 0 {
		bad("roles", "at least one of %s is needed", strings.Join(AllRoles(), ", "))
	}
	for _, role := range c.Roles {
		if !slices.Contains(AllRoles(), role) {
			bad("roles", "%q is none of %s%s", role, strings.Join(AllRoles(), ", "), didYouMean(role, AllRoles()))
		}
	}
	if c.Data.Dir == "" {
		bad("data.dir", "is empty")
	}
	if !slices.Contains([]string{"auto", "text", "json"}, c.Log.Format) {
		bad("log.format", "%q is none of auto, text, json", c.Log.Format)
	}
	for _, l := range []struct {
		key   string
		value int64
	}{
		{"limits.body_bytes", int64(c.Limits.BodyBytes)},
		{"limits.connections", int64(c.Limits.Connections)},
		{"limits.command_timeout", int64(c.Limits.CommandTimeout)},
	} {
		if l.value <= 0 {
			bad(l.key, "must be more than 0")
		}
	}
	if c.Shutdown.Delay < 0 {
		bad("shutdown.delay", "must not be less than 0")
	}
	return errors.Join(errs...)
}
