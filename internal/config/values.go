package config

import (
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
)

// Secret is a value that must not reach a log, an error or a terminal. Printed in whatever way it shows only what is
// no secret of it.
type Secret string

// Reveal is the value itself.
func (s Secret) Reveal() string { return string(s) }

// String is the value with what is secret of it hidden: of an address the password, else everything.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	parts := strings.Split(string(s), ",") // NATS takes several addresses
	for i, part := range parts {
		parts[i] = redact(part)
	}
	return strings.Join(parts, ",")
}

const hidden = "xxxxx" // as url.URL.Redacted has it

func redact(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Opaque != "" {
		return hidden // a connection string of another form: "host=… password=…"
	}
	q := u.Query()
	for key := range q {
		if k := strings.ToLower(key); strings.Contains(k, "password") || strings.Contains(k, "token") {
			q.Set(key, hidden)
			u.RawQuery = q.Encode()
		}
	}
	if u.User != nil && u.Scheme == "nats" {
		if _, has := u.User.Password(); !has {
			u.User = url.User(hidden) // nats://<token>@host
		}
	}
	return u.Redacted()
}

// GoString keeps %#v from showing it.
func (s Secret) GoString() string { return fmt.Sprintf("config.Secret(%q)", s.String()) }

// LogValue keeps slog from showing it.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText keeps JSON and YAML from showing it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Size is a number of bytes, written "262144", "256KiB" or "1MiB".
type Size int64

var _ fmt.Stringer = Size(0)

// String is the size in the largest unit that divides it.
func (s Size) String() string {
	switch {
	case s != 0 && s%(1<<30) == 0:
		return strconv.FormatInt(int64(s>>30), 10) + "GiB"
	case s != 0 && s%(1<<20) == 0:
		return strconv.FormatInt(int64(s>>20), 10) + "MiB"
	case s != 0 && s%(1<<10) == 0:
		return strconv.FormatInt(int64(s>>10), 10) + "KiB"
	default:
		return strconv.FormatInt(int64(s), 10)
	}
}

// MarshalText writes the size as String does.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(text []byte) error {
	digits, shift := strings.TrimSpace(string(text)), 0
	for _, unit := range []struct {
		name  string
		shift int
	}{{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"B", 0}} {
		if rest, ok := strings.CutSuffix(digits, unit.name); ok {
			digits, shift = strings.TrimSpace(rest), unit.shift
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > (1<<62)>>shift {
		return fmt.Errorf("%q is not a size such as 262144, 256KiB or 1MiB", text)
	}
	*s = Size(n << shift)
	return nil
}
