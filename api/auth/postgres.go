package auth

import (
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

//go:embed migration/*.sql
var migrations embed.FS

// Migrations returns the goose migrations that make the schema api.
func Migrations() (fs.FS, error) {
	sub, err := fs.Sub(migrations, "migration")
	if err != nil {
		return nil, fmt.Errorf("open migrations of the API keys: %w", err)
	}
	return sub, nil
}

// PostgresStore keeps API keys in the table api.keys.
type PostgresStore struct{ pool *pgxpool.Pool }

var _ Store = (*PostgresStore)(nil)

// NewPostgresStore returns the keys that the database of pool holds. Reading them takes the role waybill_read; adding and
// revoking them takes the owner of the schema.
func NewPostgresStore(pool *pgxpool.Pool) *PostgresStore { return &PostgresStore{pool: pool} }

// FindKey implements [Store].
func (s *PostgresStore) FindKey(ctx context.Context, hash [sha256.Size]byte) (Key, bool, error) {
	const query = `SELECT prefix, name, scopes, channels, created_at, revoked_at FROM api.keys WHERE hash = $1`
	k := Key{Hash: hash}
	var revoked *time.Time
	err := s.pool.QueryRow(ctx, query, hash[:]).Scan(&k.Prefix, &k.Name, &k.Scopes, &k.Channels, &k.CreatedAt, &revoked)
	if errors.Is(err, pgx.ErrNoRows) {
		return Key{}, false, nil
	}
	if err != nil {
		return Key{}, false, fmt.Errorf("find API key: %w", err)
	}
	if revoked != nil {
		k.RevokedAt = revoked.UTC()
	}
	return k, true, nil
}

// AddKey stores a key. The secret itself is not stored and cannot be found again. Adding a secret that is there
// already changes nothing.
func (s *PostgresStore) AddKey(ctx context.Context, secret, name string, scopes []Scope, channels []string) (Key, error) {
	if name == "" || !wellFormed(secret) {
		return Key{}, fmt.Errorf("add API key %q: a name and a secret made by NewSecret are needed", name)
	}
	k := Key{Hash: HashSecret(secret), Prefix: prefixOf(secret), Name: name, Scopes: scopes, Channels: channels}
	if k.Channels == nil {
		k.Channels = []string{}
	}
	const insert = `
INSERT INTO api.keys (hash, prefix, name, scopes, channels) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (hash) DO NOTHING`
	if _, err := s.pool.Exec(ctx, insert, k.Hash[:], k.Prefix, k.Name, k.Scopes, k.Channels); err != nil {
		return Key{}, fmt.Errorf("add API key %q: %w", name, err)
	}
	return k, nil
}

// RevokeKeys revokes every key of a principal whose prefix is the one given, or all of them for an empty prefix, and
// returns how many that were.
func (s *PostgresStore) RevokeKeys(ctx context.Context, name, prefix string) (int64, error) {
	const update = `
UPDATE api.keys SET revoked_at = now()
WHERE name = $1 AND ($2 = '' OR prefix = $2) AND revoked_at IS NULL`
	tag, err := s.pool.Exec(ctx, update, name, prefix)
	if err != nil {
		return 0, fmt.Errorf("revoke API keys of %q: %w", name, err)
	}
	return tag.RowsAffected(), nil
}

// ListKeys returns all keys, oldest first.
func (s *PostgresStore) ListKeys(ctx context.Context) ([]Key, error) {
	const query = `SELECT hash, prefix, name, scopes, channels, created_at, revoked_at FROM api.keys ORDER BY created_at, hash`
	rows, err := s.pool.Query(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("list API keys: %w", err)
	}
	keys, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Key, error) {
		var k Key
		var hash []byte
		var revoked *time.Time
		if err := row.Scan(&hash, &k.Prefix, &k.Name, &k.Scopes, &k.Channels, &k.CreatedAt, &revoked); err != nil {
			return Key{}, err
		}
		copy(k.Hash[:], hash)
		if revoked != nil {
			k.RevokedAt = revoked.UTC()
		}
		return k, nil
	})
	if err != nil {
		return nil, fmt.Errorf("list API keys: %w", err)
	}
	return keys, nil
}
