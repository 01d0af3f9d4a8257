// Package auth says who a request comes from and what that principal may do.
//
// Every request has a principal, found by an [Authenticator]: that interface is the seam behind which API keys
// ([Keys]) stand now, and tokens of an identity provider can stand later. Nothing is allowed that a scope does not
// allow. The package does not decide what a route needs: the routes' own table does.
package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Scope is a permission.
type Scope string

// The scopes.
const (
	OrdersRead   Scope = "orders:read"
	OrdersWrite  Scope = "orders:write"
	RefundsWrite Scope = "refunds:write" // gives money back that nobody owes, or lets an order cost less than was agreed
	StockRead    Scope = "stock:read"
	StockWrite   Scope = "stock:write"
	EventsRead   Scope = "events:read"   // the raw log, without personal data
	PersonalRead Scope = "personal:read" // shows personal data wherever it stands
	SystemRead   Scope = "system:read"   // projections and their lag
	Admin        Scope = "admin"         // everything but personal data
)

// Scopes returns every scope.
func Scopes() []Scope {
	return []Scope{OrdersRead, OrdersWrite, RefundsWrite, StockRead, StockWrite, EventsRead, PersonalRead, SystemRead, Admin}
}

// ParseScopes returns the scopes named, or an error that names the one it does not know.
func ParseScopes(names []string) ([]Scope, error) {
	scopes := make([]Scope, 0, len(names))
	for _, n := range names {
		if !slices.Contains(Scopes(), Scope(n)) {
			return nil, fmt.Errorf("scope %q is not known; the scopes are %v", n, Scopes())
		}
		scopes = append(scopes, Scope(n))
	}
	return scopes, nil
}

// Principal is who a request comes from.
type Principal struct {
	// Name is what the principal is called in events and logs, such as "key:web-shop". Idempotency keys are its own.
	Name string
	// Scopes are what it may do. Do not change them: they are shared.
	Scopes []Scope
	// Channels are the sales channels that it may place orders in; none means all.
	Channels []string
}

// May reports whether the principal has the scope. Admin has all but [PersonalRead], which must be given by name.
func (p *Principal) May(s Scope) bool {
	if slices.Contains(p.Scopes, s) {
		return true
	}
	return s != PersonalRead && slices.Contains(p.Scopes, Admin)
}

// MayUseChannel reports whether the principal may place orders in the channel.
func (p *Principal) MayUseChannel(channel string) bool {
	return len(p.Channels) == 0 || slices.Contains(p.Channels, channel)
}

// ErrUnknownCredential is matched when a credential is missing, malformed, unknown or revoked; which of them is not
// said.
var ErrUnknownCredential = errors.New("credential is missing, unknown or revoked")

// Authenticator finds the principal behind a credential: what stands in the Authorization header, over HTTP and NATS
// alike.
type Authenticator interface {
	// Authenticate returns the principal. The error matches [ErrUnknownCredential] if there is none; any other error
	// means that it could not be found out, and the request must not be let in.
	Authenticate(ctx context.Context, authorization string) (*Principal, error)
}

// Bearer returns the credential of an Authorization header of the form "Bearer …".
func Bearer(authorization string) (string, bool) {
	scheme, credential, ok := strings.Cut(authorization, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	credential = strings.TrimSpace(credential)
	return credential, credential != ""
}
