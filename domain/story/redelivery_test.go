package story_test

import (
	"errors"
	"slices"

	"waybill/domain"
)

// sent is a command that had an effect, and can be sent again. Deciding it changes nothing.
type sent struct {
	name  string
	again func() (events int, err error)
}

// delivery says when a command comes a second time.
type delivery string

const (
	atOnce delivery = "at once" // before anything else has happened to the aggregate
	late   delivery = "late"    // when much has happened since
)

// exception is a command that is refused, and not passed over, when it comes again.
type exception struct {
	when    delivery
	command string
	refusal string // its code
}

// exceptions lists all exceptions. Every other command causes no event and no error when it comes again.
func exceptions() []exception {
	return []exception{
		// A second order under the id of the first is a mistake, and whoever places it has to learn so.
		{atOnce, "order.place", "order-already-placed"},
		{late, "order.place", "order-already-placed"},

		// What was asked for does not hold any more, and whoever asks again must not believe that it does: the order is being
		// cancelled, the fulfilment was recalled, the parcel was unpacked, the return has ended otherwise.
		{late, "order.confirm", "invalid-transition"},
		{late, "fulfilment.accept", "invalid-fulfilment-transition"},
		{late, "fulfilment.pack_parcel", "fulfilment-parcel-conflict"},
		{late, "return.expire", "invalid-return-transition"},

		// One of the legs has failed since: the refund is open, or was settled by others.
		{late, "order.record_refund_settled", "refund-conflict"},

		// The reservation has ended, and its units have left or are somebody else's.
		{late, "stock.reserve", "reservation-closed"},
		{late, "stock.confirm", "reservation-closed"},
		{late, "stock.allocate", "reservation-closed"},
	}
}

// redeliver sends s again and ends the test if that has an effect, or a refusal that is not listed.
func (w *world) redeliver(when delivery, s sent) {
	events, err := s.again()
	if events > 0 {
		w.fail("%s, sent again %s, has had %d more events", s.name, when, events)
	}
	if err == nil {
		return
	}
	refusal, ok := errors.AsType[domain.Refusal](err)
	if !ok {
		w.fail("%s, sent again %s: a fault of the program: %v", s.name, when, err)
	}
	e := exception{when, s.name, refusal.RefusalCode()}
	if !slices.Contains(exceptions(), e) {
		w.fail("%s, sent again %s, is refused with %s: %v", e.command, e.when, e.refusal, err)
	}
	w.excepted = append(w.excepted, e)
}

// redeliverAll sends all again that had an effect so far.
func (w *world) redeliverAll() {
	for _, s := range w.sent {
		w.redeliver(late, s)
	}
}
