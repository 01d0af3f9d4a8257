package projections

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Table writes many rows of one table with one statement: what Apply is to end with. It is plain data, cheap to make
// anew for every batch.
//
// In the transaction of a runner, what is written is sent with the commit, or before the next read: an error of it comes
// up there. The rows must not be changed after they were handed over.
//
// Rows are slices of values in the order of Columns (for [Table.Delete], of Key). A value is what pgx takes for the
// column's type; nil is NULL. Columns of an array type take []string or []int64 (nil is the empty array).
type Table struct {
	Name    string   // unqualified: the search path leads to the version's schema
	Key     []string // columns of the primary key
	Columns []Column // every column that is written, those of the key included
}

// Column is a column with its Postgres type, such as {"placed_at", "timestamptz"} or {"tags", "text[]"}.
type Column struct{ Name, Type string }

// Upsert inserts rows, and where the key exists replaces all columns with the row's. No key may come twice: fold the
// batch in memory first, and write the outcome.
func (t *Table) Upsert(ctx context.Context, tx pgx.Tx, rows [][]any) error {
	set := make([]string, 0, len(t.Columns))
	for _, c := range t.Columns {
		if !slices.Contains(t.Key, c.Name) {
			set = append(set, quote(c.Name)+" = EXCLUDED."+quote(c.Name))
		}
	}
	conflict := " ON CONFLICT (" + quoteAll(t.Key) + ") DO NOTHING"
	if len(set) > 0 {
		conflict = " ON CONFLICT (" + quoteAll(t.Key) + ") DO UPDATE SET " + strings.Join(set, ", ")
	}
	return t.run(ctx, tx, "upsert into", t.insertSQL()+conflict, t.Columns, rows)
}

// Insert adds rows that are new: a key that exists is an error. It is the fastest way to write.
func (t *Table) Insert(ctx context.Context, tx pgx.Tx, rows [][]any) error {
	return t.run(ctx, tx, "insert into", t.insertSQL(), t.Columns, rows)
}

// Update sets all columns of rows that exist, found by their key. Rows that do not exist are passed over.
func (t *Table) Update(ctx context.Context, tx pgx.Tx, rows [][]any) error {
	set := make([]string, 0, len(t.Columns))
	for _, c := range t.Columns {
		if !slices.Contains(t.Key, c.Name) {
			set = append(set, quote(c.Name)+" = "+picked(c))
		}
	}
	sql := "UPDATE " + quote(t.Name) + " AS t SET " + strings.Join(set, ", ") + from(t.Columns) + t.where()
	return t.run(ctx, tx, "update", sql, t.Columns, rows)
}

// Delete removes the rows with these keys, given in the order of Key. Keys that do not exist are passed over.
func (t *Table) Delete(ctx context.Context, tx pgx.Tx, keys [][]any) error {
	columns := t.keyColumns()
	sql := "DELETE FROM " + quote(t.Name) + " AS t USING" + strings.TrimPrefix(from(columns), " FROM") + t.where()
	return t.run(ctx, tx, "delete from", sql, columns, keys)
}

// Load reads all columns of the rows with these keys, given in the order of Key, and hands each to scan. Keys that do
// not exist are passed over. It is how Apply learns the state that a batch goes on from.
func (t *Table) Load(ctx context.Context, tx pgx.Tx, keys [][]any, scan func(pgx.CollectableRow) error) error {
	var b pgx.Batch
	if err := t.QueueLoad(&b, keys, scan); err != nil || b.Len() == 0 {
		return err
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("load from %s: %w", t.Name, err)
	}
	return nil
}

// QueueLoad adds a [Table.Load] to b, so that an Apply that reads several tables does so in one round trip:
//
//	err := tx.SendBatch(ctx, &b).Close()
func (t *Table) QueueLoad(b *pgx.Batch, keys [][]any, scan func(pgx.CollectableRow) error) error {
	if len(keys) == 0 {
		return nil
	}
	columns := t.keyColumns()
	args, err := pivot(columns, keys)
	if err != nil {
		return fmt.Errorf("load from %s: %w", t.Name, err)
	}
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = "t." + quote(c.Name)
	}
	sql := "SELECT " + strings.Join(names, ", ") + " FROM " + quote(t.Name) + " AS t JOIN" +
		strings.TrimPrefix(from(columns), " FROM") + " ON" + strings.TrimPrefix(t.where(), " WHERE")
	b.Queue(sql, args...).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			if err := scan(rows); err != nil {
				return fmt.Errorf("load from %s: %w", t.Name, err)
			}
		}
		return rows.Err()
	})
	return nil
}

func (t *Table) run(ctx context.Context, tx pgx.Tx, verb, sql string, columns []Column, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	args, err := pivot(columns, rows)
	if err != nil {
		return fmt.Errorf("%s %s: %w", verb, t.Name, err)
	}
	what := fmt.Sprintf("%s %s, %d rows", verb, t.Name, len(rows))
	if p, ok := tx.(*pipeline); ok {
		p.writes = append(p.writes, statement{sql: sql, what: what, args: args})
		return nil
	}
	if _, err := tx.Exec(ctx, sql, args...); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func (t *Table) insertSQL() string {
	values := make([]string, len(t.Columns))
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i], values[i] = c.Name, picked(c)
	}
	return "INSERT INTO " + quote(t.Name) + " (" + quoteAll(names) + ") SELECT " + strings.Join(values, ", ") + from(t.Columns)
}

func (t *Table) keyColumns() []Column {
	columns := make([]Column, 0, len(t.Key))
	for _, k := range t.Key {
		i := slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == k })
		if i < 0 {
			columns = append(columns, Column{Name: k, Type: "text"})
			continue
		}
		columns = append(columns, t.Columns[i])
	}
	return columns
}

func (t *Table) where() string {
	on := make([]string, len(t.Key))
	for i, k := range t.Key {
		on[i] = "t." + quote(k) + " = u." + quote(k)
	}
	return " WHERE " + strings.Join(on, " AND ")
}

// from is the rows as a relation u: one array parameter a column, so that the statement is the same for any number of
// rows and is prepared once.
func from(columns []Column) string {
	params := make([]string, len(columns))
	names := make([]string, len(columns))
	for i, c := range columns {
		typ := c.Type
		if isArray(c) {
			typ = "text" // unnest would flatten an array of arrays: each travels as its literal
		}
		params[i], names[i] = "$"+strconv.Itoa(i+1)+"::"+typ+"[]", c.Name
	}
	return " FROM unnest(" + strings.Join(params, ", ") + ") AS u (" + quoteAll(names) + ")"
}

func picked(c Column) string {
	if isArray(c) {
		return "u." + quote(c.Name) + "::" + c.Type
	}
	return "u." + quote(c.Name)
}

func isArray(c Column) bool { return strings.HasSuffix(c.Type, "[]") }

// pivot turns rows into one array a column.
func pivot(columns []Column, rows [][]any) ([]any, error) {
	args := make([]any, len(columns))
	for i, c := range columns {
		values := make([]any, len(rows))
		for j, row := range rows {
			if len(row) != len(columns) {
				return nil, fmt.Errorf("row %d has %d values, want %d", j, len(row), len(columns))
			}
			values[j] = row[i]
			if !isArray(c) {
				continue
			}
			literal, err := arrayLiteral(row[i])
			if err != nil {
				return nil, fmt.Errorf("row %d, column %s: %w", j, c.Name, err)
			}
			values[j] = literal
		}
		args[i] = values
	}
	return args, nil
}

func arrayLiteral(v any) (string, error) {
	var b strings.Builder
	b.WriteByte('{')
	switch v := v.(type) {
	case nil:
	case []string:
		for i, s := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteByte('"')
			if strings.ContainsAny(s, `\"`) {
				s = strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), `"`, `\"`)
			}
			b.WriteString(s)
			b.WriteByte('"')
		}
	case []int64:
		for i, n := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strconv.FormatInt(n, 10))
		}
	default:
		return "", fmt.Errorf("an array column takes []string or []int64, not %T", v)
	}
	b.WriteByte('}')
	return b.String(), nil
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = quote(n)
	}
	return strings.Join(quoted, ", ")
}
