package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
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

// devInfoPath is where the dev that serves addr leaves it: in a folder of this user alone.
func devInfoPath(addr string) string {
	return filepath.Join(os.TempDir(), "waybill-"+strconv.Itoa(os.Getuid()), strings.NewReplacer(":", "_", "/", "_").Replace(addr)+".json")
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

// findDev returns what a dev on addr left; ok is false if none did.
func findDev(addr string) (d devInfo, ok bool, err error) {
	path := devInfoPath(addr)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return devInfo{}, false, nil
	}
	if err != nil {
		return devInfo{}, false, fmt.Errorf("find a running dev: %w", err)
	}
	if err := ours(filepath.Dir(path)); err != nil {
		return devInfo{}, false, err
	}
	if err := json.Unmarshal(b, &d); err != nil {
		return devInfo{}, false, fmt.Errorf("find a running dev: %s: %w", path, err)
	}
	return d, true, nil
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
