package order

import (
	"errors"

	"waybill/domain"
)

var errSkeleton = errors.New("order: not decided yet")

func (c Place) decide(o *Order) ([]Event, error) { return nil, errSkeleton }

func (c Confirm) decide(o *Order) ([]Event, error) { return nil, errSkeleton }

func (c Reject) decide(o *Order) ([]Event, error) { return nil, errSkeleton }

func (c Expire) decide(o *Order) ([]Event, error) { return nil, errSkeleton }

func (c PlaceHold) decide(o *Order) ([]Event, error) { return nil, errSkeleton }

func (c ReleaseHold) decide(o *Order) ([]Event, error) { return nil, errSkeleton }

func (c Cancel) decide(o *Order) ([]Event, error) { return nil, errSkeleton }

func (c AddNote) decide(o *Order) ([]Event, error) { return nil, errSkeleton }

func (c Tag) decide(o *Order) ([]Event, error) { return nil, errSkeleton }

func (c Untag) decide(o *Order) ([]Event, error) { return nil, errSkeleton }

func (e Placed) apply(o *Order) {}

func (e Confirmed) apply(o *Order) {}

func (e Rejected) apply(o *Order) {}

func (e Expired) apply(o *Order) {}

func (e HoldPlaced) apply(o *Order) {}

func (e HoldReleased) apply(o *Order) {}

func (e LinesCancelled) apply(o *Order) {}

func (e Cancelled) apply(o *Order) {}

func (e NoteAdded) apply(o *Order) {}

func (e Tagged) apply(o *Order) {}

func (e Untagged) apply(o *Order) {}

func (e placedV1) upcast() (Event, error) { return nil, errSkeleton }
func (o *Order) held(v Verb) bool         { return false }
func (o *Order) mayHold() bool            { return false }
func (o *Order) mayCancel() bool          { return false }

// Blocking returns the ids of the holds that block v at now.
func (o *Order) Blocking(v Verb, now domain.Time) []string { return nil }
