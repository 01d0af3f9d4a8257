package chaos

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	eventStream   = "WAYBILL_EVENTS"
	commandStream = "WAYBILL_COMMANDS"
	natsConfig    = "../../nats.conf" // of this repository, from where its tests run
	natsStoreLine = `"/var/lib/nats/waybill"`
)

// natsUsers are the users of nats.conf.
func natsUsers() []string {
	return []string{"relay", "service", "intake", "consumer", "admin", "storefront", "sys"}
}

// natsPasswords are the variables that nats.conf reads, and the engine too.
func natsPasswords() []string {
	env := make([]string, 0, len(natsUsers()))
	for _, u := range natsUsers() {
		env = append(env, "WAYBILL_NATS_"+strings.ToUpper(u)+"_PASSWORD="+password(u))
	}
	return env
}

func password(user string) string { return "p-" + user }

// Broker is a nats-server process with the nats.conf of this repository, on one folder and one port for its whole life.
type Broker struct {
	program, dir, store string
	port, monitor       int

	mu      sync.Mutex
	process *process // nil while it is down
	copies  []string // of the store, the oldest first
}

func newBroker(ctx context.Context, program, dir string) (*Broker, error) {
	b := &Broker{program: program, dir: dir, store: filepath.Join(dir, "jetstream")}
	var err error
	if b.port, err = freePort(ctx); err != nil {
		return nil, err
	}
	if b.monitor, err = freePort(ctx); err != nil {
		return nil, err
	}
	shipped, err := os.ReadFile(natsConfig)
	if err != nil {
		return nil, fmt.Errorf("read the configuration of NATS: %w", err)
	}
	if !strings.Contains(string(shipped), natsStoreLine) {
		return nil, fmt.Errorf("read the configuration of NATS: store_dir is not %s", natsStoreLine)
	}
	text := strings.Replace(string(shipped), natsStoreLine, strconv.Quote(b.store), 1)
	if err := os.WriteFile(b.config(), []byte(text), 0o600); err != nil {
		return nil, err
	}
	return b, b.Start(ctx)
}

func (b *Broker) config() string { return filepath.Join(b.dir, "nats.conf") }

// Addr is where it listens, without a proxy in between.
func (b *Broker) Addr() string { return loopback(b.port) }

// Store is the folder of JetStream.
func (b *Broker) Store() string { return b.store }

// Start brings it up on what is in its store. One that runs is left alone.
func (b *Broker) Start(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.process != nil && b.process.running() {
		return nil
	}
	p, err := startProcess(b.program, []string{"-c", b.config(), "-a", "127.0.0.1", "-p", strconv.Itoa(b.port), "-m", strconv.Itoa(b.monitor)},
		append(os.Environ(), natsPasswords()...), b.dir, filepath.Join(b.dir, "nats.log"))
	if err != nil {
		return err
	}
	b.process = p
	return until(ctx, startLimit, func(context.Context) error {
		if !p.running() {
			return final{fmt.Errorf("nats-server ended: %w", p.err)}
		}
		conn, err := b.Connect("sys")
		if err == nil {
			conn.Close()
		}
		return err
	})
}

// Kill ends it with SIGKILL.
func (b *Broker) Kill() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.process != nil {
		b.process.kill()
	}
}

// Freeze stops it for a while: connections stay open, nothing moves.
func (b *Broker) Freeze() error { return b.signal(signalFreeze) }

// Thaw lets it go on.
func (b *Broker) Thaw() error { return b.signal(signalThaw) }

func (b *Broker) signal(s os.Signal) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.process == nil {
		return nil
	}
	return b.process.cmd.Process.Signal(s)
}

// Connect logs in as a user of nats.conf, without a proxy in between. The caller closes the connection.
func (b *Broker) Connect(user string, options ...nats.Option) (*nats.Conn, error) {
	return nats.Connect("nats://"+b.Addr(), append([]nats.Option{
		nats.UserInfo(user, password(user)), nats.CustomInboxPrefix("_INBOX." + user), nats.Timeout(5 * time.Second),
	}, options...)...)
}

// WipeStore empties the store of a broker that is down.
func (b *Broker) WipeStore() error { return os.RemoveAll(b.store) }

// CopyStore keeps a copy of the store of a broker that is down. The last three are kept.
func (b *Broker) CopyStore() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.copies) == 3 {
		if err := os.RemoveAll(b.copies[0]); err != nil {
			return err
		}
		b.copies = b.copies[1:]
	}
	to, err := os.MkdirTemp(b.dir, "store-copy-")
	if err != nil {
		return err
	}
	b.copies = append(b.copies, to)
	if _, err := os.Stat(b.store); errors.Is(err, os.ErrNotExist) {
		return nil // it was wiped
	}
	return os.CopyFS(to, os.DirFS(b.store))
}

// ReplaceStore puts one of the copies in the place of the store of a broker that is down, as a restored backup of its
// disk would be. It reports whether there was a copy.
func (b *Broker) ReplaceStore(r *rand.Rand) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.copies) == 0 {
		return false, nil
	}
	from := b.copies[r.IntN(len(b.copies))]
	if err := os.RemoveAll(b.store); err != nil {
		return false, err
	}
	return true, os.CopyFS(b.store, os.DirFS(from))
}

// FlipByte changes one bit in a message block of the event stream of a broker that is down. It answers where, or nothing
// if there is no block yet.
func (b *Broker) FlipByte(r *rand.Rand) (string, error) {
	blocks, err := filepath.Glob(filepath.Join(b.store, "jetstream", "*", "streams", eventStream, "msgs", "*.blk"))
	if err != nil || len(blocks) == 0 {
		return "", err
	}
	path := blocks[r.IntN(len(blocks))]
	content, err := os.ReadFile(path)
	if err != nil || len(content) == 0 {
		return "", err
	}
	at, bit := behindSequence(content, r.IntN(len(content))), r.IntN(8)
	content[at] ^= 1 << bit
	return fmt.Sprintf("bit %d of byte %d of %d in %s", bit, at, len(content), filepath.Base(path)), os.WriteFile(path, content, 0o640) //nolint:gosec // as nats-server has it
}

// behindSequence moves a place in a message block out of the length and the sequence of its record. A nats-server 2.15.2 that
// meets a sequence far ahead goes through all that it takes for missing, one by one, and needs hours and all memory
// for it: a fault of its own, which would end every run.
func behindSequence(block []byte, at int) int {
	const head, withHeaders = 12, 1 << 31 // length of 4 bytes, sequence of 8; the length's highest bit is a flag
	for record := 0; record+head < len(block); {
		length := int(binary.LittleEndian.Uint32(block[record:]) &^ withHeaders)
		if length <= head || at < record+length {
			return min(max(at, record+head), len(block)-1)
		}
		record += length
	}
	return at
}

// DeleteStream deletes the event stream, as somebody with the rights of an administrator might.
func (b *Broker) DeleteStream(ctx context.Context) error {
	conn, err := b.Connect("admin")
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := js.DeleteStream(ctx, eventStream); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("delete stream %s: %w", eventStream, err)
	}
	return nil
}
