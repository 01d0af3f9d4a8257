package failpoint

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

func TestParseRefuses(t *testing.T) {
	for _, spec := range []string{
		"relay.afterPublish", "relay.afterPublish=", "relay.afterLunch=kill", "bug.of-mine=on", "bug.hole-skipped=off", "bug.hole-skipped=kill",
		"relay.afterPublish=die", "relay.afterPublish=kill@", "relay.afterPublish=kill@0", "relay.afterPublish=kill@x", "relay.afterPublish=kill@3-2",
		"relay.afterPublish=kill@-1", "relay.afterPublish=sleep", "relay.afterPublish=sleep()", "relay.afterPublish=sleep(5)", "relay.afterPublish=sleep(-1s)",
		"relay.afterPublish=sleep(1s", "relay.afterPublish=snooze(1s)", "relay.afterPublish=kill relay.afterAcks=kill",
	} {
		if _, err := parse(spec); err == nil {
			t.Errorf("%q was taken", spec)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("relay.afterPublish=kill@3;log.beforeCommit=sleep(200ms)@1-5;log.afterCommit=done-then-error@2;bug.hole-skipped=on")
	f.Add(";;=;")
	f.Fuzz(func(t *testing.T, spec string) {
		p, err := parse(spec)
		if (p == nil) == (err == nil) {
			t.Errorf("plan %v, error %v: want one of them", p, err)
		}
	})
}

func TestHit(t *testing.T) {
	p, err := parse(" log.afterCommit=error@2; relay.afterPublish=error@2-3 ;log.afterCommit=done-then-error@4; log.beforeCommit=done-then-error@5;bug.hole-skipped=on;")
	if err != nil {
		t.Fatal(err)
	}
	p.out = io.Discard
	type pass struct {
		point Point
		fails bool
		lost  bool
		says  Point // where the fault was asked for
	}
	for n, want := range []pass{
		{point: LogAfterCommit},
		{point: RelayAfterPublish},
		{LogAfterCommit, true, false, LogAfterCommit},
		{RelayAfterPublish, true, false, RelayAfterPublish},
		{RelayAfterPublish, true, false, RelayAfterPublish},
		{point: RelayAfterPublish},
		{point: LogAfterCommit},
		{LogAfterCommit, true, true, LogAfterCommit},
		{point: LogBeforeCommit}, // the step is done, its answer lost: behind the step
		{LogAfterCommit, true, true, LogBeforeCommit},
		{point: LogAfterCommit},
		{point: ProcessAfterState},
	} {
		err := p.hit(t.Context(), want.point)
		fault, fails := errors.AsType[*Error](err)
		if fails != want.fails || (err == nil) == want.fails {
			t.Fatalf("pass %d, %s: %v", n, want.point, err)
		}
		if fails && (fault.Lost != want.lost || fault.Point != want.says || errors.Is(err, io.ErrUnexpectedEOF) != want.lost) {
			t.Errorf("pass %d, %s: %+v (%v), want %+v", n, want.point, fault, err, want)
		}
	}
	if !p.bugs[BugHoleSkipped] || p.bugs[BugNoForkCheck] {
		t.Errorf("bugs are %v", p.bugs)
	}
}

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := parse("relay.afterBarrier=sleep(250ms)")
		if err != nil {
			t.Fatal(err)
		}
		p.out = io.Discard
		began := time.Now()
		if err := p.hit(t.Context(), RelayAfterBarrier); err != nil || time.Since(began) != 250*time.Millisecond {
			t.Errorf("slept %s, %v", time.Since(began), err)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		began = time.Now()
		if err := p.hit(ended, RelayAfterBarrier); err != nil || time.Since(began) != 0 {
			t.Errorf("slept %s although it was over, %v", time.Since(began), err)
		}
	})
}
