package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"waybill/internal/config"
)

// FuzzLoad: whatever a file and the environment hold, they are refused or understood, and what is understood can be
// checked and shown, and is the same the next time.
func FuzzLoad(f *testing.F) {
	f.Add("http:\n  addr: 127.0.0.1:1\n", "WAYBILL_DATABASE_URL=postgres://u:"+password+"@h/d")
	f.Add("http: [1, 2]\n", "WAYBILL_HTTP_ADDR")
	f.Add("a: &a [*a]\n", "=")
	f.Add("relay:\n  window: 99999999999999999999\n", "WAYBILL_=x\nWAYBILL__=y")
	f.Add("\xff\x00", "NATS_URL=\x00")
	path := filepath.Join(f.TempDir(), "waybill.yaml")
	f.Fuzz(func(t *testing.T, text, environ string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, origins, err := config.Load(nil, strings.Split(environ, "\n"), path)
		if err != nil {
			return
		}
		if len(origins) == 0 {
			t.Error("nobody knows where the settings come from")
		}
		_ = c.Validate()
		if shown := c.Settings(origins); len(shown) != len(origins) {
			t.Errorf("%d settings are shown, %d have an origin", len(shown), len(origins))
		}
		again, _, err := config.Load(nil, strings.Split(environ, "\n"), path)
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Errorf("loaded again: %+v, %v; want %+v", again, err, c)
		}
	})
}
