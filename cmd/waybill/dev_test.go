package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// dev is a running waybill dev.
type dev struct {
	*process
	base, nats, admin string
	args              []string
	place             *place
}

// startDev starts dev on free ports and waits until it is ready.
func startDev(t *testing.T, p *place, args ...string) *dev {
	t.Helper()
	d := &dev{place: p, base: address(t), nats: address(t), admin: address(t)}
	d.args = append([]string{"dev", "--http-addr", d.base, "--nats-addr", d.nats, "--admin-addr", d.admin}, args...)
	d.base = "http://" + d.base
	d.again()
	return d
}

// again starts it once more, with the same ports and folder.
func (d *dev) again() {
	d.place.t.Helper()
	began := time.Now()
	d.process = d.place.start(waybill(d.place.t), d.args...)
	until(d.t, readyLimit, func() error {
		d.alive()
		if !strings.Contains(d.err.String(), "Ctrl-C stops everything") {
			return fmt.Errorf("no banner: %s", d.err)
		}
		return nil
	})
	d.t.Logf("dev is ready after %s", time.Since(began).Round(10*time.Millisecond))
}

// at returns the place with this dev as the server of all commands.
func (d *dev) at() *place {
	return d.place.with("WAYBILL_SERVER=" + d.base)
}

// key is the API key that the banner shows.
func (d *dev) key() string {
	d.t.Helper()
	for line := range strings.Lines(d.err.String()) {
		if _, key, ok := strings.Cut(line, "  Key "); ok {
			return strings.TrimSpace(key)
		}
	}
	d.t.Fatalf("no key in the banner: %s", d.err)
	return ""
}

// leftovers are the processes that run in or below a folder, or have it in their command line.
func leftovers(t *testing.T, dir string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ps", "-eo", "pid,args", "--no-headers").Output()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, dir) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

func TestDev(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	d := startDev(t, p)
	for _, want := range []string{d.base + "/v1", "nats://" + d.nats, "http://" + d.admin + "/metrics", "psql ", filepath.Join(p.dir, ".waybill"), "waybill orders stuck", "WAYBILL_SERVER=" + d.base} {
		if !strings.Contains(d.err.String(), want) {
			t.Errorf("the banner does not have %q:\n%s", want, d.err)
		}
	}
	if out := d.out.String(); out != "" {
		t.Errorf("standard output is for data, and has %q", out)
	}
	if strings.Contains(d.err.String(), "\x1b[") {
		t.Errorf("colours where there is no terminal: %q", d.err)
	}
	until(t, readyLimit, func() error { // the last of them may still be on its way
		if stuck := d.at().must("orders", "stuck", "-o", "jsonl"); strings.Count(stuck, "\n") != 2 {
			return fmt.Errorf("the banner promises two stuck orders, there are:\n%s", stuck)
		}
		return nil
	})

	t.Run("found by itself", func(t *testing.T) {
		dir := filepath.Join(p.dir, "tmp", "waybill-"+strconv.Itoa(os.Getuid()))
		leave := func(name string, pid int) string {
			path := filepath.Join(dir, name+".json")
			text := fmt.Sprintf(`{"pid":%d,"http":"http://127.0.0.1:1","data_dir":"/other"}`, pid)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}
		gone := p.start("/bin/true")
		gone.wait(runLimit)
		stale := leave("stale", gone.cmd.Process.Pid)
		for _, args := range [][]string{{"orders", "list", "-o", "jsonl"}, {"keys", "list", "-o", "jsonl"}} {
			r := p.run(args...)
			r.says(t, 0, d.base, filepath.Join(p.dir, ".waybill"))
			if r.out == "" {
				t.Errorf("%s: nothing on standard output", r.name)
			}
		}
		if _, err := os.Stat(stale); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the file of a dev that was killed is still there: %v", err)
		}
		second := leave("second", os.Getpid())
		r := p.run("orders", "list")
		r.says(t, 2, d.base, "http://127.0.0.1:1 (data in /other)", "next: ", "--server")
		r = p.run("keys", "list")
		r.says(t, 2, d.base, "next: ", "--http-addr")
		if err := os.Remove(second); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("busy ports", func(t *testing.T) {
		for flag, busy := range map[string]string{"http-addr": strings.TrimPrefix(d.base, "http://"), "nats-addr": d.nats, "admin-addr": d.admin} {
			args := []string{"dev", "--data-dir", filepath.Join(p.dir, "other")}
			for _, f := range []string{"http-addr", "nats-addr", "admin-addr"} {
				addr := address(t)
				if f == flag {
					addr = busy
				}
				args = append(args, "--"+f, addr)
			}
			r := p.run(args...)
			r.says(t, 1, busy+" is in use", "--"+flag)
		}
	})
	t.Run("a second one on the same folder", func(t *testing.T) {
		r := p.run("dev", "--http-addr", address(t), "--nats-addr", address(t), "--admin-addr", address(t))
		r.says(t, 1, "in use by process "+strconv.Itoa(d.cmd.Process.Pid), "next: ", "--data-dir")
	})
	t.Run("Ctrl-C", func(t *testing.T) {
		if code := d.stop(os.Interrupt); code != 0 {
			t.Errorf("exit code %d", code)
		}
		if left := leftovers(t, p.dir); len(left) > 0 {
			t.Errorf("processes are left behind:\n%s", strings.Join(left, "\n"))
		}
		for _, pattern := range []string{".waybill/postgres/run/.s.*", ".waybill/postgres/data/postmaster.pid", "tmp/waybill-*/*.json"} {
			if left, err := filepath.Glob(filepath.Join(p.dir, pattern)); err != nil || len(left) > 0 {
				t.Errorf("files are left behind: %v, %v", left, err)
			}
		}
	})
	t.Run("again", func(t *testing.T) {
		key := d.key()
		d.again()
		if d.key() != key {
			t.Errorf("the key changed from %s to %s", key, d.key())
		}
		if !strings.Contains(d.err.String(), "events from before") {
			t.Errorf("the demo data was placed twice:\n%s", d.err)
		}
		d.at().must("verify")
	})
}

// customers send orders to a dev and keep account of those that were acknowledged.
type customers struct {
	dev *dev
	key string

	mu           sync.Mutex
	acknowledged map[string]string // the order, by idempotency key
}

func newCustomers(d *dev) *customers {
	d.t.Helper()
	return &customers{dev: d, key: d.key(), acknowledged: map[string]string{}}
}

// begin has four clients send orders, under keys of this round alone, until end is called.
func (l *customers) begin(round int) (end func()) {
	var clients sync.WaitGroup
	stop := make(chan struct{})
	for c := range 4 {
		clients.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				k := fmt.Sprintf("%d-%d-%d", round, c, i)
				status, body, err := call(l.dev.t.Context(), http.MethodPost, l.dev.base+"/v1/orders", l.key, orderOf("MUG", 1), "Idempotency-Key", k)
				if err == nil && status == http.StatusCreated {
					l.mu.Lock()
					l.acknowledged[k] = orderID(l.dev.t, body)
					l.mu.Unlock()
				}
			}
		})
	}
	return func() {
		close(stop)
		clients.Wait()
	}
}

func (l *customers) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acknowledged)
}

// await waits until n orders were acknowledged.
func (l *customers) await(n int) {
	l.dev.t.Helper()
	until(l.dev.t, readyLimit, func() error {
		if got := l.count(); got < n {
			return fmt.Errorf("%d of %d orders", got, n)
		}
		return nil
	})
}

// check sends everything that was acknowledged again, and wants the same answers.
func (l *customers) check() {
	t := l.dev.t
	t.Helper()
	l.dev.ready(l.dev.base)
	var last string
	for k, id := range l.acknowledged {
		status, body, err := call(t.Context(), http.MethodPost, l.dev.base+"/v1/orders", l.key, orderOf("MUG", 1), "Idempotency-Key", k)
		if err != nil || status != http.StatusCreated || orderID(t, body) != id {
			t.Errorf("order %s was acknowledged under %s, and now the answer is %d %s, %v", id, k, status, body, err)
		}
		last = id
	}
	l.dev.at().must("verify")
	l.dev.at().must("orders", "timeline", last)
}

// TestDevKilled kills dev again and again under load. What was acknowledged is there every time.
func TestDevKilled(t *testing.T) {
	t.Parallel()
	d := startDev(t, newPlace(t), "--no-demo")
	orders := newCustomers(d)
	const kills = 3
	for n := range kills {
		end := orders.begin(n)
		orders.await(20 * (n + 1))
		d.kill()
		end()
		d.again()
	}
	t.Logf("%d orders were acknowledged, dev was killed %d times", orders.count(), kills)
	orders.check()
	if code := d.stop(os.Interrupt); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// postmaster is the process of the Postgres that a dev brought.
func (d *dev) postmaster() (int, error) {
	b, err := os.ReadFile(filepath.Join(d.place.dir, ".waybill/postgres/data/postmaster.pid"))
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return strconv.Atoi(line)
}

// killPostgres ends the Postgres of a dev as a crash would, and returns which process that was.
func (d *dev) killPostgres() int {
	d.t.Helper()
	pid, err := d.postmaster()
	if err == nil {
		err = syscall.Kill(pid, syscall.SIGKILL)
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return pid
}

// TestDevPostgresKilled kills the Postgres of a dev under load. Dev starts it again, says so, and nothing is lost.
func TestDevPostgresKilled(t *testing.T) {
	t.Parallel()
	d := startDev(t, newPlace(t), "--no-demo")
	orders := newCustomers(d)
	end := orders.begin(0)
	orders.await(20)
	killed := d.killPostgres()
	until(t, 2*time.Second, func() error {
		if !strings.Contains(d.err.String(), "Postgres is started again") {
			return errors.New("dev does not say that its Postgres ended")
		}
		return nil
	})
	until(t, readyLimit, func() error {
		d.alive()
		pid, err := d.postmaster()
		if err == nil && pid == killed {
			return errors.New("no other Postgres")
		}
		return err
	})
	orders.await(orders.count() + 20)
	end()
	t.Logf("%d orders were acknowledged", orders.count())
	orders.check()
	if code := d.stop(os.Interrupt); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if left := leftovers(t, d.place.dir); len(left) > 0 {
		t.Errorf("processes are left behind:\n%s", strings.Join(left, "\n"))
	}
}

// TestDevPostgresLost takes the data of a killed Postgres away: dev cannot go on, says why, and ends in order.
func TestDevPostgresLost(t *testing.T) {
	t.Parallel()
	d := startDev(t, newPlace(t), "--no-demo")
	data := filepath.Join(d.place.dir, ".waybill/postgres/data")
	if err := os.Remove(filepath.Join(data, "global/pg_control")); err != nil {
		t.Fatal(err)
	}
	d.killPostgres()
	code := d.wait(readyLimit)
	r := result{name: d.name, code: code, err: d.err.String()}
	r.says(t, 1, "pg_control", "next: ", filepath.Join(d.place.dir, ".waybill"))
	if left := leftovers(t, d.place.dir); len(left) > 0 {
		t.Errorf("processes are left behind:\n%s", strings.Join(left, "\n"))
	}
}

// TestDevEphemeral runs it as an ordinary user where it can, and finds nothing afterwards.
func TestDevEphemeral(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	if os.Getuid() == 0 {
		nobody, err := user.Lookup("nobody")
		if err != nil {
			t.Fatal(err)
		}
		uid, err := strconv.ParseUint(nobody.Uid, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		gid, err := strconv.ParseUint(nobody.Gid, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		p.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	d := startDev(t, p, "--ephemeral")
	var page struct {
		Data []json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal([]byte(d.at().must("orders", "list", "-o", "json")), &page); err != nil || len(page.Data) != 25 {
		t.Errorf("%d demo orders, %v", len(page.Data), err)
	}
	if code := d.stop(os.Interrupt); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if left := leftovers(t, p.dir); len(left) > 0 {
		t.Errorf("processes are left behind:\n%s", strings.Join(left, "\n"))
	}
	var files bytes.Buffer
	err := filepath.WalkDir(p.dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			fmt.Fprintln(&files, path)
		}
		return err
	})
	if err != nil || files.Len() > 0 {
		t.Errorf("files are left behind: %s%v", &files, err)
	}
}
