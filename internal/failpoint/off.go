//go:build !failpoints

package failpoint

import "context"

// Arm does nothing in a build without the tag "failpoints".
func Arm() error { return nil }

// Hit does nothing in a build without the tag "failpoints".
func Hit(context.Context, Point) error { return nil }

// On is false in a build without the tag "failpoints".
func On(Bug) bool { return false }
