package auth

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// Store keeps API keys.
type Store interface {
	// FindKey returns the key with the hash; ok is false if there is none.
	FindKey(ctx context.Context, hash [sha256.Size]byte) (k Key, ok bool, err error)
}

// KeysConfig configures [NewKeys]. The zero value of every field but Store is a default.
type KeysConfig struct {
	Store Store // required
	// Staleness is how long what is known of a key is used without asking the store: a revoked key is turned away
	// at the latest after this. 5 s by default.
	Staleness time.Duration
	// Entries is how many keys are remembered at most, unknown ones among them. 10,000 by default.
	Entries int
	// Now tells the time; the wall clock by default.
	Now func() time.Time
}

// Keys authenticates by API keys.
type Keys struct {
	store     Store
	staleness time.Duration
	capacity  int
	now       func() time.Time
	flights   singleflight.Group

	mu      sync.RWMutex
	entries map[[sha256.Size]byte]entry
}

type entry struct {
	principal *Principal // nil: no such key, or revoked
	asked     time.Time
}

var _ Authenticator = (*Keys)(nil)

// NewKeys returns an authenticator by the keys of a store.
func NewKeys(c KeysConfig) (*Keys, error) {
	if c.Store == nil {
		return nil, errors.New("api keys: Store is missing")
	}
	k := &Keys{
		store: c.Store, staleness: cmp.Or(c.Staleness, 5*time.Second), capacity: cmp.Or(c.Entries, 10_000),
		now: c.Now, entries: map[[sha256.Size]byte]entry{},
	}
	if k.staleness < 0 || k.capacity < 1 {
		return nil, fmt.Errorf("api keys: Staleness %s and Entries %d must be positive", k.staleness, k.capacity)
	}
	if k.now == nil {
		k.now = time.Now
	}
	return k, nil
}

// Authenticate implements [Authenticator]. When the store cannot be reached, what is remembered counts until it is
// stale; after that nobody is let in.
func (k *Keys) Authenticate(ctx context.Context, authorization string) (*Principal, error) {
	secret, ok := Bearer(authorization)
	if !ok || !wellFormed(secret) {
		return nil, ErrUnknownCredential
	}
	hash := HashSecret(secret)
	k.mu.RLock()
	e, ok := k.entries[hash]
	k.mu.RUnlock()
	if !ok || k.now().Sub(e.asked) >= k.staleness {
		var err error
		if e, err = k.ask(ctx, hash); err != nil {
			return nil, err
		}
	}
	if e.principal == nil {
		return nil, ErrUnknownCredential
	}
	return e.principal, nil
}

// ask looks a key up once for all that want to know it at the same time. The look-up outlives the caller that began it.
func (k *Keys) ask(ctx context.Context, hash [sha256.Size]byte) (entry, error) {
	done := k.flights.DoChan(string(hash[:]), func() (any, error) {
		asked := k.now()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		key, ok, err := k.store.FindKey(ctx, hash)
		if err != nil {
			return entry{}, fmt.Errorf("look up API key: %w", err)
		}
		e := entry{asked: asked}
		if ok && key.matches(hash) && key.RevokedAt.IsZero() {
			e.principal = &Principal{Name: "key:" + key.Name, Scopes: key.Scopes, Channels: key.Channels}
		}
		k.remember(hash, e)
		return e, nil
	})
	select {
	case r := <-done:
		e, ok := r.Val.(entry)
		if r.Err == nil && !ok {
			return entry{}, errors.New("look up API key: no answer")
		}
		return e, r.Err
	case <-ctx.Done():
		return entry{}, fmt.Errorf("look up API key: %w", context.Cause(ctx))
	}
}

func (k *Keys) remember(hash [sha256.Size]byte, e entry) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.entries) >= k.capacity {
		clear(k.entries) // whoever sprays keys pays with look-ups; nobody pays with memory
	}
	k.entries[hash] = e
}
