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

// TestKeptUnitsOfAFulfilmentCountIssuedOnes: 3 units were allocated and 1 has left, so to keep 2 gives 1 back.
func TestKeptUnitsOfAFulfilmentCountIssuedOnes(t *testing.T) {
	t.Parallel()
	for keep, want := range map[int64]int64{0: 0, 1: 0, 2: 1, 3: 2, 4: 2} {
		back := deallocate("o1", "f1", "d1", "r1", 0)
		back.Parts[0].Keep = keep
		freed := recall("o1", "f1", "d1", "r1", 0)
		freed.Parts[0].Keep = keep
		for _, c := range []stock.Command{back, freed} {
			i := allocatedItem(t, "partly issued")
			do(t, i, c)
			if r, _ := i.Reservation("r1"); r.Allocated != want {
				t.Errorf("%s, keep %d: %d are still allocated, want %d", c.CommandType(), keep, r.Allocated, want)
			}
		}
	}
}

// TestUnitsAreTakenBackOnce sends what takes units away from a fulfilment again: under the same id it does nothing, also after
// the reservation has ended, unless it would have taken other units or would have taken them otherwise.
func TestUnitsAreTakenBackOnce(t *testing.T) {
	t.Parallel()
	keep := func(c stock.Deallocate, keep int64) stock.Deallocate {
		c.Parts[0].Keep = keep
		return c
	}
	const conflict = "deallocation-conflict"
	tests := map[string]struct {
		first, again stock.Command
		want         string
	}{
		"the same units":                   {deallocate("o1", "f1", "d1", "r1", 1), deallocate("o1", "f1", "d1", "r1", 1), "done"},
		"other units":                      {deallocate("o1", "f1", "d1", "r1", 1), deallocate("o1", "f1", "d1", "r1", 2), conflict},
		"more units than there are left":   {deallocate("o1", "f1", "d1", "r1", 2), deallocate("o1", "f1", "d1", "r1", 3), conflict},
		"all that are left":                {deallocate("o1", "f1", "d1", "r1", 1), deallocate("o1", "f1", "d1", "r1", 0), conflict},
		"another cause":                    {deallocate("o1", "f1", "d1", "r1", 1), deallocate("o1", "f1", "d2", "r1", 1), "reservation_deallocated"},
		"the same to keep":                 {keep(deallocate("o1", "f1", "d1", "r1", 0), 2), keep(deallocate("o1", "f1", "d1", "r1", 0), 2), "done"},
		"fewer to keep":                    {keep(deallocate("o1", "f1", "d1", "r1", 0), 2), keep(deallocate("o1", "f1", "d1", "r1", 0), 1), conflict},
		"all of them":                      {deallocate("o1", "f1", "d1", "r1", 0), deallocate("o1", "f1", "d1", "r1", 0), "done"},
		"given back after being confirmed": {deallocate("o1", "f1", "d1", "r1", 1), recall("o1", "f1", "d1", "r1", 1), conflict},
		"given back again":                 {recall("o1", "f1", "d1", "r1", 1), recall("o1", "f1", "d1", "r1", 1), "done"},
		"given back for another cause":     {recall("o1", "f1", "d1", "r1", 1), recall("o1", "f1", "d2", "r1", 1), "allocation_released"},
		"other units given back":           {recall("o1", "f1", "d1", "r1", 1), recall("o1", "f1", "d1", "r1", 2), conflict},
		"confirmed after being given back": {recall("o1", "f1", "d1", "r1", 1), deallocate("o1", "f1", "d1", "r1", 1), conflict},
		"the last ones given back":         {recall("o1", "f1", "d1", "r1", 2), recall("o1", "f1", "d1", "r1", 2), "done"},
		"fewer than the last ones":         {recall("o1", "f1", "d1", "r1", 2), recall("o1", "f1", "d1", "r1", 1), conflict},
		"another fulfilment, one id":       {deallocate("o1", "f1", "d1", "r1", 1), deallocate("o1", "f2", "d1", "r1", 1), "unknown-allocation"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := allocatedItem(t, "partly issued")
			do(t, i, tt.first)
			ended := restored(t, i)
			do(t, ended, recall("o1", "f1", "rest", "r1", 0))
			do(t, ended, release("o1", "r1", 0))
			for name, i := range map[string]*stock.Item{"live": i, "from a snapshot": restored(t, i)} {
				if got := verdict(stock.Decide(i, tt.again)); got != tt.want {
					t.Errorf("%s: %s, want %s", name, got, tt.want)
				}
			}
			want := tt.want
			if want != "done" && want != conflict {
				want = "reservation-closed"
			}
			for name, i := range map[string]*stock.Item{"live": ended, "from a snapshot": restored(t, ended)} {
				if got := verdict(stock.Decide(i, tt.again)); got != want {
					t.Errorf("ended, %s: %s, want %s", name, got, want)
				}
			}
		})
	}
}

// TestTakingBackNamesItsCause refuses what takes units away from a fulfilment for no cause, and a cause where no fulfilment is.
func TestTakingBackNamesItsCause(t *testing.T) {
	t.Parallel()
	i := allocatedItem(t, "part")
	nobody := release("o1", "r1", 1)
	nobody.DeallocationID = "d1"
	for _, c := range []stock.Command{deallocate("o1", "f1", "", "r1", 1), recall("o1", "f1", "", "r1", 1), nobody} {
		if got := verdict(stock.Decide(i, c)); got != "invalid-field" {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// TestDeallocationsAreBounded takes units back from a fulfilment one by one.
func TestDeallocationsAreBounded(t *testing.T) {
	t.Parallel()
	const units = stock.MaxDeallocations + 1
	i := evolve(stock.Received{MovementID: "m", Quantity: units, At: t0})
	do(t, i, reserve("o1", t0, ask("r1", units)))
	do(t, i, stock.Confirm{Key: shirt, OrderID: "o1", ReservationIDs: []string{"r1"}, Now: t0})
	do(t, i, allocate("o1", "f1", "r1", units))
	for n := range stock.MaxDeallocations {
		do(t, i, deallocate("o1", "f1", fmt.Sprint("d", n), "r1", 1))
	}
	if got := verdict(stock.Decide(i, deallocate("o1", "f1", "last", "r1", 1))); got != "limit-exceeded" {
		t.Errorf("one more: %s", got)
	}
	if got := verdict(stock.Decide(i, deallocate("o1", "f1", "d0", "r1", 1))); got != "done" {
		t.Errorf("the first one again: %s", got)
	}
}
