package domaintest

import "testing"

// BenchmarkLoad is what loading a state costs: its history is decoded and folded.
func (a Aggregate[E, S]) BenchmarkLoad(b *testing.B) {
	var log []form
	for _, e := range a.history() {
		log = append(log, a.encode(b, e))
	}
	b.ReportAllocs()
	for b.Loop() {
		s := new(S)
		for _, f := range log {
			a.Evolve(s, a.decode(b, f))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(log)), "ns/event")
}

// BenchmarkCodec is what writing and reading each event costs.
func (a Aggregate[E, S]) BenchmarkCodec(b *testing.B) {
	for _, e := range a.Samples {
		f := a.encode(b, e)
		b.Run("encode/"+f.typ, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				a.encode(b, e)
			}
		})
		b.Run("decode/"+f.typ, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				a.decode(b, f)
			}
		})
	}
}
