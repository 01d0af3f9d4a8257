package chaos_test

import (
	"context"
	"testing"
	"time"

	"waybill/internal/chaos"
)

// TestKill is the harness at its simplest: one process is killed under load and started again, and everything holds.
func TestKill(t *testing.T) {
	c := chaos.New(t, chaos.Config{})
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	load, err := chaos.StartLoad(t.Context(), c, chaos.LoadConfig{Clients: 4, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := load.More(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	c.Servers[0].Kill()
	if err := load.More(t.Context(), 50); err != nil { // the other goes on alone
		t.Fatal(err)
	}
	if err := c.Servers[0].Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := load.More(t.Context(), 50); err != nil {
		t.Fatal(err)
	}
	stop, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	h := load.Stop(stop)
	t.Log(h.Summary())
	if h.Count(chaos.Refused) == 0 || h.Count(chaos.Accepted) < 200 {
		t.Error("the load sends too little, or nothing that is refused")
	}
	found, err := chaos.Check(t.Context(), h, c)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range found {
		t.Error(v)
	}
	for _, s := range c.Servers {
		if code, err := s.Terminate(stop); err != nil || code != 0 {
			t.Errorf("%s: exit code %d, %v", s.Name, code, err)
		}
	}
}
