package intake

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

//go:embed migration/*.sql
var migrations embed.FS

// Migrations returns the goose migrations that make the schema intake.
func Migrations() (fs.FS, error) {
	sub, err := fs.Sub(migrations, "migration")
	if err != nil {
		return nil, fmt.Errorf("open migrations of the intake: %w", err)
	}
	return sub, nil
}

// Poison is a message that can never be carried out.
type Poison struct {
	Sequence   uint64    // in the work queue
	ReceivedAt time.Time // by the work queue
	Subject    string
	Principal  string // empty: not authenticated
	Code       string // of the problem
	Problem    []byte // the document
	Headers    map[string][]string
	Body       []byte
}

// PoisonStore keeps poison.
type PoisonStore interface {
	// AddPoison stores p; storing it again changes nothing.
	AddPoison(ctx context.Context, p Poison) error
}

// Postgres keeps poison in the table intake.poison.
type Postgres struct{ pool *pgxpool.Pool }

var _ PoisonStore = (*Postgres)(nil)

// NewPostgres returns the store in the database of a pool, whose role must be waybill_append to add, or waybill_read to
// list.
func NewPostgres(pool *pgxpool.Pool) *Postgres { return &Postgres{pool: pool} }

// AddPoison implements [PoisonStore].
func (s *Postgres) AddPoison(ctx context.Context, p Poison) error {
	headers, err := json.Marshal(p.Headers)
	if err != nil {
		return fmt.Errorf("store poison %d: %w", p.Sequence, err)
	}
	const insert = `
INSERT INTO intake.poison (sequence, received_at, subject, principal, code, problem, headers, body)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT DO NOTHING`
	if _, err := s.pool.Exec(ctx, insert, int64(p.Sequence), p.ReceivedAt, p.Subject, p.Principal, p.Code, string(p.Problem), string(headers), p.Body); err != nil {
		return fmt.Errorf("store poison %d: %w", p.Sequence, err)
	}
	return nil
}

// ListPoison returns the newest poison, newest first, at most limit.
func (s *Postgres) ListPoison(ctx context.Context, limit int) ([]Poison, error) {
	const query = `
SELECT sequence, received_at, subject, principal, code, problem, headers, body
FROM intake.poison ORDER BY recorded_at DESC, sequence DESC LIMIT $1`
	rows, err := s.pool.Query(ctx, query, limit)
	if err != nil {
		return nil, fmt.Errorf("list poison: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Poison, error) {
		var p Poison
		var sequence int64
		var headers []byte
		if err := row.Scan(&sequence, &p.ReceivedAt, &p.Subject, &p.Principal, &p.Code, &p.Problem, &headers, &p.Body); err != nil {
			return Poison{}, err
		}
		p.Sequence, p.ReceivedAt = uint64(sequence), p.ReceivedAt.UTC()
		return p, json.Unmarshal(headers, &p.Headers)
	})
	if err != nil {
		return nil, fmt.Errorf("list poison: %w", err)
	}
	return list, nil
}
