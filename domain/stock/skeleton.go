package stock

import "errors"

var errSkeleton = errors.New("stock: not decided yet")

func (c Receive) decide(i *Item) ([]Event, error) { return nil, errSkeleton }

func (c Adjust) decide(i *Item) ([]Event, error) { return nil, errSkeleton }

func (c Count) decide(i *Item) ([]Event, error) { return nil, errSkeleton }

func (c Reserve) decide(i *Item) ([]Event, error) { return nil, errSkeleton }

func (c Extend) decide(i *Item) ([]Event, error) { return nil, errSkeleton }

func (c Confirm) decide(i *Item) ([]Event, error) { return nil, errSkeleton }

func (c Release) decide(i *Item) ([]Event, error) { return nil, errSkeleton }

func (c Expire) decide(i *Item) ([]Event, error) { return nil, errSkeleton }

func (c SetBackorderPolicy) decide(i *Item) ([]Event, error) { return nil, errSkeleton }

func (c SetSafetyStock) decide(i *Item) ([]Event, error) { return nil, errSkeleton }

func (e Received) apply(i *Item) {}

func (e Adjusted) apply(i *Item) {}

func (e Counted) apply(i *Item) {}

func (e OversoldDetected) apply(i *Item) {}

func (e Reserved) apply(i *Item) {}

func (e ReservationExtended) apply(i *Item) {}

func (e ReservationConfirmed) apply(i *Item) {}

func (e ReservationReleased) apply(i *Item) {}

func (e ReservationExpired) apply(i *Item) {}

func (e BackorderPolicySet) apply(i *Item) {}

func (e SafetyStockSet) apply(i *Item) {}

// EncodeSnapshot returns the stored form of i, under [SnapshotSchema].
func EncodeSnapshot(i *Item) ([]byte, error) { return nil, errSkeleton }

// DecodeSnapshot is the inverse of [EncodeSnapshot]. A snapshot is a cache: on any error, fold the events.
func DecodeSnapshot(schema int16, data []byte) (*Item, error) { return nil, errSkeleton }
