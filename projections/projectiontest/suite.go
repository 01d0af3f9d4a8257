package projectiontest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"waybill/eventstore"
	"waybill/projections"
)

// Run holds p to the contract with each sample:
//
//   - pages of any size, pieces of any size, a runner that is stopped and started anywhere, and events that are
//     delivered again, all give the same tables;
//   - an event that cannot be applied parks its key and changes nothing for the others, and when the key is tried
//     again the tables are what they would have been;
//   - event types that it does not know are passed over;
//   - [projections.Verify] agrees with the tables, and finds a row that somebody changed.
func Run(t *testing.T, p projections.Projection, samples ...Sample) {
	t.Helper()
	if len(samples) == 0 {
		t.Fatal("without samples nothing is tested")
	}
	for _, s := range samples {
		t.Run(s.Name, func(t *testing.T) {
			c := contract{pool: Pool(t), projection: p, log: Log(t, s.Commits...)}
			c.head = head(t, c.log)
			Fold(t, c.pool, p, c.log)
			c.want = c.dump(t)
			c.wanted = c.events(t)
			t.Run("shape", c.shape)
			t.Run("any pages", c.anyPages)
			t.Run("any pieces, restarts and duplicates", c.anyPieces)
			t.Run("poison parks its key alone", c.poison)
			t.Run("unknown types are passed over", c.unknownTypes)
			t.Run("verify finds an edited row", c.edited)
		})
	}
}

type contract struct {
	pool       *pgxpool.Pool
	projection projections.Projection
	log        *eventstore.Memory
	head       int64
	wanted     []projections.Event
	want       []projections.TableDump
}

func (c *contract) dump(t *testing.T) []projections.TableDump {
	t.Helper()
	d, err := projections.Dump(t.Context(), c.pool, c.projection)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (c *contract) admin() projections.Admin { return projections.Admin{Pool: c.pool, Log: c.log} }

func (c *contract) reset(t *testing.T) {
	t.Helper()
	if err := c.admin().Reset(t.Context(), c.projection); err != nil {
		t.Fatal(err)
	}
}

// same compares the tables with those of the first fold.
func (c *contract) same(t *testing.T, how string) {
	t.Helper()
	if got := c.dump(t); !slices.Equal(got, c.want) {
		t.Errorf("%s: tables are\n%v\nwant\n%v", how, got, c.want)
		c.explain(t)
	}
}

// explain says in which rows the tables differ from a fold in one go.
func (c *contract) explain(t *testing.T) {
	t.Helper()
	v, err := projections.Verify(t.Context(), projections.VerifyConfig{Projection: c.projection, Pool: c.pool, Log: c.log})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range v.Differences {
		t.Log(d)
	}
}

// events are those of the sample that p wants.
func (c *contract) events(t *testing.T) []projections.Event {
	t.Helper()
	var wanted []projections.Event
	types := c.projection.Types()
	for from := int64(1); from <= c.head; {
		page, err := c.log.ReadLog(t.Context(), from, eventstore.MaxPage)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page {
			if slices.Contains(types, e.Type) {
				meta, err := e.Metadata()
				if err != nil {
					t.Fatal(err)
				}
				wanted = append(wanted, projections.Event{Event: e, Meta: meta})
			}
		}
		from += int64(len(page))
	}
	if len(wanted) == 0 {
		t.Fatal("the sample has no event that the projection wants")
	}
	return wanted
}

func (c *contract) shape(t *testing.T) {
	rows := int64(0)
	names := map[string]bool{}
	for _, d := range c.want {
		rows += d.Rows
		names[d.Table] = true
	}
	if rows == 0 {
		t.Error("the sample leaves no row in any table")
	}
	for _, table := range c.projection.Tables() {
		if !names[table] {
			t.Errorf("Tables names %s, and Schema does not make it", table)
		}
		var n int64
		if err := c.pool.QueryRow(t.Context(), "SELECT count(*) FROM "+pgx.Identifier{"readmodel", table}.Sanitize()).Scan(&n); err != nil {
			t.Errorf("read the view of %s: %v", table, err)
		}
	}
}

func (c *contract) anyPages(t *testing.T) {
	for _, size := range []int{1, 2, 3, 7, 50} {
		c.reset(t)
		runTo(t, leg{pool: c.pool, projection: c.projection, log: c.log, pages: size, until: c.head})
		c.same(t, fmt.Sprintf("pages of %d", size))
	}
}

func (c *contract) anyPieces(t *testing.T) {
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 17))
		c.reset(t)
		for at := int64(0); at < c.head; {
			at += 1 + rng.Int64N(c.head)
			at = min(at, c.head)
			feed := &Feed{Log: c.log, Rand: rng}
			runTo(t, leg{pool: c.pool, projection: c.projection, log: c.log, feed: feed, until: at})
		}
		c.same(t, fmt.Sprintf("pieces of seed %d", seed))
	}
}

func (c *contract) poison(t *testing.T) {
	places := map[int]bool{0: true, len(c.wanted) / 2: true, len(c.wanted) - 1: true, len(c.wanted) / 3: true}
	for _, i := range slices.Sorted(maps.Keys(places)) {
		event := &c.wanted[i]
		key := c.projection.Key(event)
		missing := map[int64]bool{}
		for j := range c.wanted[i:] {
			if e := &c.wanted[i+j]; c.projection.Key(e) == key {
				missing[e.Position] = true
			}
		}
		how := fmt.Sprintf("event %d (%s) of key %s is poison", event.Position, event.Type, key)

		c.reset(t)
		runTo(t, leg{pool: c.pool, projection: without{c.projection, missing}, log: c.log, pages: 1000, until: c.head})
		want := c.dump(t)

		c.reset(t)
		bad := poisoned{c.projection, event.Position}
		runTo(t, leg{pool: c.pool, projection: bad, log: c.log, pages: 1000, until: c.head})
		if got := c.dump(t); !slices.Equal(got, want) {
			t.Errorf("%s: tables are\n%v\nwant those without the key's later events\n%v", how, got, want)
		}
		c.parked(t, how, missing)
		if err := c.admin().Retry(t.Context(), bad, key); !errors.Is(err, projections.ErrParked) {
			t.Errorf("%s: retry says %v, want that it is parked still", how, err)
		}
		c.parked(t, how, missing)
		if err := c.admin().Retry(t.Context(), c.projection, key); err != nil {
			t.Errorf("%s: retry once it is mended: %v", how, err)
		}
		c.parked(t, how, nil)
		c.same(t, how+", mended and tried again")
	}
}

// parked wants exactly these positions to be parked.
func (c *contract) parked(t *testing.T, how string, want map[int64]bool) {
	t.Helper()
	list, err := c.admin().Parked(t.Context(), c.projection.Name())
	if err != nil {
		t.Fatal(err)
	}
	got := map[int64]bool{}
	for _, p := range list {
		got[p.Position] = true
	}
	if !maps.Equal(got, want) {
		t.Errorf("%s: parked are the positions %v, want %v", how, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

func (c *contract) unknownTypes(t *testing.T) {
	meta, err := eventstore.EncodeMeta(eventstore.Meta{Key: "key-of-tomorrow"})
	if err != nil {
		t.Fatal(err)
	}
	future := eventstore.NewEvent{Type: "order.type-of-tomorrow", Schema: 1, Data: []byte{0xc1}, Meta: meta}
	c.reset(t)
	Fold(t, c.pool, c.projection, c.log)
	Append(t, c.log, Commit("order-of-tomorrow", 0, future, future))
	Fold(t, c.pool, c.projection, c.log)
	c.same(t, "two events of an unknown type")
}

func (c *contract) edited(t *testing.T) {
	verify := func() projections.Verification {
		v, err := projections.Verify(t.Context(), projections.VerifyConfig{Projection: c.projection, Pool: c.pool, Log: c.log})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	c.reset(t)
	Fold(t, c.pool, c.projection, c.log)
	if v := verify(); len(v.Differences) > 0 {
		t.Fatalf("verify of untouched tables says %v", v.Differences)
	}
	for _, d := range c.want {
		if d.Rows == 0 {
			continue
		}
		table := pgx.Identifier{projections.SchemaName(c.projection.Name(), c.projection.Version()), d.Table}.Sanitize()
		_, err := c.pool.Exec(t.Context(), "DELETE FROM "+table+" WHERE ctid = (SELECT min(ctid) FROM "+table+")")
		if err != nil {
			t.Fatalf("remove a row of %s: %v", d.Table, err)
		}
		v := verify()
		if !slices.ContainsFunc(v.Differences, func(f projections.Difference) bool { return f.Table == d.Table && f.Got == "" }) {
			t.Errorf("verify after a row of %s was removed says %v", d.Table, v.Differences)
		}
		c.reset(t)
		Fold(t, c.pool, c.projection, c.log)
	}
}

// poisoned fails on one event.
type poisoned struct {
	projections.Projection
	position int64
}

var errPoison = errors.New("this event is poison")

func (p poisoned) Apply(ctx context.Context, tx pgx.Tx, events []projections.Event) error {
	for i := range events {
		if events[i].Position == p.position {
			return errPoison
		}
	}
	return p.Projection.Apply(ctx, tx, events)
}

// without never sees some events.
type without struct {
	projections.Projection
	missing map[int64]bool
}

func (p without) Apply(ctx context.Context, tx pgx.Tx, events []projections.Event) error {
	events = slices.DeleteFunc(slices.Clone(events), func(e projections.Event) bool { return p.missing[e.Position] })
	if len(events) == 0 {
		return nil
	}
	return p.Projection.Apply(ctx, tx, events)
}
