package historytest

import (
	"strconv"

	"github.com/google/uuid"

	"waybill/eventstore"
	"waybill/projections/projectiontest"
)

// Commits returns the log as commits: what was decided together is one commit.
func (l *Log) Commits() []eventstore.Commit {
	var commits []eventstore.Commit
	for i := range l.Events {
		e := &l.Events[i]
		if e.CommandID != uuid.Nil {
			commits = append(commits, eventstore.Commit{
				CommandID: e.CommandID, Streams: []eventstore.StreamEvents{{ID: e.Stream, Expected: e.Version - 1}},
			})
		}
		s := &commits[len(commits)-1].Streams[0]
		s.Events = append(s.Events, eventstore.NewEvent{ID: e.ID, Type: e.Type, Schema: e.Schema, Data: e.Data, Meta: e.Event.Meta})
	}
	return commits
}

// Samples returns histories for the contract suite: a short one, and one in which orders overlap.
func Samples() []projectiontest.Sample {
	samples := make([]projectiontest.Sample, 0, 2)
	for seed, n := range []int{40, 250} {
		samples = append(samples, projectiontest.Sample{Name: "random-" + strconv.Itoa(n), Commits: Random(uint64(seed), n).Commits()})
	}
	return samples
}
