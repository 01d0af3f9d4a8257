package order

import (
	"waybill/domain"
	"waybill/domain/money"
)

// AnomalyKind says how a fact contradicts what the order knew.
type AnomalyKind string

// The anomalies of an order.
const (
	AnomalyLatePayment       AnomalyKind = "late_payment"       // money was secured for an order that had come to nothing
	AnomalyShippedUnassigned AnomalyKind = "shipped_unassigned" // units left that the fulfilment did not have; no ledger counts them
	AnomalyShippedOnHold     AnomalyKind = "shipped_on_hold"    // units left while a hold blocked it
)

// Anomaly is a contradiction between a fact and the order. Somebody has to look at it.
type Anomaly struct {
	Anomaly      AnomalyKind    `msgpack:"anomaly"`
	PaymentID    string         `msgpack:"payment_id,omitempty"`
	FulfilmentID string         `msgpack:"fulfilment_id,omitempty"`
	ParcelID     string         `msgpack:"parcel_id,omitempty"`
	Lines        []LineQuantity `msgpack:"lines,omitempty"` // the units that it is about
	Amount       money.Money    `msgpack:"amount"`          // the money that it is about
	At           domain.Time    `msgpack:"at"`
}

// AnomalyDetected records that a fact, which was recorded before it, contradicts the order.
type AnomalyDetected Anomaly

// EventType implements [Event].
func (AnomalyDetected) EventType() string { return TypeAnomalyDetected }

// SchemaVersion implements [Event].
func (AnomalyDetected) SchemaVersion() int16 { return schemaFirst }

func (e AnomalyDetected) apply(o *Order) {
	if len(o.Anomalies) == keptAnomalies {
		o.Anomalies = append(o.Anomalies[:0:0], o.Anomalies[1:]...)
	}
	o.Anomalies = append(o.Anomalies, Anomaly(e))
	o.UpdatedAt = e.At
}

// keptAnomalies is how many of the latest anomalies an order remembers. All of them stay in the log.
const keptAnomalies = 100
