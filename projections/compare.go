package projections

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// tableShape is what a comparison has to know of a table.
type tableShape struct {
	name    string
	columns []string
	key     []string // of the primary key, in its order
	collate []bool   // whether that column of the key has a collation
}

const selectShapes = `
SELECT c.relname,
       ARRAY(SELECT a.attname::text FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum),
       ARRAY(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum ORDER BY k.place),
       ARRAY(SELECT a.attcollation <> 0 FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum ORDER BY k.place)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
WHERE n.nspname = $1 AND c.relkind = 'r'
ORDER BY c.relname COLLATE "C"`

func readTables(ctx context.Context, tx pgx.Tx, schema string) ([]tableShape, error) {
	rows, err := tx.Query(ctx, selectShapes, schema)
	if err != nil {
		return nil, fmt.Errorf("read tables of %s: %w", schema, err)
	}
	tables, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (tableShape, error) {
		var t tableShape
		err := row.Scan(&t.name, &t.columns, &t.key, &t.collate)
		return t, err
	})
	if err != nil {
		return nil, fmt.Errorf("read tables of %s: %w", schema, err)
	}
	return tables, nil
}

// compareShapes tells in what tables a schema differs from what it should have. It returns the tables that are the same
// on both sides, whose rows can be compared.
func compareShapes(got, want []tableShape) (same []tableShape, list []Difference) {
	there := make(map[string]tableShape, len(got))
	for _, t := range got {
		there[t.name] = t
	}
	for _, w := range want {
		g, ok := there[w.name]
		delete(there, w.name)
		switch {
		case !ok:
			list = append(list, Difference{Table: w.name, Want: names(w.columns)})
		case !slices.Equal(g.columns, w.columns):
			list = append(list, Difference{Table: w.name, Field: "columns", Got: names(g.columns), Want: names(w.columns)})
		case !slices.Equal(g.key, w.key):
			list = append(list, Difference{Table: w.name, Field: "primary key", Got: names(g.key), Want: names(w.key)})
		default:
			same = append(same, w)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(there)) {
		list = append(list, Difference{Table: name, Got: names(there[name].columns)})
	}
	return same, list
}

func names(columns []string) string { return cmp.Or(strings.Join(columns, ", "), "(none)") }

// dump streams the table through SHA-256, in an order that depends on nothing but the rows.
func (t *tableShape) dump(ctx context.Context, conn *pgx.Conn, schema string) (TableDump, error) {
	if len(t.key) == 0 {
		return TableDump{}, fmt.Errorf("table %s.%s has no primary key: its rows cannot be compared", schema, t.name)
	}
	order := make([]string, len(t.key))
	for i, k := range t.key {
		order[i] = quote(k)
		if t.collate[i] {
			order[i] += ` COLLATE "C"`
		}
	}
	hash := sha256.New()
	tag, err := conn.PgConn().CopyTo(ctx, hash, fmt.Sprintf("COPY (SELECT %s FROM %s ORDER BY %s) TO STDOUT",
		quoteAll(t.columns), pgx.Identifier{schema, t.name}.Sanitize(), strings.Join(order, ", ")))
	if err != nil {
		return TableDump{}, fmt.Errorf("dump %s.%s: %w", schema, t.name, err)
	}
	return TableDump{Table: t.name, Rows: tag.RowsAffected(), Hash: hex.EncodeToString(hash.Sum(nil))}, nil
}

// differences joins both sides by the key and keeps the rows whose bytes differ (*<> compares rows as stored, where <>
// would let 1.0 pass for 1.00).
func (t *tableShape) differences(ctx context.Context, tx pgx.Tx, got, want string, limit int) ([]Difference, error) {
	on, keys := make([]string, len(t.key)), make([]string, len(t.key))
	for i, k := range t.key {
		on[i] = "g." + quote(k) + " = w." + quote(k)
		keys[i] = fmt.Sprintf("coalesce(to_jsonb(g.%[1]s), to_jsonb(w.%[1]s))", quote(k))
	}
	first := quote(t.key[0])
	sql := fmt.Sprintf(`
SELECT jsonb_build_array(%[1]s)::text,
       CASE WHEN g.%[2]s IS NOT NULL THEN to_jsonb(g)::text END,
       CASE WHEN w.%[2]s IS NOT NULL THEN to_jsonb(w)::text END
FROM %[3]s AS g FULL JOIN %[4]s AS w ON %[5]s
WHERE g.%[2]s IS NULL OR w.%[2]s IS NULL OR g *<> w
ORDER BY jsonb_build_array(%[1]s)::text COLLATE "C" LIMIT $1`,
		strings.Join(keys, ", "), first, pgx.Identifier{got, t.name}.Sanitize(), pgx.Identifier{want, t.name}.Sanitize(), strings.Join(on, " AND "))
	rows, err := tx.Query(ctx, sql, limit)
	if err != nil {
		return nil, fmt.Errorf("compare %s: %w", t.name, err)
	}
	var list []Difference
	var key string
	var left, right *string
	_, err = pgx.ForEachRow(rows, []any{&key, &left, &right}, func() error {
		fields, err := t.fields(key, left, right)
		list = append(list, fields...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("compare %s: %w", t.name, err)
	}
	return list[:min(len(list), limit)], nil
}

// fields names the fields in which two rows differ.
func (t *tableShape) fields(key string, got, want *string) ([]Difference, error) {
	switch {
	case got == nil && want == nil:
		return nil, errors.New("row is on neither side")
	case got == nil:
		return []Difference{{Table: t.name, Key: key, Want: *want}}, nil
	case want == nil:
		return []Difference{{Table: t.name, Key: key, Got: *got}}, nil
	}
	var g, w map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal([]byte(*got), &g), json.Unmarshal([]byte(*want), &w)); err != nil {
		return nil, err
	}
	var list []Difference
	for _, field := range slices.Sorted(maps.Keys(g)) {
		if a, b := string(g[field]), string(w[field]); a != b {
			list = append(list, Difference{Table: t.name, Key: key, Field: field, Got: a, Want: b})
		}
	}
	if len(list) == 0 { // equal as JSON, not as bytes
		list = append(list, Difference{Table: t.name, Key: key, Field: "(row)", Got: *got, Want: *want})
	}
	return list, nil
}
