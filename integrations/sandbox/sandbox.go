package sandbox

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Config says how a gateway behaves. The zero value is one that captures several times, voids in parts, and sends no webhook.
type Config struct {
	Name           string           // part of every id, so that those of two runs differ; random by default
	Clock          func() time.Time // time.Now by default; the control endpoint moves the gateway ahead of it
	APIKey         string           // asked for as a bearer token; none by default
	WebhookURL     string           // where webhooks go
	WebhookSecret  string           // "whsec_" and base64; needed with WebhookURL
	Client         *http.Client     // that sends them; one with a time-out of five seconds by default
	SingleCapture  bool             // whatever a capture leaves is let go
	WholeVoidsOnly bool             // a void has no amount
	ReplaysErrors  bool             // a repeated key gets the first answer, also a 500; else the work is done again, if it was not done
	KeyLifetime    time.Duration    // of idempotency keys; a day by default
	Hold           time.Duration    // how long a call hangs that gets no answer, by the clock on the wall; a minute by default
	MaxPayments    int              // then the oldest is forgotten; 10,000 by default. Ten times as many events and keys are kept
	Logger         *slog.Logger     // discards by default
}

// Gateway is a payment service provider. Its handler can be called at once; [Gateway.Run] sends the webhooks.
type Gateway struct {
	cfg    Config
	signer *standardwebhooks.Webhook
	wake   chan struct{}

	mu       sync.Mutex // guards what follows
	ahead    time.Duration
	last     int64 // number of the last id
	payments map[string]*Payment
	order    []string // ids of payments, oldest first
	keys     map[string]*keyed
	keyOrder []string
	faults   map[Kind][]Script
	events   []*Event
	sequence int64
	queue    []delivery
	tasks    []task
}

// task is something that happens by itself to a payment.
type task struct {
	due     time.Time
	payment *Payment
	do      func(at time.Time)
}

const (
	actionTime    = 15 * time.Minute
	captureWindow = 7 * 24 * time.Hour
	disputeTime   = 7 * 24 * time.Hour
	soon          = time.Minute // when what is pending comes about
	maxFaults     = 1000
	maxOperations = 1000 // of a payment, and as many disputes
)

// New returns a gateway without payments.
func New(cfg Config) (*Gateway, error) {
	cfg.Name = cmp.Or(cfg.Name, rand.Text()[:8])
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	cfg.Client = cmp.Or(cfg.Client, &http.Client{Timeout: 5 * time.Second})
	cfg.KeyLifetime = cmp.Or(cfg.KeyLifetime, 24*time.Hour)
	cfg.Hold = cmp.Or(cfg.Hold, time.Minute)
	cfg.MaxPayments = cmp.Or(cfg.MaxPayments, 10_000)
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	if cfg.MaxPayments < 0 || cfg.KeyLifetime < 0 || cfg.Hold < 0 {
		return nil, fmt.Errorf("sandbox gateway %s: a limit is negative", cfg.Name)
	}
	g := &Gateway{
		cfg: cfg, wake: make(chan struct{}, 1), payments: map[string]*Payment{}, keys: map[string]*keyed{}, faults: map[Kind][]Script{},
	}
	if cfg.WebhookURL != "" {
		signer, err := standardwebhooks.NewWebhook(cfg.WebhookSecret)
		if err != nil || cfg.WebhookSecret == "" {
			return nil, fmt.Errorf("sandbox gateway %s: read the webhook secret: it is missing or no base64", cfg.Name)
		}
		g.signer = signer
	}
	return g, nil
}

// Capabilities returns what the gateway declares.
func (g *Gateway) Capabilities() Capabilities {
	return Capabilities{
		MultiCapture: !g.cfg.SingleCapture, PartialVoid: !g.cfg.WholeVoidsOnly,
		KeyLifetimeSeconds: int64(g.cfg.KeyLifetime / time.Second), ReplaysErrors: g.cfg.ReplaysErrors,
	}
}

// now returns the time of the gateway, to the microsecond as databases keep it.
func (g *Gateway) now() time.Time {
	return g.cfg.Clock().Add(g.ahead).UTC().Truncate(time.Microsecond)
}

// newID returns an id that no other object has.
func (g *Gateway) newID(prefix string) string {
	g.last++
	return prefix + "_" + g.cfg.Name + "_" + strconv.FormatInt(g.last, 10)
}

// later lets something happen to p at a later time. Of what is due at one time, what was ordered first happens first.
func (g *Gateway) later(p *Payment, due time.Time, do func(at time.Time)) {
	i, _ := slices.BinarySearchFunc(g.tasks, due, func(t task, due time.Time) int { return cmp.Or(t.due.Compare(due), -1) })
	g.tasks = slices.Insert(g.tasks, i, task{due, p, do})
}

// catchUp lets happen what is due.
func (g *Gateway) catchUp() {
	now := g.now()
	for len(g.tasks) > 0 && !g.tasks[0].due.After(now) {
		t := g.tasks[0]
		g.tasks = slices.Delete(g.tasks, 0, 1)
		t.do(t.due)
	}
}

// add keeps a new payment, and forgets the oldest if there are too many.
func (g *Gateway) add(p *Payment) {
	g.payments[p.ID] = p
	g.order = append(g.order, p.ID)
	if len(g.order) > g.cfg.MaxPayments {
		oldest := g.payments[g.order[0]]
		delete(g.payments, oldest.ID)
		g.order = g.order[1:]
		g.tasks = slices.DeleteFunc(g.tasks, func(t task) bool { return t.payment == oldest })
	}
}

// keyed is what is known of an idempotency key.
type keyed struct {
	request string
	expires time.Time
	status  int // zero if nothing was done
	body    []byte
}

// key returns what is known of a key.
func (g *Gateway) key(key string) *keyed {
	if k := g.keys[key]; k != nil && g.now().Before(k.expires) {
		return k
	}
	return nil
}

// keep remembers what a key was answered with, and forgets the oldest key if there are too many.
func (g *Gateway) keep(key string, k keyed) {
	if key == "" {
		return
	}
	k.expires = g.now().Add(g.cfg.KeyLifetime)
	if g.keys[key] == nil {
		g.keyOrder = append(g.keyOrder, key)
	}
	g.keys[key] = &k
	if len(g.keyOrder) > 10*g.cfg.MaxPayments {
		delete(g.keys, g.keyOrder[0])
		g.keyOrder = g.keyOrder[1:]
	}
}
