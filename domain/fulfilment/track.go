package fulfilment

import (
	"cmp"
	"slices"

	"waybill/domain"
)

// TrackingStatus is what a carrier says about a parcel.
type TrackingStatus string

// The statuses that carriers report, the further one later.
const (
	TrackingPreTransit        TrackingStatus = "pre_transit" // the carrier knows of it, and does not have it
	TrackingInTransit         TrackingStatus = "in_transit"
	TrackingException         TrackingStatus = "exception" // something went wrong, and it goes on
	TrackingOutForDelivery    TrackingStatus = "out_for_delivery"
	TrackingDeliveryFailed    TrackingStatus = "delivery_failed"
	TrackingAvailableToPickUp TrackingStatus = "available_to_pick_up"
	TrackingDelivered         TrackingStatus = "delivered"
	TrackingReturnedToSender  TrackingStatus = "returned_to_sender"
)

// trackingStatuses returns all statuses, the further one later.
func trackingStatuses() []TrackingStatus {
	return []TrackingStatus{
		TrackingPreTransit, TrackingInTransit, TrackingException, TrackingOutForDelivery, TrackingDeliveryFailed,
		TrackingAvailableToPickUp, TrackingDelivered, TrackingReturnedToSender,
	}
}

// ends reports whether the way of a parcel is over with s.
func (s TrackingStatus) ends() bool { return s == TrackingDelivered || s == TrackingReturnedToSender }

// Fact remembers what a carrier said, so that the same is not recorded twice.
type Fact struct {
	ID         string         `msgpack:"fact_id,omitempty"`
	ParcelID   string         `msgpack:"parcel_id,omitempty"`
	Status     TrackingStatus `msgpack:"status"`
	OccurredAt domain.Time    `msgpack:"occurred_at"`
}

// RecordTracking says what a carrier reports of a parcel. With the status delivered, delivery_failed or
// returned_to_sender it causes what the command of that name causes.
type RecordTracking struct {
	Target
	FactID     string // unique in the fulfilment: the carrier's, or made from what it says
	ParcelID   string
	Status     TrackingStatus
	OccurredAt domain.Time     // by the carrier's clock
	Source     string          // who says so: "dhl-webhook", "scan"
	Detail     domain.Personal // in the carrier's words, which may name people
}

// RecordDelivered says that a parcel has arrived.
type RecordDelivered struct {
	Target
	FactID     string
	ParcelID   string
	OccurredAt domain.Time
	Source     string
	ProofRef   string // where the proof of delivery can be had
	Detail     domain.Personal
}

// RecordDeliveryFailed says that a parcel could not be handed over. It may be tried again.
type RecordDeliveryFailed struct {
	Target
	FactID     string
	ParcelID   string
	OccurredAt domain.Time
	Source     string
	Reason     string // the carrier's code
	Detail     domain.Personal
}

// RecordReturnedToSender says that a parcel came back without having been handed over.
type RecordReturnedToSender struct {
	Target
	FactID     string
	ParcelID   string
	OccurredAt domain.Time
	Source     string
	Reason     string // the carrier's code
	Detail     domain.Personal
}

// TrackingUpdated records what a carrier said that changes nothing but, at most, where the parcel is.
type TrackingUpdated struct {
	Head
	FactID     string          `msgpack:"fact_id,omitempty"`
	ParcelID   string          `msgpack:"parcel_id,omitempty"`
	Status     TrackingStatus  `msgpack:"status"`
	OccurredAt domain.Time     `msgpack:"occurred_at"`
	Source     string          `msgpack:"source,omitempty"`
	Detail     domain.Personal `msgpack:"detail,omitempty"`
}

// ParcelDelivered records that a parcel has arrived.
type ParcelDelivered struct {
	Head
	FactID     string          `msgpack:"fact_id,omitempty"`
	ParcelID   string          `msgpack:"parcel_id,omitempty"`
	Lines      []Line          `msgpack:"lines,omitempty"`
	OccurredAt domain.Time     `msgpack:"occurred_at"`
	Source     string          `msgpack:"source,omitempty"`
	ProofRef   string          `msgpack:"proof_ref,omitempty"`
	Detail     domain.Personal `msgpack:"detail,omitempty"`
}

// DeliveryFailed records that a parcel could not be handed over.
type DeliveryFailed struct {
	Head
	FactID     string          `msgpack:"fact_id,omitempty"`
	ParcelID   string          `msgpack:"parcel_id,omitempty"`
	OccurredAt domain.Time     `msgpack:"occurred_at"`
	Source     string          `msgpack:"source,omitempty"`
	Reason     string          `msgpack:"reason,omitempty"`
	Detail     domain.Personal `msgpack:"detail,omitempty"`
}

// ReturnedToSender records that a parcel came back: its units were shipped, and need a return.
type ReturnedToSender struct {
	Head
	FactID     string          `msgpack:"fact_id,omitempty"`
	ParcelID   string          `msgpack:"parcel_id,omitempty"`
	Lines      []Line          `msgpack:"lines,omitempty"`
	OccurredAt domain.Time     `msgpack:"occurred_at"`
	Source     string          `msgpack:"source,omitempty"`
	Reason     string          `msgpack:"reason,omitempty"`
	Detail     domain.Personal `msgpack:"detail,omitempty"`
}

// CommandType implements [Command].
func (RecordTracking) CommandType() string { return CommandRecordTracking }

// CommandType implements [Command].
func (RecordDelivered) CommandType() string { return CommandRecordDelivered }

// CommandType implements [Command].
func (RecordDeliveryFailed) CommandType() string { return CommandRecordDeliveryFailed }

// CommandType implements [Command].
func (RecordReturnedToSender) CommandType() string { return CommandRecordReturnedToSender }

// EventType implements [Event].
func (TrackingUpdated) EventType() string { return TypeTrackingUpdated }

// EventType implements [Event].
func (ParcelDelivered) EventType() string { return TypeParcelDelivered }

// EventType implements [Event].
func (DeliveryFailed) EventType() string { return TypeDeliveryFailed }

// EventType implements [Event].
func (ReturnedToSender) EventType() string { return TypeReturnedToSender }

// said is what all four commands say.
type said struct {
	Target
	Fact
	source, ref string // ref: the proof, or the reason
	detail      domain.Personal
}

func (c RecordTracking) decide(f *Fulfilment) ([]Event, error) {
	return said{c.Target, Fact{c.FactID, c.ParcelID, c.Status, c.OccurredAt}, c.Source, "", c.Detail}.decide(f)
}

func (c RecordDelivered) decide(f *Fulfilment) ([]Event, error) {
	return said{c.Target, Fact{c.FactID, c.ParcelID, TrackingDelivered, c.OccurredAt}, c.Source, c.ProofRef, c.Detail}.decide(f)
}

func (c RecordDeliveryFailed) decide(f *Fulfilment) ([]Event, error) {
	return said{c.Target, Fact{c.FactID, c.ParcelID, TrackingDeliveryFailed, c.OccurredAt}, c.Source, c.Reason, c.Detail}.decide(f)
}

func (c RecordReturnedToSender) decide(f *Fulfilment) ([]Event, error) {
	return said{c.Target, Fact{c.FactID, c.ParcelID, TrackingReturnedToSender, c.OccurredAt}, c.Source, c.Reason, c.Detail}.decide(f)
}

func (s said) decide(f *Fulfilment) ([]Event, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(f.Facts, func(fact Fact) bool { return fact.ID == s.Fact.ID }); i >= 0 {
		if f.Facts[i] == s.Fact {
			return nil, nil
		}
		return f.once(s.anomaly(f, AnomalyFactConflict)), nil
	}
	p := f.parcel(s.ParcelID)
	switch {
	case p == nil:
		return f.once(s.anomaly(f, AnomalyUnknownParcel)), nil
	case s.Status == TrackingPreTransit: // says nothing about where the parcel is
		return []Event{s.update(f)}, nil
	case p.State == StateUnpacked || p.State == StateCancelled:
		return f.once(s.anomaly(f, AnomalyParcelClosed)), nil
	}
	var events []Event
	if p.State == StatePacked { // a parcel that the carrier has is a parcel that has left, whatever we know of it
		gone, err := (RecordShipped{Target: s.Target, ParcelID: p.ID, ShippedAt: s.OccurredAt}).decide(f)
		if err != nil {
			return nil, err
		}
		events = gone
	}
	return append(events, s.events(f, p)...), nil
}

func (s said) check() error {
	f := &fields{}
	f.id("fact_id", s.Fact.ID)
	f.id("parcel_id", s.ParcelID)
	oneOf(f, "status", s.Status, trackingStatuses()...)
	if s.OccurredAt.IsZero() {
		f.check(domain.InvalidField{Field: "occurred_at", Reason: "is missing"})
	}
	f.text("source", s.source, MaxName)
	f.text("reference", s.ref, MaxName)
	f.check(domain.CheckPersonal("detail", s.detail, MaxText))
	return f.err
}

// events returns what s says about p, which has left, or has by the events before.
func (s said) events(f *Fulfilment, p *Parcel) []Event {
	late := p.ended() && !s.after(p)
	var events []Event
	switch {
	case s.Status == TrackingDelivered && p.State != StateDelivered && !late:
		events = append(events, ParcelDelivered{
			Head: f.head(s.Now), FactID: s.Fact.ID, ParcelID: p.ID, Lines: p.Lines, OccurredAt: s.OccurredAt, Source: s.source,
			ProofRef: s.ref, Detail: s.detail,
		})
	case s.Status == TrackingReturnedToSender && p.State != StateReturned && !late:
		events = append(events, ReturnedToSender{
			Head: f.head(s.Now), FactID: s.Fact.ID, ParcelID: p.ID, Lines: p.Lines, OccurredAt: s.OccurredAt, Source: s.source,
			Reason: s.ref, Detail: s.detail,
		})
	case s.Status == TrackingDeliveryFailed && !p.ended():
		events = append(events, DeliveryFailed{
			Head: f.head(s.Now), FactID: s.Fact.ID, ParcelID: p.ID, OccurredAt: s.OccurredAt, Source: s.source, Reason: s.ref,
			Detail: s.detail,
		})
	default:
		events = append(events, s.update(f))
	}
	switch {
	case p.ended() && s.Status.ends() && s.Status != p.Status:
		events = append(events, s.anomaly(f, AnomalyEndConflict))
	case p.ended() && !s.Status.ends() && s.OccurredAt > p.StatusAt:
		events = append(events, s.anomaly(f, AnomalyMovedAfterEnd))
	}
	return events
}

func (s said) update(f *Fulfilment) TrackingUpdated {
	return TrackingUpdated{
		Head: f.head(s.Now), FactID: s.Fact.ID, ParcelID: s.ParcelID, Status: s.Status, OccurredAt: s.OccurredAt, Source: s.source,
		Detail: s.detail,
	}
}

func (s said) anomaly(f *Fulfilment, kind AnomalyKind) AnomalyDetected {
	return AnomalyDetected{
		Head: f.head(s.Now), Kind: kind, ParcelID: s.ParcelID, FactID: s.Fact.ID,
		Detail: string(s.Status) + " at " + s.OccurredAt.String(),
	}
}

// after reports whether what is said of p counts for more than what is known of it. The end of the way counts for more than
// any station on it, else the later by the carrier's clock, else the further. So whatever comes in which order, the
// same is known in the end.
func (s Fact) after(p *Parcel) bool {
	if ends := s.Status.ends(); ends != p.Status.ends() {
		return ends
	}
	rank := func(t TrackingStatus) int { return slices.Index(trackingStatuses(), t) }
	return cmp.Or(cmp.Compare(s.OccurredAt, p.StatusAt), cmp.Compare(rank(s.Status), rank(p.Status))) > 0
}

// track folds a fact into its parcel.
func (f *Fulfilment) track(fact Fact, now domain.Time) {
	f.settleFact(fact, now)
	p := f.parcel(fact.ParcelID)
	if p == nil || !fact.after(p) {
		return
	}
	p.Status, p.StatusAt = fact.Status, fact.OccurredAt
	switch {
	case !p.left():
	case fact.Status == TrackingDelivered:
		p.State = StateDelivered
	case fact.Status == TrackingReturnedToSender:
		p.State = StateReturned
	}
}

func (e TrackingUpdated) apply(f *Fulfilment) {
	f.track(Fact{e.FactID, e.ParcelID, e.Status, e.OccurredAt}, e.At)
}

func (e ParcelDelivered) apply(f *Fulfilment) {
	f.track(Fact{e.FactID, e.ParcelID, TrackingDelivered, e.OccurredAt}, e.At)
}

func (e DeliveryFailed) apply(f *Fulfilment) {
	f.track(Fact{e.FactID, e.ParcelID, TrackingDeliveryFailed, e.OccurredAt}, e.At)
}

func (e ReturnedToSender) apply(f *Fulfilment) {
	f.track(Fact{e.FactID, e.ParcelID, TrackingReturnedToSender, e.OccurredAt}, e.At)
}
