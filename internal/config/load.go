package config

import (
	"encoding"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	env "github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

const (
	delim     = "."
	envPrefix = "WAYBILL_"
	// FileVariable names the configuration file; the caller of Load reads it, since a flag may go before it.
	FileVariable = envPrefix + "CONFIG"
	// ServerVariable says to the client commands where the engine is. It configures no engine; Load lets it pass.
	ServerVariable = envPrefix + "SERVER"
	// KeyVariable says to the client commands who asks. It configures no engine; Load lets it pass.
	KeyVariable = envPrefix + "KEY"
	byDefault   = "default"
)

// Origins says of every key where its value came from: "flag --http-addr", "environment NATS_URL",
// "file waybill.yaml" or "default".
type Origins map[string]string

// Setting is one line of `config show`.
type Setting struct {
	Key    string `json:"key"`
	Value  string `json:"value"` // secrets hidden
	Origin string `json:"origin"`
}

// UnknownKeyError says that a file or the environment sets what does not exist.
type UnknownKeyError struct {
	Origin string // "file waybill.yaml", "environment"
	Key    string
	Meant  string // the nearest that exists; empty when none is near
}

func (e *UnknownKeyError) Error() string {
	text := fmt.Sprintf("%s: unknown key %s", e.Origin, e.Key)
	if e.Meant != "" {
		text += fmt.Sprintf("; did you mean %s?", e.Meant)
	}
	return text
}

// field is one setting: what the struct tags say of it, and where it stands.
type field struct {
	key   string // "database.url"
	alias string // "DATABASE_URL"
	usage string
	value reflect.Value // addressable
}

func (f field) flag() string { return strings.NewReplacer(delim, "-", "_", "-").Replace(f.key) }
func (f field) variable() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(f.key, delim, "_"))
}
func (f field) secret() bool { return f.value.Type() == reflect.TypeFor[Secret]() }

// fields walks the struct: every leaf with a koanf tag is a setting.
func fields(c *Config) []field { return walk(reflect.ValueOf(c).Elem(), "") }

func walk(v reflect.Value, prefix string) []field {
	var all []field
	for f, value := range v.Fields() {
		key := prefix + f.Tag.Get("koanf")
		if f.Type.Kind() == reflect.Struct {
			all = append(all, walk(value, key+delim)...)
			continue
		}
		all = append(all, field{key: key, alias: f.Tag.Get("env"), usage: f.Tag.Get("usage"), value: value})
	}
	return all
}

// Flags registers a flag for each of the keys, or for all when none is named. Load looks at those that were given.
func Flags(flags *pflag.FlagSet, keys ...string) {
	c := Default()
	for _, f := range fields(&c) {
		if len(keys) > 0 && !slices.Contains(keys, f.key) {
			continue
		}
		usage := fmt.Sprintf("%s (%s)", f.usage, f.variable())
		if f.value.Kind() == reflect.Bool {
			flags.Bool(f.flag(), f.value.Bool(), usage)
			continue
		}
		flags.String(f.flag(), text(f.value), usage)
	}
}

// Load puts the configuration together: flags that were given go before environ (as os.Environ has it), that before
// the YAML file (none when file is empty), that before Default. It does not validate.
func Load(flags *pflag.FlagSet, environ []string, path string) (Config, Origins, error) {
	c := Default()
	all := fields(&c)
	origins := Origins{}
	for _, f := range all {
		origins[f.key] = byDefault
	}
	ko := koanf.New(delim)
	for _, layer := range []func() (map[string]any, map[string]string, error){
		func() (map[string]any, map[string]string, error) { return fromFile(path, all) },
		func() (map[string]any, map[string]string, error) { return fromEnvironment(environ, all) },
		func() (map[string]any, map[string]string, error) { return fromFlags(flags, all) },
	} {
		values, from, err := layer()
		if err != nil {
			return Config{}, nil, fmt.Errorf("read the configuration: %w", err)
		}
		for key, value := range values {
			if err := ko.Set(key, value); err != nil {
				return Config{}, nil, fmt.Errorf("read the configuration: %s: %w", key, err)
			}
			origins[key] = from[key]
		}
	}
	for _, f := range all {
		if !ko.Exists(f.key) {
			continue
		}
		if err := decode(ko.Get(f.key), f); err != nil {
			return Config{}, nil, fmt.Errorf("read the configuration: %s (%s): %w", f.key, origins[f.key], err)
		}
	}
	return c, origins, nil
}

// Settings lists the configuration by key, with origins and without secrets.
func (c Config) Settings(origins Origins) []Setting {
	all := fields(&c)
	settings := make([]Setting, 0, len(all))
	for _, f := range all {
		settings = append(settings, Setting{Key: f.key, Value: text(f.value), Origin: origins[f.key]})
	}
	slices.SortFunc(settings, func(a, b Setting) int { return strings.Compare(a.Key, b.Key) })
	return settings
}

func fromFile(path string, all []field) (values map[string]any, from map[string]string, err error) {
	if path == "" {
		return nil, nil, nil
	}
	ko := koanf.New(delim)
	if err := ko.Load(file.Provider(path), yaml.Parser()); err != nil {
		return nil, nil, fmt.Errorf("file %s: %w", path, err)
	}
	values, from = ko.All(), map[string]string{}
	for key, value := range values {
		if isEmpty(value) && isSection(key, all) { // "database:" with nothing below it
			delete(values, key)
			continue
		}
		if !slices.ContainsFunc(all, func(f field) bool { return f.key == key }) {
			return nil, nil, &UnknownKeyError{Origin: "file " + path, Key: key, Meant: nearest(key, names(all, func(f field) string { return f.key }))}
		}
		from[key] = "file " + path
	}
	return values, from, nil
}

func isEmpty(value any) bool {
	section, ok := value.(map[string]any)
	return value == nil || ok && len(section) == 0
}

func isSection(key string, all []field) bool {
	return slices.ContainsFunc(all, func(f field) bool { return strings.HasPrefix(f.key, key+delim) })
}

// fromEnvironment reads WAYBILL_* (strictly), the names that other tools have made known, and for secrets the same
// names with _FILE, which hold a path. What is our own goes before what is known elsewhere.
func fromEnvironment(environ []string, all []field) (values map[string]any, from map[string]string, err error) {
	ko := koanf.New(delim)
	provider := env.Provider("\x00", env.Opt{ // no variable's name holds the delimiter: the names stay flat
		EnvironFunc:   func() []string { return environ },
		TransformFunc: func(k, v string) (string, any) { return k, v },
	})
	if err := ko.Load(provider, nil); err != nil {
		return nil, nil, fmt.Errorf("environment: %w", err)
	}
	vars := ko.Raw()
	values, from = map[string]any{}, map[string]string{}
	for _, f := range all {
		for _, name := range []string{f.variable(), f.alias} { // our own first
			value, origin, err := lookup(vars, name, f.secret())
			if err != nil {
				return nil, nil, err
			}
			if origin != "" && from[f.key] == "" {
				values[f.key], from[f.key] = value, "environment "+origin
			}
		}
	}
	known := append(names(all, field.variable), FileVariable, ServerVariable, KeyVariable)
	for _, f := range all {
		if f.secret() {
			known = append(known, f.variable()+"_FILE")
		}
	}
	for name := range vars {
		if strings.HasPrefix(name, envPrefix) && !slices.Contains(known, name) && !ofNATSServer(name) {
			return nil, nil, &UnknownKeyError{Origin: "environment", Key: name, Meant: nearest(name, known)}
		}
	}
	if from["database.url"] == "" {
		if by := libpqVariable(vars); by != "" {
			values["database.url"], from["database.url"] = "postgres://", "environment "+by
		}
	}
	return values, from, nil
}

// lookup answers the value of one variable, or of the file that name_FILE names, and which of both it was.
func lookup(vars map[string]any, name string, secret bool) (value, origin string, err error) {
	value, _ = vars[name].(string)
	if value != "" {
		origin = name
	}
	if name == "" || !secret {
		return value, origin, nil
	}
	path, _ := vars[name+"_FILE"].(string)
	if path == "" {
		return value, origin, nil
	}
	if origin != "" {
		return "", "", fmt.Errorf("environment: both %s and %s_FILE are set", name, name)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", "", fmt.Errorf("environment %s_FILE: %w", name, err)
	}
	return strings.TrimRight(string(b), "\r\n"), name + "_FILE", nil
}

// ofNATSServer tells the passwords that nats.conf takes from its server's environment, which may be ours too.
func ofNATSServer(name string) bool {
	return strings.HasPrefix(name, envPrefix+"NATS_") && strings.HasSuffix(strings.TrimSuffix(name, "_FILE"), "_PASSWORD")
}

// libpqVariable answers which PG* variable points at a database. A mere PGUSER or PGPASSWORD does not.
func libpqVariable(vars map[string]any) string {
	for _, name := range []string{"PGHOST", "PGSERVICE", "PGDATABASE"} {
		if v, _ := vars[name].(string); v != "" {
			return name
		}
	}
	return ""
}

func fromFlags(flags *pflag.FlagSet, all []field) (values map[string]any, from map[string]string, err error) {
	if flags == nil {
		return nil, nil, nil
	}
	from = map[string]string{}
	ko := koanf.New(delim)
	provider := posflag.ProviderWithFlag(flags, delim, ko, func(f *pflag.Flag) (string, any) {
		i := slices.IndexFunc(all, func(s field) bool { return s.flag() == f.Name })
		if i < 0 || !f.Changed {
			return "", nil // the flag of a command, or a default
		}
		from[all[i].key] = "flag --" + f.Name
		return all[i].key, f.Value.String()
	})
	if err := ko.Load(provider, nil); err != nil {
		return nil, nil, fmt.Errorf("flags: %w", err)
	}
	return ko.All(), from, nil
}

// decode puts a value of whatever source into its field.
func decode(value any, f field) error {
	d, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result:           f.value.Addr().Interface(),
		WeaklyTypedInput: true,
		DecodeHook: mapstructure.ComposeDecodeHookFunc(
			mapstructure.StringToTimeDurationHookFunc(),
			mapstructure.TextUnmarshallerHookFunc(),
			mapstructure.StringToWeakSliceHookFunc(","),
		),
	})
	if err != nil {
		return err
	}
	if n, ok := value.(int); ok && f.value.Type() == reflect.TypeFor[time.Duration]() && n != 0 {
		return fmt.Errorf("%d has no unit, write such as %ds", n, n)
	}
	f.value.SetZero() // a list replaces the default, it does not lengthen it
	if err := d.Decode(value); err != nil {
		if f.secret() {
			return errors.New("not a text")
		}
		return err
	}
	if list, ok := reflect.TypeAssert[[]string](f.value); ok {
		for i := range list {
			list[i] = strings.TrimSpace(list[i])
		}
	}
	return nil
}

// text is a value as it would be written in a file.
func text(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case encoding.TextMarshaler:
		b, err := x.MarshalText()
		if err != nil {
			return err.Error()
		}
		return string(b)
	case []string:
		return strings.Join(x, ",")
	default:
		return fmt.Sprint(x)
	}
}

func names(all []field, name func(field) string) []string {
	list := make([]string, 0, len(all))
	for _, f := range all {
		list = append(list, name(f))
	}
	return list
}
