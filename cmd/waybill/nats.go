package main

import (
	"os"
	"strings"

	"github.com/nats-io/nats.go"

	"waybill/cmd/waybill/engine"
	"waybill/internal/config"
)

// connector makes the NATS connection of a part.
type connector func(part engine.Part, options ...nats.Option) (*nats.Conn, error)

// newConnector connects each part as the user that nats.conf has for it, where the environment has that user's
// password, and otherwise as nats.url and nats.creds say.
//
// A user of nats.conf hears replies only under an inbox prefix of its own, so that no part reads another's.
func newConnector(a *app, cfg config.Config) connector {
	return func(part engine.Part, options ...nats.Option) (*nats.Conn, error) {
		password, err := a.natsPassword(part)
		if err != nil {
			return nil, err
		}
		switch {
		case password != "":
			options = append(options, nats.UserInfo(string(part), password), nats.CustomInboxPrefix("_INBOX."+string(part)))
		case cfg.NATS.Creds != "":
			options = append(options, nats.UserCredentials(cfg.NATS.Creds))
		}
		conn, err := nats.Connect(cfg.NATS.URL.Reveal(), options...)
		if err != nil {
			return nil, fail(exitError, "waybill doctor", "connect to NATS at %s as %s: %w", cfg.NATS.URL, natsUser(part, password), err)
		}
		return conn, nil
	}
}

// natsUser is what a part calls itself in messages.
func natsUser(part engine.Part, password string) string {
	if password == "" {
		return string(part) + " with what nats.url has"
	}
	return "user " + string(part)
}

// natsVariable is the variable that nats.conf reads the password of a user from, so that one file of secrets serves both.
func natsVariable(part engine.Part) string {
	return "WAYBILL_NATS_" + strings.ToUpper(string(part)) + "_PASSWORD"
}

// natsPassword is the password of the user of a part, from the environment or from the file that it names; "" if there
// is none.
func (a *app) natsPassword(part engine.Part) (string, error) {
	name := natsVariable(part)
	value, path := a.env(name), a.env(name+"_FILE")
	switch {
	case value != "" && path != "":
		return "", fail(exitUsage, "unset one of both", "both %s and %s_FILE are set", name, name)
	case path == "":
		return value, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fail(exitUsage, "", "%s_FILE: %w", name, err)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

// natsUsers says of each part with which user it connects, as lines of config show.
func (a *app) natsUsers() []config.Setting {
	var all []config.Setting
	for _, part := range engine.Parts() {
		s := config.Setting{Key: "nats.user." + string(part), Value: "(as nats.url says)", Origin: "default"}
		name := natsVariable(part)
		switch {
		case a.env(name) != "":
			s.Value, s.Origin = string(part), "environment "+name
		case a.env(name+"_FILE") != "":
			s.Value, s.Origin = string(part), "environment "+name+"_FILE"
		}
		all = append(all, s)
	}
	return all
}
