// Package bench measures Waybill beside yardsticks: the fastest plain use of the same servers that an engineer would
// write by hand. What counts is the ratio of the two, taken in one run on one machine, because a rate alone says more
// about the machine than about the engine.
//
// A [Workload] is made of contests, a contest of sides: first ours, then its yardsticks. The sides take turns on the same
// servers for a number of rounds, in alternating order, after a warm-up; what is reported are the medians, and the ratio
// of every round. Each side checks what it did: a slow figure is a figure, a wrong result is an error.
//
// It tunes nothing: the parts run as the engine runs them. It does not measure a system in use: it works in a database
// and in streams of its own, which it removes.
package bench

import (
	"context"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Workload is something that is measured.
type Workload struct {
	Name      string
	Measures  string // what our side does, in a sentence
	Yardstick string // what it is held against, in a sentence; empty: nothing
	// Clients are the numbers of clients that it is run with by default, Quick those in a quick run. Neither: the
	// workload knows no clients, and the option is not for it.
	Clients, Quick []int
	// Contests prepares what all contests have in common, in e, and returns them. It is not measured.
	Contests func(ctx context.Context, e *Env) ([]Contest, error)
}

// Contest is one line of the results.
type Contest struct {
	Case    string // tells contests with the same number of clients apart; empty if there is one
	Clients int
	Unit    string // of the rate, such as "events/s"
	// Open prepares the sides: ours first, then the yardstick that the ratio is taken with, then others. What it opens in
	// e is closed after the last round.
	Open func(ctx context.Context, e *Env) ([]Side, error)
	// Compare says how a round of ours stands to the yardstick's; nil compares the rates.
	Compare func(ours, theirs Measurement) (yardstick, ratio float64)
}

// Side is one of those that take turns.
type Side struct {
	Name string
	// Run works for about the time given, or does a fixed amount of work, and says what it did. It checks its own result.
	Run func(ctx context.Context, r Round) (Measurement, error)
}

// Round is one turn.
type Round struct {
	Number int // from 1; 0 is the warm-up
	For    time.Duration
}

// Measurement is what one side did in one round.
type Measurement struct {
	Count   int64         // units of work
	Elapsed time.Duration // that they took together
	Latency *hdrhistogram.Histogram
	// Figures are others that this side has to tell, by name; medians of them are reported. Only those of our own side
	// are shown.
	Figures map[string]float64
}

// Rate is in units a second.
func (m Measurement) Rate() float64 {
	if m.Elapsed <= 0 {
		return 0
	}
	return float64(m.Count) / m.Elapsed.Seconds()
}

// Workloads are all of them, in the order in which they are listed.
func Workloads() []Workload {
	return []Workload{
		appendNew(),
		appendExisting(),
		httpOrders(""),
		visible(""),
		live(),
		memory(""),
		growth(),
		batch(),
		hot(),
		load(),
		relayBacklog(),
		rebuild(),
	}
}

// Find returns the workload of a name.
func Find(name string) (Workload, bool) {
	for _, w := range Workloads() {
		if w.Name == name {
			return w, true
		}
	}
	return Workload{}, false
}
