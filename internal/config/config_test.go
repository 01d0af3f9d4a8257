package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/pflag"

	"waybill/internal/config"
)

const password = "correct-horse"

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "waybill.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func flags(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	config.Flags(fs)
	fs.String("output", "table", "a flag of the command's own")
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return fs
}

func TestLoadPrecedence(t *testing.T) {
	t.Parallel()
	const file = "http:\n  addr: file:1\n"
	for name, tt := range map[string]struct {
		file   string
		env    []string
		args   []string
		want   string
		origin string
	}{
		"default":                    {"", nil, nil, "127.0.0.1:8080", "default"},
		"file before default":        {file, nil, nil, "file:1", "file"},
		"environment before file":    {file, []string{"WAYBILL_HTTP_ADDR=env:1"}, nil, "env:1", "environment WAYBILL_HTTP_ADDR"},
		"flag before environment":    {file, []string{"WAYBILL_HTTP_ADDR=env:1"}, []string{"--http-addr=flag:1"}, "flag:1", "flag --http-addr"},
		"empty variable is not set":  {file, []string{"WAYBILL_HTTP_ADDR="}, nil, "file:1", "file"},
		"flag equal to its default":  {file, nil, []string{"--http-addr=127.0.0.1:8080"}, "127.0.0.1:8080", "flag --http-addr"},
		"a command's flag is no key": {"", nil, []string{"--output=json"}, "127.0.0.1:8080", "default"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := ""
			if tt.file != "" {
				path = write(t, tt.file)
			}
			c, origins, err := config.Load(flags(t, tt.args...), tt.env, path)
			if err != nil {
				t.Fatal(err)
			}
			if c.HTTP.Addr != tt.want || !strings.HasPrefix(origins["http.addr"], tt.origin) {
				t.Errorf("http.addr = %q from %q, want %q from %q", c.HTTP.Addr, origins["http.addr"], tt.want, tt.origin)
			}
		})
	}
}

func TestLoadEnvironment(t *testing.T) {
	t.Parallel()
	secretFile := write(t, "postgres://from-file/x\n")
	for name, tt := range map[string]struct {
		env    []string
		url    string
		origin string
	}{
		"none":           {nil, "", "default"},
		"known name":     {[]string{"DATABASE_URL=postgres://a/x"}, "postgres://a/x", "environment DATABASE_URL"},
		"our own before": {[]string{"DATABASE_URL=postgres://a/x", "WAYBILL_DATABASE_URL=postgres://b/x"}, "postgres://b/x", "environment WAYBILL_DATABASE_URL"},
		"file":           {[]string{"WAYBILL_DATABASE_URL_FILE=" + secretFile}, "postgres://from-file/x", "environment WAYBILL_DATABASE_URL_FILE"},
		"known file":     {[]string{"DATABASE_URL_FILE=" + secretFile}, "postgres://from-file/x", "environment DATABASE_URL_FILE"},
		"libpq":          {[]string{"PGHOST=/run/postgresql", "PGUSER=me"}, "postgres://", "environment PGHOST"},
		"libpq last":     {[]string{"PGHOST=h", "DATABASE_URL=postgres://a/x"}, "postgres://a/x", "environment DATABASE_URL"},
		"a mere user":    {[]string{"PGUSER=me", "PGPASSWORD=x"}, "", "default"},
		"nats.conf's":    {[]string{"WAYBILL_NATS_RELAY_PASSWORD=x", "WAYBILL_CONFIG=y"}, "", "default"},
		"the client's":   {[]string{"WAYBILL_SERVER=http://x:1", "WAYBILL_KEY=y"}, "", "default"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, origins, err := config.Load(nil, tt.env, "")
			if err != nil {
				t.Fatal(err)
			}
			if c.Database.URL.Reveal() != tt.url || origins["database.url"] != tt.origin {
				t.Errorf("database.url = %q from %q, want %q from %q", c.Database.URL.Reveal(), origins["database.url"], tt.url, tt.origin)
			}
		})
	}
}

func TestLibpqAddressMeansTheVariables(t *testing.T) {
	t.Setenv("PGHOST", "db.example")
	t.Setenv("PGPORT", "6432")
	c, _, err := config.Load(nil, os.Environ(), "")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := pgx.ParseConfig(c.Database.URL.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	if parsed.Host != "db.example" || parsed.Port != 6432 {
		t.Errorf("pgx connects to %s:%d", parsed.Host, parsed.Port)
	}
}

func TestLoadEveryKind(t *testing.T) {
	t.Parallel()
	want := config.Config{
		Database:      config.Database{URL: "postgres://u@h/d"},
		NATS:          config.NATS{URL: "nats://a,nats://b", Creds: "/c"},
		HTTP:          config.HTTP{Addr: ":1"},
		Admin:         config.Admin{Addr: ":2"},
		Roles:         []string{"api", "relay"},
		Data:          config.Data{Dir: "/d"},
		Log:           config.Log{Level: slog.LevelDebug, Format: "json"},
		Limits:        config.Limits{BodyBytes: 1 << 20, Connections: 8, CommandTimeout: 90 * time.Second},
		Shutdown:      config.Shutdown{Delay: time.Minute},
		AllowDataLoss: true,
	}
	file := `
database: {url: "postgres://u@h/d"}
nats: {url: "nats://a,nats://b", creds: /c}
http: {addr: ":1"}
admin: {addr: ":2"}
roles: [api, relay]
data: {dir: /d}
log: {level: debug, format: json}
limits: {body_bytes: 1MiB, connections: 8, command_timeout: 90s}
shutdown: {delay: 1m}
allow_data_loss: true
`
	env := []string{
		"WAYBILL_DATABASE_URL=postgres://u@h/d", "WAYBILL_NATS_URL=nats://a,nats://b", "WAYBILL_NATS_CREDS=/c",
		"WAYBILL_HTTP_ADDR=:1", "WAYBILL_ADMIN_ADDR=:2", "WAYBILL_ROLES=api, relay", "WAYBILL_DATA_DIR=/d",
		"WAYBILL_LOG_LEVEL=DEBUG", "WAYBILL_LOG_FORMAT=json", "WAYBILL_LIMITS_BODY_BYTES=1048576",
		"WAYBILL_LIMITS_CONNECTIONS=8", "WAYBILL_LIMITS_COMMAND_TIMEOUT=1m30s", "WAYBILL_SHUTDOWN_DELAY=60s",
		"WAYBILL_ALLOW_DATA_LOSS=true",
	}
	args := []string{
		"--database-url=postgres://u@h/d", "--nats-url=nats://a,nats://b", "--nats-creds=/c", "--http-addr=:1", "--admin-addr=:2",
		"--roles=api,relay", "--data-dir=/d", "--log-level=debug", "--log-format=json", "--limits-body-bytes=1MiB",
		"--limits-connections=8", "--limits-command-timeout=90s", "--shutdown-delay=1m", "--allow-data-loss",
	}
	for name, load := range map[string]func() (config.Config, config.Origins, error){
		"file":        func() (config.Config, config.Origins, error) { return config.Load(nil, nil, write(t, file)) },
		"environment": func() (config.Config, config.Origins, error) { return config.Load(nil, env, "") },
		"flags":       func() (config.Config, config.Origins, error) { return config.Load(flags(t, args...), nil, "") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, origins, err := load()
			if err != nil {
				t.Fatal(err)
			}
			if a, b := fmt.Sprintf("%#v", got), fmt.Sprintf("%#v", want); a != b {
				t.Errorf("config\n got %s\nwant %s", a, b)
			}
			for _, s := range got.Settings(origins) {
				if s.Origin == "default" {
					t.Errorf("%s was not taken from the %s", s.Key, name)
				}
			}
		})
	}
}

func TestLoadErrors(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		file string
		env  []string
		args []string
		want []string
	}{
		"unknown key":            {file: "databse:\n  url: x\n", want: []string{"unknown key databse.url", "did you mean database.url?"}},
		"unknown key, none near": {file: "colour: red\n", want: []string{"unknown key colour"}},
		"key below a value":      {file: "roles: {api: true}\n", want: []string{"unknown key roles.api"}},
		"unknown variable":       {env: []string{"WAYBILL_HTP_ADDR=x"}, want: []string{"environment: unknown key WAYBILL_HTP_ADDR", "did you mean WAYBILL_HTTP_ADDR?"}},
		"not a number":           {env: []string{"WAYBILL_LIMITS_CONNECTIONS=many"}, want: []string{"limits.connections (environment WAYBILL_LIMITS_CONNECTIONS)"}},
		"not a duration":         {args: []string{"--shutdown-delay=soon"}, want: []string{"shutdown.delay (flag --shutdown-delay)"}},
		"duration without unit":  {file: "shutdown: {delay: 5}\n", want: []string{"5 has no unit, write such as 5s"}},
		"not a size":             {args: []string{"--limits-body-bytes=big"}, want: []string{`"big" is not a size`}},
		"size too large":         {args: []string{"--limits-body-bytes=9999999999GiB"}, want: []string{"is not a size"}},
		"not a level":            {args: []string{"--log-level=loud"}, want: []string{"log.level (flag --log-level)"}},
		"not yaml":               {file: "a: [", want: []string{"file "}},
		"both forms":             {env: []string{"DATABASE_URL=x", "DATABASE_URL_FILE=y"}, want: []string{"both DATABASE_URL and DATABASE_URL_FILE"}},
		"missing secret file":    {env: []string{"DATABASE_URL_FILE=/nowhere"}, want: []string{"DATABASE_URL_FILE", "no such file"}},
		"secret of odd form":     {file: "database: {url: [" + password + ", b]}\n", want: []string{"database.url"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := ""
			if tt.file != "" {
				path = write(t, tt.file)
			}
			_, _, err := config.Load(flags(t, tt.args...), tt.env, path)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error = %q, want it to say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), password) {
				t.Errorf("error shows a secret: %q", err)
			}
		})
	}
	if _, _, err := config.Load(nil, nil, "/nowhere.yaml"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	_, _, err := config.Load(nil, []string{"WAYBILL_XYLOPHONE=1"}, "")
	if unknown, ok := errors.AsType[*config.UnknownKeyError](err); !ok || unknown.Key != "WAYBILL_XYLOPHONE" || unknown.Meant != "" {
		t.Errorf("error = %#v", err)
	}
}

func TestEmptySectionIsNothing(t *testing.T) {
	t.Parallel()
	if _, _, err := config.Load(nil, nil, write(t, "database:\nhttp: {}\n")); err != nil {
		t.Error(err)
	}
}

func TestSecretsNeverShow(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{
		"postgres://waybill:" + password + "@db/x",
		"postgres://waybill@db/x?password=" + password,
		"host=db password=" + password,
		"nats://" + password + "@host",
		"nats://a:" + password + "@h1:4222,nats://a:" + password + "@h2:4222",
		password,
	} {
		c := config.Default()
		c.Database.URL, c.NATS.URL = config.Secret(secret), config.Secret(secret)
		var log strings.Builder
		slog.New(slog.NewJSONHandler(&log, nil)).InfoContext(t.Context(), "start", slog.Any("url", c.Database.URL), slog.Any("config", c))
		asJSON, err := json.Marshal(map[string]any{"database": c.Database.URL, "nats": c.NATS.URL})
		if err != nil {
			t.Fatal(err)
		}
		for _, shown := range []string{
			fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c), fmt.Sprintf("%q", c.NATS.URL), c.NATS.URL.String(),
			string(asJSON), log.String(), fmt.Sprint(c.Settings(nil)),
		} {
			if strings.Contains(shown, password) {
				t.Errorf("%q shows in %s", secret, shown)
			}
		}
		if c.Database.URL.Reveal() != secret {
			t.Errorf("Reveal = %q", c.Database.URL.Reveal())
		}
	}
	if got := config.Secret("postgres://me@db/x").String(); got != "postgres://me@db/x" {
		t.Errorf("an address without a secret shows as %q", got)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	if err := config.Default().Validate(); err != nil {
		t.Errorf("default: %v", err)
	}
	for name, tt := range map[string]struct {
		change func(*config.Config)
		want   string
	}{
		"http.addr":   {func(c *config.Config) { c.HTTP.Addr = "8080" }, `http.addr: "8080" is not host:port`},
		"admin.addr":  {func(c *config.Config) { c.Admin.Addr = "" }, "admin.addr: "},
		"no role":     {func(c *config.Config) { c.Roles = nil }, "roles: at least one"},
		"a role":      {func(c *config.Config) { c.Roles = []string{"rely"} }, `roles: "rely" is none of relay, projections, processes, intake, api; did you mean relay?`},
		"data.dir":    {func(c *config.Config) { c.Data.Dir = "" }, "data.dir: is empty"},
		"log.format":  {func(c *config.Config) { c.Log.Format = "xml" }, `log.format: "xml"`},
		"body":        {func(c *config.Config) { c.Limits.BodyBytes = -1 }, "limits.body_bytes: must"},
		"connections": {func(c *config.Config) { c.Limits.Connections = 0 }, "limits.connections: must"},
		"timeout":     {func(c *config.Config) { c.Limits.CommandTimeout = 0 }, "limits.command_timeout: must"},
		"delay":       {func(c *config.Config) { c.Shutdown.Delay = -1 }, "shutdown.delay: must"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := config.Default()
			tt.change(&c)
			if err := c.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want it to say %q", err, tt.want)
			}
		})
	}
}

func TestEveryKeyHasItsOwnFlagWithHelp(t *testing.T) {
	t.Parallel()
	fs := flags(t)
	c := config.Default()
	for _, s := range c.Settings(nil) {
		name := strings.NewReplacer(".", "-", "_", "-").Replace(s.Key)
		f := fs.Lookup(name)
		if f == nil {
			t.Errorf("no flag for %s", s.Key)
			continue
		}
		if strings.HasPrefix(f.Usage, " ") {
			t.Errorf("--%s has no help", name)
		}
	}
	some := pflag.NewFlagSet("some", pflag.ContinueOnError)
	config.Flags(some, "http.addr")
	var got []string
	some.VisitAll(func(f *pflag.Flag) { got = append(got, f.Name) })
	if !slices.Equal(got, []string{"http-addr"}) {
		t.Errorf("flags = %v", got)
	}
}

func TestSizeText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]config.Size{"0": 0, "17": 17, "17B": 17, "256KiB": 256 << 10, " 3 MiB ": 3 << 20, "2GiB": 2 << 30} {
		var got config.Size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q = %d, %v; want %d", text, got, err, want)
		}
		var again config.Size
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != want {
			t.Errorf("%q written as %q reads as %d, %v", text, got, again, err)
		}
	}
}
