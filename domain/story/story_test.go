package story_test

import (
	"flag"
	"testing"

	"waybill/domain/fulfilment"
	"waybill/domain/order"
	"waybill/domain/payment"
	"waybill/domain/returns"
	"waybill/domain/stock"
)

const (
	flagSeeds = "story.seeds"
	flagSeed  = "story.seed"
)

// TestMain adds the flags of this package.
func TestMain(m *testing.M) {
	flag.Uint64(flagSeeds, 300, "how many stories each test walks through")
	flag.Uint64(flagSeed, 0, "the one story to walk through, from 1; 0 for all")
	m.Run()
}

// number returns the value of a flag of this package.
func number(name string) uint64 { return flag.Lookup(name).Value.(flag.Getter).Get().(uint64) }

// eachStory calls do for every seed that was asked for.
func eachStory(do func(seed uint64)) {
	if one := number(flagSeed); one > 0 {
		do(one)
		return
	}
	for seed := range number(flagSeeds) {
		do(seed + 1)
	}
}

// TestMoneyAndUnitsAreConserved is scenario 61: whatever is asked, told and answered, in whatever order, what the aggregates
// know of each other adds up after every step; and if everybody does their part then, the order comes to its end.
func TestMoneyAndUnitsAreConserved(t *testing.T) {
	t.Parallel()
	reached := map[string]int{} // how often each command had an effect
	eachStory(func(seed uint64) {
		k := newWalker(t, seed)
		k.walk()
		k.finish()
		for _, s := range k.sent {
			reached[s.name]++
		}
	})
	for _, name := range expected() {
		if enough() && reached[name] == 0 {
			t.Errorf("no story has come to %s: what it can break is not tested", name)
		}
	}
}

// TestSecondDeliveryHasNoEffect sends every command again that had an effect: at once, at the end of the walk, and when the
// order has come to its end.
func TestSecondDeliveryHasNoEffect(t *testing.T) {
	t.Parallel()
	met := map[exception]bool{}
	eachStory(func(seed uint64) {
		k := newWalker(t, seed)
		k.resend = true
		k.walk()
		k.redeliverAll()
		k.finish()
		k.redeliverAll()
		for _, e := range k.excepted {
			met[e] = true
		}
	})
	for _, e := range exceptions() {
		if enough() && !met[e] {
			t.Errorf("%s, sent again %s, was never refused with %s: it needs no exception", e.command, e.when, e.refusal)
		}
	}
}

// enough reports whether there are so many stories that together they come to everything.
func enough() bool { return number(flagSeed) == 0 && number(flagSeeds) >= 300 }

// expected returns the commands that the stories have to come to.
func expected() []string {
	return []string{
		order.CommandPlace, order.CommandConfirm, order.CommandComplete, order.CommandRecordPaymentPosition,
		order.CommandAssignFulfilment, order.CommandUnassignFulfilment, order.CommandRecordShipped, order.CommandRecordDelivered,
		order.CommandCancel, order.CommandCompleteCancellation, order.CommandDeclineCancellation,
		order.CommandAuthoriseReturn, order.CommandReleaseReturn, order.CommandRecordReturnOutcome,
		order.CommandGrantRefund, order.CommandRecordRefundSettled, order.CommandRecordRefundFailed,

		payment.CommandInitiate, payment.CommandAuthorise, payment.CommandCapture, payment.CommandVoid, payment.CommandRefund,
		payment.CommandRecordOutcome, payment.CommandRecordFact,

		stock.CommandReceive, stock.CommandReserve, stock.CommandConfirm, stock.CommandAllocate, stock.CommandDeallocate,
		stock.CommandRelease, stock.CommandIssue, stock.CommandRestock,

		fulfilment.CommandRequest, fulfilment.CommandAccept, fulfilment.CommandReject, fulfilment.CommandPick,
		fulfilment.CommandPackParcel, fulfilment.CommandUnpackParcel, fulfilment.CommandShipParcel, fulfilment.CommandRecordShipped,
		fulfilment.CommandRecordDelivered, fulfilment.CommandRequestCancellation, fulfilment.CommandCancel,
		fulfilment.CommandDeclineCancellation,

		returns.CommandRequest, returns.CommandApprove, returns.CommandDecline, returns.CommandReceive, returns.CommandInspect,
		returns.CommandRecordRestocked, returns.CommandRecordRefundGranted, returns.CommandFlagManualRefund, returns.CommandExpire,
		returns.CommandCancel, returns.CommandClose,
	}
}
