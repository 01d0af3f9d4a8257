package stock

import (
	"cmp"

	"waybill/domain"
)

// Bucket says why units that lie there cannot be sold.
type Bucket string

// The buckets.
const (
	BucketDamaged        Bucket = "damaged"
	BucketQualityControl Bucket = "quality_control"
	BucketOther          Bucket = "other"
)

// Buckets counts the units that lie there and cannot be sold.
type Buckets struct {
	Damaged        int64 `msgpack:"damaged"`
	QualityControl int64 `msgpack:"quality_control"`
	Other          int64 `msgpack:"other"`
}

// Total returns the units in all buckets.
func (b *Buckets) Total() int64 { return b.Damaged + b.QualityControl + b.Other }

// In returns the units in one bucket.
func (b *Buckets) In(bucket Bucket) int64 {
	switch bucket {
	case BucketDamaged:
		return b.Damaged
	case BucketQualityControl:
		return b.QualityControl
	case BucketOther:
		return b.Other
	}
	return 0
}

// add puts units into a bucket. A bucket of a later program counts as other.
func (b *Buckets) add(bucket Bucket, quantity int64) {
	switch bucket {
	case BucketDamaged:
		b.Damaged += quantity
	case BucketQualityControl:
		b.QualityControl += quantity
	case BucketOther:
		b.Other += quantity
	default:
		b.Other += quantity
	}
}

// MakeUnavailable says that units that lie there cannot be sold. That is a fact about them, so it is recorded even if they
// are promised; but there cannot be more of them than the books say: count first.
type MakeUnavailable struct {
	Key
	MovementID string // makes a repeated one harmless
	Bucket     Bucket
	Quantity   int64 // 1 to MaxQuantity
	Reason     string
	Ref        string
	Now        domain.Time
}

// MakeAvailable says that units of a bucket can be sold after all.
type MakeAvailable struct {
	Key
	MovementID string // makes a repeated one harmless
	Bucket     Bucket
	Quantity   int64 // 1 to what is in the bucket
	Reason     string
	Ref        string
	Now        domain.Time
}

// MadeUnavailable records units that lie there and cannot be sold.
type MadeUnavailable struct {
	MovementID string      `msgpack:"movement_id,omitempty"`
	Bucket     Bucket      `msgpack:"bucket,omitempty"`
	Quantity   int64       `msgpack:"quantity"`
	Reason     string      `msgpack:"reason,omitempty"`
	Ref        string      `msgpack:"ref,omitempty"`
	At         domain.Time `msgpack:"at"`
}

// MadeAvailable records units that can be sold again.
type MadeAvailable struct {
	MovementID string      `msgpack:"movement_id,omitempty"`
	Bucket     Bucket      `msgpack:"bucket,omitempty"`
	Quantity   int64       `msgpack:"quantity"`
	Reason     string      `msgpack:"reason,omitempty"`
	Ref        string      `msgpack:"ref,omitempty"`
	At         domain.Time `msgpack:"at"`
}

// CommandType implements [Command].
func (MakeUnavailable) CommandType() string { return CommandMakeUnavailable }

// CommandType implements [Command].
func (MakeAvailable) CommandType() string { return CommandMakeAvailable }

// EventType implements [Event].
func (MadeUnavailable) EventType() string { return TypeMadeUnavailable }

// SchemaVersion implements [Event].
func (MadeUnavailable) SchemaVersion() int16 { return schemaFirst }

// Order implements [Event].
func (MadeUnavailable) Order() string { return "" }

// EventType implements [Event].
func (MadeAvailable) EventType() string { return TypeMadeAvailable }

// SchemaVersion implements [Event].
func (MadeAvailable) SchemaVersion() int16 { return schemaFirst }

// Order implements [Event].
func (MadeAvailable) Order() string { return "" }

func (c MakeUnavailable) decide(i *Item) ([]Event, error) {
	err := cmp.Or(checkMovement(c.MovementID, c.Reason, c.Ref), checkBucket(c.Bucket), checkRange("quantity", c.Quantity, 1))
	if err != nil {
		return nil, err
	}
	m := Movement{ID: c.MovementID, Kind: MovementMakeUnavailable, Quantity: c.Quantity, Detail: string(c.Bucket)}
	if done, err := i.moved(m, 0); done || err != nil {
		return nil, err
	}
	if possible := max(0, i.OnHand-i.Unavailable.Total()); c.Quantity > possible {
		return nil, QuantityExceedsOnHand{SKU: c.SKU, Location: c.Location, Requested: c.Quantity, Possible: possible}
	}
	return i.settleFact(c.Now, MadeUnavailable{
		MovementID: c.MovementID, Bucket: c.Bucket, Quantity: c.Quantity, Reason: c.Reason, Ref: c.Ref, At: c.Now,
	}), nil
}

func (e MadeUnavailable) count(s *Sums) { s.Unavailable.add(e.Bucket, e.Quantity) }

func (e MadeUnavailable) apply(i *Item) {
	i.remember(Movement{ID: e.MovementID, Kind: MovementMakeUnavailable, Quantity: e.Quantity, Detail: string(e.Bucket)}, e.At)
}

func (c MakeAvailable) decide(i *Item) ([]Event, error) {
	err := cmp.Or(checkMovement(c.MovementID, c.Reason, c.Ref), checkBucket(c.Bucket), checkRange("quantity", c.Quantity, 1))
	if err != nil {
		return nil, err
	}
	m := Movement{ID: c.MovementID, Kind: MovementMakeAvailable, Quantity: c.Quantity, Detail: string(c.Bucket)}
	if done, err := i.moved(m, 0); done || err != nil {
		return nil, err
	}
	if possible := i.Unavailable.In(c.Bucket); c.Quantity > possible {
		return nil, QuantityExceedsBucket{
			SKU: c.SKU, Location: c.Location, Bucket: c.Bucket, Requested: c.Quantity, Possible: possible,
		}
	}
	return i.settleFact(c.Now, MadeAvailable{
		MovementID: c.MovementID, Bucket: c.Bucket, Quantity: c.Quantity, Reason: c.Reason, Ref: c.Ref, At: c.Now,
	}), nil
}

func (e MadeAvailable) count(s *Sums) { s.Unavailable.add(e.Bucket, -e.Quantity) }

func (e MadeAvailable) apply(i *Item) {
	i.remember(Movement{ID: e.MovementID, Kind: MovementMakeAvailable, Quantity: e.Quantity, Detail: string(e.Bucket)}, e.At)
}

// checkBucket refuses a bucket that there is not.
func checkBucket(b Bucket) error {
	switch b {
	case BucketDamaged, BucketQualityControl, BucketOther:
		return nil
	}
	return domain.InvalidField{Field: "bucket", Reason: "is none of damaged, quality_control and other"}
}
