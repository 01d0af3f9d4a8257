package auth_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"waybill/api/auth"
	"waybill/eventstore"
	"waybill/internal/devstack/devtest"
)

func TestMain(m *testing.M) {
	os.Exit(devtest.Main(m, func(ctx context.Context, dsn string) error {
		files, err := auth.Migrations()
		if err != nil {
			return err
		}
		return eventstore.Migrate(ctx, dsn, eventstore.MigrationSet{Name: "api", FS: files})
	}))
}

func secret(tb testing.TB) string {
	tb.Helper()
	s, err := auth.NewSecret("test")
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestSecrets(t *testing.T) {
	a, b := secret(t), secret(t)
	if a == b || !strings.HasPrefix(a, "wb_test_") || len(a) != len("wb_test_")+43 {
		t.Fatalf("got %q and %q", a, b)
	}
	for _, bad := range []string{"", "Live", "a_b", "a b"} {
		if _, err := auth.NewSecret(bad); err == nil {
			t.Errorf("environment %q was accepted", bad)
		}
	}
}

// counting counts what a store is asked, and can be broken.
type counting struct {
	auth.Store

	asked  atomic.Int64
	broken atomic.Bool
}

func (c *counting) FindKey(ctx context.Context, hash [sha256.Size]byte) (auth.Key, bool, error) {
	c.asked.Add(1)
	if c.broken.Load() {
		return auth.Key{}, false, errors.New("database is away")
	}
	return c.Store.FindKey(ctx, hash)
}

func TestKeysArePostgresRows(t *testing.T) {
	dsn := devtest.Database(t)
	owner, err := pgxpool.New(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	reader, err := eventstore.NewPool(t.Context(), dsn, eventstore.PoolConfig{Role: eventstore.RoleRead})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	admin := auth.NewPostgresStore(owner)
	store := &counting{Store: auth.NewPostgresStore(reader)}
	now := time.Unix(1_770_000_000, 0)
	keys, err := auth.NewKeys(auth.KeysConfig{Store: store, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	key := secret(t)
	added, err := admin.AddKey(t.Context(), key, "shop", []auth.Scope{auth.OrdersWrite}, []string{"web"})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(key[len(added.Prefix):], added.Prefix) || len(added.Prefix) > len("wb_test_")+4 {
		t.Errorf("the prefix %q tells too much of the key", added.Prefix)
	}
	ask := func() (*auth.Principal, error) { return keys.Authenticate(t.Context(), "Bearer "+key) }
	p, err := ask()
	if err != nil || p.Name != "key:shop" || !p.May(auth.OrdersWrite) || p.May(auth.OrdersRead) || !p.MayUseChannel("web") || p.MayUseChannel("erp") {
		t.Fatalf("got %+v, %v", p, err)
	}
	if _, err := ask(); err != nil || store.asked.Load() != 1 {
		t.Fatalf("asked the store %d times, %v; want 1", store.asked.Load(), err)
	}
	if n, err := admin.RevokeKeys(t.Context(), "shop", ""); err != nil || n != 1 {
		t.Fatalf("revoked %d, %v", n, err)
	}
	now = now.Add(4 * time.Second)
	if _, err := ask(); err != nil {
		t.Fatalf("within the staleness: %v", err)
	}
	now = now.Add(2 * time.Second)
	if _, err := ask(); !errors.Is(err, auth.ErrUnknownCredential) {
		t.Fatalf("a revoked key was let in after the staleness: %v", err)
	}
	store.broken.Store(true)
	now = now.Add(time.Minute)
	if _, err := ask(); err == nil || errors.Is(err, auth.ErrUnknownCredential) {
		t.Fatalf("with the store away: got %v, want another error", err)
	}
	if _, err := reader.Exec(t.Context(), "INSERT INTO api.keys (hash, prefix, name, scopes) VALUES (decode(repeat('00', 32), 'hex'), '', 'x', '{}')"); err == nil {
		t.Error("the reading role may add keys")
	}
	list, err := admin.ListKeys(t.Context())
	if err != nil || len(list) != 1 || list[0].Name != "shop" || list[0].RevokedAt.IsZero() || !slices.Equal(list[0].Scopes, []auth.Scope{auth.OrdersWrite}) {
		t.Fatalf("got %+v, %v", list, err)
	}
}

func TestUnknownCredentials(t *testing.T) {
	key := secret(t)
	store := auth.MemoryStore{}
	store.Add(key, "shop", nil, nil)
	counted := &counting{Store: store}
	keys, err := auth.NewKeys(auth.KeysConfig{Store: counted})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Authenticate(t.Context(), "bearer  "+key); err != nil {
		t.Fatalf("the scheme has no case: %v", err)
	}
	counted.asked.Store(0)
	for _, credential := range []string{"", key, "Basic " + key, "Bearer", "Bearer ", "Bearer x", "Bearer wb_" + strings.Repeat("x", 500)} {
		if _, err := keys.Authenticate(t.Context(), credential); !errors.Is(err, auth.ErrUnknownCredential) {
			t.Errorf("%q: got %v", credential, err)
		}
	}
	if n := counted.asked.Load(); n != 0 {
		t.Errorf("malformed credentials cost %d look-ups", n)
	}
	if _, err := keys.Authenticate(t.Context(), "Bearer "+secret(t)); !errors.Is(err, auth.ErrUnknownCredential) {
		t.Errorf("another key: got %v", err)
	}
}

func TestAdminSeesNoPersonalDataByItself(t *testing.T) {
	p := auth.Principal{Scopes: []auth.Scope{auth.Admin}}
	for _, s := range auth.Scopes() {
		if p.May(s) != (s != auth.PersonalRead) {
			t.Errorf("admin may %s: %t", s, p.May(s))
		}
	}
	if _, err := auth.ParseScopes([]string{"orders:read", "orders:fly"}); err == nil || !strings.Contains(err.Error(), "orders:fly") {
		t.Errorf("got %v", err)
	}
}
