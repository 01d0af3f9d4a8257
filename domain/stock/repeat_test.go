package stock_test

import (
	"fmt"
	"testing"

	"waybill/domain/stock"
)

// restored returns what is left of an item after it was stored as a snapshot.
func restored(t *testing.T, i *stock.Item) *stock.Item {
	t.Helper()
	back, err := stock.DecodeSnapshot(stock.SnapshotSchema, snapshotOf(t, i))
	if err != nil {
		t.Fatal(err)
	}
	return back
}

// strayIssues records n issues for a reservation that never was.
func strayIssues(t *testing.T, i *stock.Item, name string, n int) {
	t.Helper()
	for k := range n {
		do(t, i, issue("other", "f9", fmt.Sprint(name, k), "z", 1))
	}
}

// TestAnIssueIsRememberedWithItsReservation sends an issue again after more others than an item remembers: while its
// reservation is open it does nothing, however many they are, and when it has ended it does nothing for as long again.
func TestAnIssueIsRememberedWithItsReservation(t *testing.T) {
	t.Parallel()
	i := item(t, "confirmed")
	do(t, i, allocate("o1", "f1", "r1", 3))
	first, last := issue("o1", "f1", "p1", "r1", 1), issue("o1", "f1", "p2", "r1", 2)
	again := func(when string) {
		t.Helper()
		for name, i := range map[string]*stock.Item{"live": i, "from a snapshot": restored(t, i)} {
			if got := verdict(stock.Decide(i, first)); got != "done" {
				t.Errorf("%s, %s: the same issue again: %s", when, name, got)
			}
			if got := verdict(stock.Decide(i, issue("o1", "f1", "p1", "r1", 2))); got != "movement-conflict" {
				t.Errorf("%s, %s: another one under its id: %s", when, name, got)
			}
		}
	}
	do(t, i, first)
	again("at once")
	strayIssues(t, i, "a", stock.MovementMemory)
	again("after others")
	strayIssues(t, i, "b", 10_000)
	again("after many others")
	do(t, i, last)
	again("when it has ended")
	strayIssues(t, i, "c", stock.MovementMemory)
	again("long after")
}

// TestAParcelIsOneOfItsFulfilment issues parcels of two fulfilments that have the same id.
func TestAParcelIsOneOfItsFulfilment(t *testing.T) {
	t.Parallel()
	i := allocatedItem(t, "two")
	do(t, i, issue("o1", "f1", "1", "r1", 1))
	if got := verdict(stock.Decide(i, issue("o1", "f2", "1", "r1", 1))); got != "issued" {
		t.Errorf("parcel 1 of the other fulfilment: %s", got)
	}
}

// TestIssuesOfAReservationAreBounded issues more parcels of one reservation than it remembers: the first are among those that
// the item remembers.
func TestIssuesOfAReservationAreBounded(t *testing.T) {
	t.Parallel()
	const parcels = stock.IssuesOfOne + 7
	i := evolve(stock.Received{MovementID: "m", Quantity: parcels + 1, At: t0})
	do(t, i, reserve("o1", t0, ask("r1", parcels+1)))
	do(t, i, stock.Confirm{Key: shirt, OrderID: "o1", ReservationIDs: []string{"r1"}, Now: t0})
	do(t, i, allocate("o1", "f1", "r1", parcels+1))
	for n := range parcels {
		do(t, i, issue("o1", "f1", fmt.Sprint("p", n), "r1", 1))
	}
	if r, _ := i.Reservation("r1"); len(r.Issues) != stock.IssuesOfOne {
		t.Errorf("%d issues are remembered", len(r.Issues))
	}
	for n := range parcels {
		if got := verdict(stock.Decide(i, issue("o1", "f1", fmt.Sprint("p", n), "r1", 1))); got != "done" {
			t.Errorf("issue %d again: %s", n, got)
		}
	}
	strayIssues(t, i, "a", stock.IssueMemory)
	if got := verdict(stock.Decide(i, issue("o1", "f1", "p0", "r1", 1))); got != "issued" {
		t.Errorf("a forgotten issue: %s", got)
	}
	if got := verdict(stock.Decide(i, issue("o1", "f1", "p7", "r1", 1))); got != "done" {
		t.Errorf("the oldest of those that the reservation remembers: %s", got)
	}
}
