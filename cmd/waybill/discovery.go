package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// devInfo is what a running dev leaves for the commands that are used beside it.
type devInfo struct {
	PID         int    `json:"pid"`
	HTTP        string `json:"http"` // "http://127.0.0.1:8080"
	NATS        string `json:"nats"`
	DatabaseURL string `json:"database_url"`
	DataDir     string `json:"data_dir"`
	Key         string `json:"key"` // an API key with every scope
}

// devInfoDir is a folder of this user alone, with a file for each dev that runs.
func devInfoDir() string { return filepath.Join(os.TempDir(), "waybill-"+strconv.Itoa(os.Getuid())) }

// devInfoPath is where the dev that serves addr leaves it.
func devInfoPath(addr string) string {
	return filepath.Join(devInfoDir(), strings.NewReplacer(":", "_", "/", "_").Replace(addr)+".json")
}

// publish writes the file, readable for this user alone; the function that it returns takes it away.
func (d devInfo) publish(addr string) (remove func(), err error) {
	path := devInfoPath(addr)
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a folder for %s: %w", path, err)
	}
	if err := ours(dir); err != nil {
		return nil, err
	}
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.WriteFile(path+".new", append(b, '\n'), 0o600); err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return func() { _ = os.Remove(path) }, nil
}

// liveDevs returns what the devs of this user left that run now. What one left that was killed is removed.
func liveDevs() ([]devInfo, error) {
	dir := devInfoDir()
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = ours(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("find a running dev: %w", err)
	}
	var live []devInfo
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if filepath.Ext(path) != ".json" {
			continue // one that is being written
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // its dev has just ended
		}
		if err != nil {
			return nil, fmt.Errorf("find a running dev: %w", err)
		}
		var d devInfo
		if err := json.Unmarshal(b, &d); err != nil {
			return nil, fail(exitError, "rm "+path, "find a running dev: %s: %w", path, err)
		}
		if runsAsUs(d.PID) {
			live = append(live, d)
		} else if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("find a running dev: %w", err)
		}
	}
	return live, nil
}

// findDev returns what a dev on addr left; ok is false if none runs there.
func findDev(addr string) (d devInfo, ok bool, err error) {
	live, err := liveDevs()
	d, ok = on(live, addr)
	return d, ok, err
}

func on(live []devInfo, addr string) (d devInfo, ok bool) {
	i := slices.IndexFunc(live, func(d devInfo) bool { return d.HTTP == baseURL(addr) })
	if i < 0 {
		return devInfo{}, false
	}
	return live[i], true
}

// anyDev returns what the dev on addr left, the address that is meant where nothing is said, or else the only dev that
// runs, and says so. Of several it takes none: how says by which flag to choose.
func (a *app) anyDev(addr, how string) (d devInfo, ok bool, err error) {
	live, err := liveDevs()
	if err != nil || len(live) == 0 {
		return devInfo{}, false, err
	}
	if d, ok := on(live, addr); ok {
		return d, true, nil
	}
	if len(live) == 1 {
		a.sayf("this is the dev on %s, with its data in %s", live[0].HTTP, live[0].DataDir)
		return live[0], true, nil
	}
	list := make([]string, len(live))
	for i, d := range live {
		list[i] = fmt.Sprintf("%s (data in %s)", d.HTTP, d.DataDir)
	}
	return devInfo{}, false, fail(exitUsage, "the same with "+how+", or after: export WAYBILL_SERVER="+live[0].HTTP,
		"which dev? there are %s", strings.Join(list, ", "))
}

// ours refuses a folder that others may write to: the key in it could be anybody's.
func ours(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("look at %s: %w", dir, err)
	}
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 || !ownedByUs(info) {
		return fmt.Errorf("%s is not a folder of this user alone: remove it", dir)
	}
	return nil
}

// baseURL is how a local client reaches a listener on addr.
func baseURL(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "http://" + addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}
