package projections_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/projections"
	"waybill/projections/projectiontest"
)

func parts() projections.Table {
	return projections.Table{
		Name: "Parts of it", Key: []string{"sku", "place"},
		Columns: []projections.Column{
			{"sku", "text"}, {"place", "text"}, {"on_hand", "bigint"}, {"at", "timestamptz"}, {"doc", "jsonb"}, {"tags", "text[]"}, {"sizes", "bigint[]"}, {"note", "text"},
		},
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	tx, err := projectiontest.Pool(t).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := tx.Rollback(t.Context()); err != nil && !errors.Is(err, pgx.ErrTxClosed) {
			t.Error(err)
		}
	}()
	_, err = tx.Exec(t.Context(), `
SELECT projections.make_schema('parts_v1');
SET LOCAL search_path TO parts_v1;
CREATE TABLE "Parts of it" (sku text, place text, on_hand bigint, at timestamptz, doc jsonb, tags text[], sizes bigint[], note text, PRIMARY KEY (sku, place))`)
	if err != nil {
		t.Fatal(err)
	}
	table := parts()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	row := func(sku string, onHand int64, tags []string, sizes []int64, note any) []any {
		return []any{sku, "BER1", onHand, at, []byte(`{"a":1}`), tags, sizes, note}
	}
	odd := []string{"plain", `quo"te`, `back\slash`, "com,ma", "{brace}", "", "NULL", "ü 漢"}
	step := func(name string, err error, want ...string) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		rows, err := tx.Query(t.Context(), `SELECT format('%s %s %s %s %s', sku, on_hand, tags, sizes, note) FROM "Parts of it" ORDER BY sku`)
		if err != nil {
			t.Fatal(err)
		}
		got, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("after %s: rows are\n%s\n%v, want\n%s", name, strings.Join(got, "\n"), err, strings.Join(want, "\n"))
		}
	}
	step("no rows", table.Upsert(t.Context(), tx, nil))
	step("insert", table.Insert(t.Context(), tx, [][]any{row("a", 1, nil, nil, nil), row("b", 2, []string{"x", "y"}, []int64{-1, 40}, "n")}),
		"a 1 {} {} ", "b 2 {x,y} {-1,40} n")
	step("upsert", table.Upsert(t.Context(), tx, [][]any{row("b", 3, []string{"z"}, nil, nil), row("c", 4, nil, nil, "new")}),
		"a 1 {} {} ", "b 3 {z} {} ", "c 4 {} {} new")
	step("update", table.Update(t.Context(), tx, [][]any{row("a", 9, nil, nil, "u"), row("gone", 1, nil, nil, nil)}),
		"a 9 {} {} u", "b 3 {z} {} ", "c 4 {} {} new")
	step("delete", table.Delete(t.Context(), tx, [][]any{{"c", "BER1"}, {"b", "elsewhere"}}), "a 9 {} {} u", "b 3 {z} {} ")

	if err := table.Upsert(t.Context(), tx, [][]any{row("a", 1, odd, nil, nil)}); err != nil {
		t.Fatal(err)
	}
	loaded := map[string][]string{}
	err = table.Load(t.Context(), tx, [][]any{{"a", "BER1"}, {"gone", "BER1"}}, func(r pgx.CollectableRow) error {
		var sku, place string
		var onHand int64
		var when time.Time
		var doc []byte
		var tags []string
		var sizes []int64
		var note *string
		err := r.Scan(&sku, &place, &onHand, &when, &doc, &tags, &sizes, &note)
		loaded[sku] = tags
		if !when.Equal(at) {
			t.Errorf("loaded time is %v, want %v", when, at)
		}
		return err
	})
	if err != nil || len(loaded) != 1 || !slices.Equal(loaded["a"], odd) {
		t.Errorf("loaded %q, %v, want %q under a alone", loaded, err, odd)
	}
	for _, bad := range [][]any{{"short"}, {"a", "b", 1, at, nil, []int{1}, nil, nil}} {
		if err := table.Insert(t.Context(), tx, [][]any{bad}); err == nil {
			t.Errorf("row %v was taken", bad)
		}
	}
	if err := table.Insert(t.Context(), tx, [][]any{row("a", 1, nil, nil, nil)}); err == nil {
		t.Error("a key that exists was inserted")
	}
}
