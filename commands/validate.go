package commands

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"waybill/domain/order"
	"waybill/domain/stock"
	"waybill/eventstore"
)

// Limits of one command.
const (
	// MaxSteps is how many domain commands: an order of the most lines, each of an item of its own, and room for more.
	MaxSteps     = order.MaxLines + 24
	MaxClaims    = 16  // claims of the sender's own
	MaxAttribute = 200 // bytes of actor, channel, correlation, causation, traceparent and key
	maxType      = 64
)

// validate refuses a command that no log could take. Its errors match [ErrInvalid] and say what to do.
func (c *Command) validate() error {
	switch {
	case c.ID == uuid.Nil:
		return fmt.Errorf("%w: id is zero: make a new UUID for every command, and keep it when sending it again", ErrInvalid)
	case !isType(c.Type):
		return fmt.Errorf("%w: type %q: want up to %d lower case letters, digits, dots, dashes and underscores, such as \"order.place\"", ErrInvalid, c.Type, maxType)
	case len(c.Steps) == 0:
		return fmt.Errorf("%w: it has no steps: add at least one domain command", ErrInvalid)
	case len(c.Steps) > MaxSteps:
		return fmt.Errorf("%w: %d steps, at most %d: divide it into several commands", ErrInvalid, len(c.Steps), MaxSteps)
	case len(c.Claims) > MaxClaims:
		return fmt.Errorf("%w: %d claims, at most %d", ErrInvalid, len(c.Claims), MaxClaims)
	case len(c.Fingerprint) > MaxAttribute:
		return fmt.Errorf("%w: fingerprint has %d bytes, at most %d: use a hash", ErrInvalid, len(c.Fingerprint), MaxAttribute)
	case c.Expected != nil && *c.Expected < 0:
		return fmt.Errorf("%w: expected version %d is negative: 0 stands for a stream that does not exist yet", ErrInvalid, *c.Expected)
	}
	for _, a := range [...]struct{ name, value string }{
		{"actor", c.Actor},
		{"channel", c.Channel},
		{"correlation id", c.CorrelationID},
		{"causation id", c.CausationID},
		{"traceparent", c.Traceparent},
		{"key", c.Key},
	} {
		if len(a.value) > MaxAttribute || !isText(a.value) {
			return fmt.Errorf("%w: %s has %d bytes: want at most %d of valid UTF-8 without control characters", ErrInvalid, a.name, len(a.value), MaxAttribute)
		}
	}
	for i, k := range c.Claims {
		if slices.Contains(c.Claims[:i], k) {
			return fmt.Errorf("%w: claim %q is named twice", ErrInvalid, k)
		}
		if k == "" || len(k) > eventstore.MaxStreamName || !isText(k) {
			return fmt.Errorf("%w: claim %q: want 1 to %d bytes of valid UTF-8 without control characters", ErrInvalid, k, eventstore.MaxStreamName)
		}
	}
	return c.validateSteps()
}

func (c *Command) validateSteps() error {
	places := 0
	for i, s := range c.Steps {
		name := s.stream()
		switch {
		case name == "":
			return fmt.Errorf("%w: step %d is empty: make it with Order or Stock", ErrInvalid, i)
		case len(name) > eventstore.MaxStreamName || !isText(name):
			return fmt.Errorf("%w: step %d: stream %q: want at most %d bytes of valid UTF-8 without control characters", ErrInvalid, i, name, eventstore.MaxStreamName)
		case s.order != nil && s.order.OrderID() == "":
			return fmt.Errorf("%w: step %d names no order: set the id of the order", ErrInvalid, i)
		}
		if s.stock != nil {
			if _, _, ok := stock.ParseStream(name); !ok {
				return fmt.Errorf("%w: step %d: %q is no stock item: set a SKU and a location", ErrInvalid, i, name)
			}
		}
		if _, ok := s.order.(order.Place); ok {
			places++
		}
	}
	if places > 1 {
		return fmt.Errorf("%w: it places %d orders: send one command for each", ErrInvalid, places)
	}
	return nil
}

func isType(s string) bool {
	if s == "" || len(s) > maxType {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '.', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// isText tells whether s is valid UTF-8 without control characters, which Postgres and the metadata can hold.
func isText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
