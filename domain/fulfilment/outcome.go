package fulfilment

import (
	"fmt"
	"slices"

	"waybill/domain"
)

// CommandType implements [Command].
func (RecordLabelOutcome) CommandType() string { return CommandRecordLabelOutcome }

func (c RecordLabelOutcome) decide(f *Fulfilment) ([]Event, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	o := f.operation(c.OperationID)
	if o == nil {
		return f.once(AnomalyDetected{
			Head: f.head(c.Now), Kind: AnomalyUnknownOperation, OperationID: c.OperationID, Detail: c.says(),
		}), nil
	}
	switch c.Outcome {
	case OutcomeUnknown:
		if o.State != OperationRequested {
			return nil, nil // it is known to be unknown, or somebody knows better
		}
		return []Event{LabelOutcomeUnknown{Head: f.head(c.Now), ParcelID: o.ParcelID, OperationID: o.ID, Kind: o.Kind}}, nil
	case OutcomeFailed:
		return c.failed(f, o), nil
	case OutcomeSucceeded:
		return c.succeeded(f, o), nil
	}
	return nil, fmt.Errorf("record outcome of label operation %s: %q is checked and not handled", c.OperationID, c.Outcome)
}

func (c RecordLabelOutcome) check() error {
	f := &fields{}
	f.id("operation_id", c.OperationID)
	oneOf(f, "outcome", c.Outcome, OutcomeSucceeded, OutcomeFailed, OutcomeUnknown)
	f.tracking(c.Tracking)
	f.text("label_ref", c.LabelRef, MaxName)
	f.text("code", c.Code, MaxName)
	if _, ok := c.Cost.Currency.Exponent(); !ok && c.Cost.Currency != "" {
		f.check(domain.InvalidField{Field: "cost.currency", Reason: fmt.Sprintf("%q is not a currency", string(c.Cost.Currency))})
	}
	if c.Cost.Minor < 0 || c.Cost.Minor != 0 && c.Cost.Currency == "" {
		f.check(domain.InvalidField{Field: "cost", Reason: "is negative, or has no currency"})
	}
	return f.err
}

// says tells what became of the operation.
func (c RecordLabelOutcome) says() string {
	return fmt.Sprintf("%s %q %s %s", c.Outcome, c.Tracking, c.LabelRef, c.Code)
}

func (c RecordLabelOutcome) failed(f *Fulfilment, o *Operation) []Event {
	head := f.head(c.Now)
	switch o.State {
	case OperationFailed:
		return nil
	case OperationSucceeded:
		return f.once(AnomalyDetected{
			Head: head, Kind: AnomalyOutcomeConflict, ParcelID: o.ParcelID, OperationID: o.ID, Detail: c.says(),
		})
	case OperationRequested, OperationUnknown:
	}
	if o.Kind == OperationVoid {
		return []Event{LabelVoidFailed{
			Head: head, ParcelID: o.ParcelID, OperationID: o.ID, LabelOperationID: o.Voids, Code: c.Code,
		}}
	}
	return []Event{LabelFailed{Head: head, ParcelID: o.ParcelID, OperationID: o.ID, Code: c.Code}}
}

// succeeded has its effect once for each operation. It has it even where the operation was said to have failed, because
// the label is there, or is gone.
func (c RecordLabelOutcome) succeeded(f *Fulfilment, o *Operation) []Event {
	head := f.head(c.Now)
	anomaly := func(kind AnomalyKind) AnomalyDetected {
		return AnomalyDetected{Head: head, Kind: kind, ParcelID: o.ParcelID, OperationID: o.ID, Detail: c.says()}
	}
	if o.State == OperationSucceeded {
		if o.Kind == OperationBuy && !slices.Equal(o.Tracking, c.Tracking) {
			return f.once(anomaly(AnomalyOutcomeConflict))
		}
		return nil
	}
	var events []Event
	switch o.Kind {
	case OperationBuy:
		events = append(events, LabelPurchased{
			Head: head, ParcelID: o.ParcelID, OperationID: o.ID, Carrier: o.Carrier, Service: o.Service, Tracking: c.Tracking,
			LabelRef: c.LabelRef, Cost: c.Cost,
		})
		if f.label(o.ParcelID) != nil {
			events = append(events, anomaly(AnomalySecondLabel))
		}
	case OperationVoid:
		events = append(events, LabelVoided{Head: head, ParcelID: o.ParcelID, OperationID: o.ID, LabelOperationID: o.Voids})
		if p := f.parcel(o.ParcelID); p != nil && p.left() {
			events = append(events, anomaly(AnomalyVoidedAfterShipping))
		}
	}
	if o.State == OperationFailed {
		events = append(events, anomaly(AnomalyLateSuccess))
	}
	return events
}
