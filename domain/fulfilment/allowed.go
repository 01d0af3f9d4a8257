package fulfilment

import "slices"

// Allowed returns the names of the commands that the status of f, its units, parcels, labels and holds allow, in a fixed
// order; facts about an existing fulfilment are always among them. It has no clock, so a hold counts until it is released
// and a scheduled fulfilment may be accepted. A command may still be refused for what it carries.
func Allowed(f *Fulfilment) []string {
	if f.ID == "" {
		return []string{CommandRequest}
	}
	var names []string
	allow := func(when bool, commands ...string) {
		if when {
			names = append(names, commands...)
		}
	}
	status := f.Status()
	waits := status == StatusScheduled || status == StatusRequested
	allow(status == StatusScheduled, CommandMakeDue)
	allow(waits, CommandMove, CommandAccept, CommandReject)
	allow(f.atWork() && f.any(func(l *LineState) bool { return l.ToPick()+l.ToPack() > 0 }), CommandPick)
	allow(f.atWork() && f.any(func(l *LineState) bool { return l.ToPack() > 0 }), CommandPackParcel)
	allow(f.anyParcel(func(p *Parcel) bool { return p.State == StatePacked }), CommandUnpackParcel)
	stopped := f.pending() != nil || slices.ContainsFunc(f.Holds, func(h Hold) bool { return h.ReleasedAt.IsZero() })
	ready := func(p *Parcel) bool { return p.State == StatePacked && f.unresolved(p.ID) == nil }
	allow(!stopped && f.anyParcel(func(p *Parcel) bool { return ready(p) && f.label(p.ID) == nil }), CommandBuyLabel)
	allow(slices.ContainsFunc(f.Operations, func(o Operation) bool {
		p := f.parcel(o.ParcelID)
		return o.live() && p != nil && !p.left() && f.unresolved(p.ID) == nil
	}), CommandVoidLabel)
	allow(!stopped && f.anyParcel(ready), CommandShipParcel)
	names = append(names, CommandRecordLabelOutcome, CommandRecordShipped, CommandRecordTracking, CommandRecordDelivered,
		CommandRecordDeliveryFailed, CommandRecordReturnedToSender)
	allow(f.unshipped() > 0 && f.pending() == nil, CommandRequestCancellation)
	allow(f.pending() != nil, CommandCancel, CommandDeclineCancellation)
	allow(f.unshipped() > 0, CommandPlaceHold)
	allow(slices.ContainsFunc(f.Holds, func(h Hold) bool { return h.ReleasedAt.IsZero() }), CommandReleaseHold)
	return names
}

// atWork reports whether the location has accepted f and has units that did not leave.
func (f *Fulfilment) atWork() bool { return f.Acceptance != nil && f.unshipped() > 0 }

func (f *Fulfilment) any(is func(*LineState) bool) bool {
	return slices.ContainsFunc(f.Lines, func(l LineState) bool { return is(&l) })
}

func (f *Fulfilment) anyParcel(is func(*Parcel) bool) bool {
	return slices.ContainsFunc(f.Parcels, func(p Parcel) bool { return is(&p) })
}
