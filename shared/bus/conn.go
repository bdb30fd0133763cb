package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
)

// The tempo of a connection. A link that died silently is known after pingInterval * (maxPingsOut + 1).
const (
	dialTimeout     = 2 * time.Second
	writeTimeout    = 2 * time.Second
	pingInterval    = 2 * time.Second
	maxPingsOut     = 2
	reconnectWait   = 100 * time.Millisecond
	reconnectJitter = 100 * time.Millisecond
	closeTimeout    = time.Second // only a callback that blocks takes that long
)

// ErrAway says that there is no link to NATS now: what was to be sent was not sent, and will not be sent later.
var ErrAway = errors.New("no connection to NATS")

// Options say where NATS is and who we are.
type Options struct {
	// URL is one server or several, separated by commas; see [CheckURL]. Unused when InProcess is set.
	URL string
	// InProcess is a server inside this process, such as an *embednats.Server.
	InProcess nats.InProcessConnProvider
	// Name is what NATS' own tools show for this connection.
	Name string
	// Creds is the path of a NATS credentials file (a JWT and its nkey seed), empty for none. It is read again at every
	// connect, so it can be replaced while we run.
	Creds string
	// Log gets link changes, and a bounded number of lines about errors that nats.go reports from behind. Required.
	Log *slog.Logger
}

// Conn is a NATS connection that never gives up and never lies. While NATS is away it tries again several times a second,
// for ever; publishing fails at once and nothing is kept to be sent late; on return every subscription is back.
type Conn struct {
	nc     *nats.Conn
	log    *slog.Logger
	cancel context.CancelFunc // ends dials and sockets; only Close calls it

	link       atomic.Pointer[link]
	reconnects atomic.Uint64
	lost       atomic.Uint64

	closing atomic.Bool
	ended   chan struct{} // closed when nats.go has closed the connection, whoever asked
	broken  chan struct{} // closed when it did so and we had not asked

	mu       sync.Mutex // held while watchers run: each sees every change, in order
	watchers []func(up bool)

	// Owned by nats.go's callback goroutine.
	retries, slow, faults throttle
}

// link is one stretch of time with or without a link. It is never changed, only replaced.
type link struct {
	up    bool
	since time.Time       // with its monotonic reading
	ctx   context.Context // ends when the link is replaced
	end   context.CancelFunc
}

func newLink(up bool) *link {
	ctx, end := context.WithCancel(context.Background())
	return &link{up: up, since: time.Now(), ctx: ctx, end: end}
}

// Connect makes a connection. It tries each server once, for two seconds at most, and returns whether NATS was there or
// not; trying goes on behind. An error means that the options are bad.
func Connect(o Options) (*Conn, error) {
	ctx, cancel := context.WithCancel(context.Background())
	c := &Conn{
		log:     o.Log.With("component", "bus"),
		cancel:  cancel,
		ended:   make(chan struct{}),
		broken:  make(chan struct{}),
		retries: throttle{every: 10 * time.Second},
		slow:    throttle{every: time.Second},
		faults:  throttle{every: time.Second},
	}
	initial := newLink(false)
	c.link.Store(initial)

	opts := []nats.Option{
		nats.Name(o.Name),
		nats.Timeout(dialTimeout),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(), // else the same refusal twice closes the connection for ever
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectJitter, reconnectJitter),
		nats.ReconnectBufSize(-1), // nothing is kept to be sent late
		nats.PingInterval(pingInterval),
		nats.MaxPingsOutstanding(maxPingsOut),
		nats.FlusherTimeout(writeTimeout), // publishers wait behind a stalled write

		nats.ConnectHandler(c.connected),
		nats.ReconnectHandler(c.reconnected),
		nats.DisconnectErrHandler(c.disconnected),
		nats.ReconnectErrHandler(c.retryFailed),
		nats.ErrorHandler(c.asyncError),
		nats.ClosedHandler(c.closed),
	}
	dial := &dialer{ctx: ctx, tcp: net.Dialer{Timeout: dialTimeout}, inProcess: o.InProcess}
	if o.InProcess != nil {
		o.URL = ""
		opts = append(opts, nats.InProcessServer(dial))
	} else {
		if err := CheckURL(o.URL); err != nil {
			cancel()
			return nil, err
		}
		// nats.go looks names up without a deadline, and under the lock that publishers need; the dialer's own look-up
		// is part of its time-out.
		opts = append(opts, nats.SetCustomDialer(dial), nats.SkipHostLookup())
	}
	if o.Creds != "" {
		if _, err := os.ReadFile(o.Creds); err != nil {
			cancel()
			return nil, fmt.Errorf("read NATS credentials: %w", err)
		}
		opts = append(opts, nats.UserCredentials(o.Creds))
	}

	nc, err := nats.Connect(o.URL, opts...)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	c.nc = nc
	// The callback that says so may be still on its way. If it, or one after it, has been here, it knows better.
	if nc.IsConnected() {
		c.link.CompareAndSwap(initial, newLink(true))
	}
	return c, nil
}

// CheckURL says what is wrong with a comma separated list of NATS server URLs: each is scheme://host[:port] with one of
// the schemes nats, tls, ws and wss, or host[:port]. Errors never show a password.
func CheckURL(list string) error {
	for raw := range strings.SplitSeq(list, ",") {
		raw = strings.TrimSpace(raw)
		if raw == "" {
			return errors.New("NATS URL: empty")
		}
		if !strings.Contains(raw, "://") {
			raw = "nats://" + raw
		}
		u, err := url.Parse(raw)
		if err != nil {
			// url.Error repeats the whole URL, which may carry a password.
			var detail *url.Error
			if errors.As(err, &detail) {
				err = detail.Err
			}
			return fmt.Errorf("NATS URL: %w", err)
		}
		switch u.Scheme {
		case "nats", "tls", "ws", "wss":
		default:
			return fmt.Errorf("NATS URL %q: scheme %q is none of nats, tls, ws, wss", u.Redacted(), u.Scheme)
		}
		if u.Hostname() == "" {
			return fmt.Errorf("NATS URL %q: host missing", u.Redacted())
		}
		if p := u.Port(); p != "" {
			if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
				return fmt.Errorf("NATS URL %q: port %q is not between 1 and 65535", u.Redacted(), p)
			}
		}
	}
	return nil
}

// NATS is the connection below, for subscriptions and micro services. Publish through [Conn.Publish]: nats.go's own
// methods wait for its lock, which it holds for up to two seconds while it dials.
func (c *Conn) NATS() *nats.Conn { return c.nc }

// Publish sends data on subject, with a reply subject unless reply is empty. It returns [ErrAway] at once while there is
// no link; nil means that the message was handed to the link, not that anybody got it.
func (c *Conn) Publish(subject, reply string, data []byte) error {
	if !c.Up() {
		return ErrAway
	}
	var err error
	if reply == "" {
		err = c.nc.Publish(subject, data)
	} else {
		err = c.nc.PublishRequest(subject, reply, data)
	}
	switch err {
	case nil:
		return nil
	case nats.ErrReconnectBufExceeded, nats.ErrConnectionClosed, nats.ErrConnectionDraining:
		return ErrAway // the link went down, and the callback that says so is still on its way
	default:
		return fmt.Errorf("publish: %w", err)
	}
}

// Flush returns once the server has processed everything published and subscribed before. It covers that server only:
// interest reaches other servers later. It fails with [ErrAway] while there is no link or when the link breaks meanwhile,
// and otherwise waits until ctx ends, or for two seconds if ctx has no deadline.
func (c *Conn) Flush(ctx context.Context) error {
	l := c.link.Load()
	if !l.up {
		return ErrAway
	}
	wait := writeTimeout
	if deadline, ok := ctx.Deadline(); ok {
		wait = time.Until(deadline)
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	// A flush that begins just after the link broke would wait for the next one.
	defer context.AfterFunc(l.ctx, cancel)()
	err := c.nc.FlushWithContext(ctx)
	switch {
	case err == nil:
		return nil
	case l.ctx.Err() != nil, errors.Is(err, nats.ErrConnectionClosed): // nats.go's word for a link that broke, too
		return ErrAway
	default:
		return fmt.Errorf("flush: %w", err)
	}
}

// Up reports whether there is a link. It never waits.
func (c *Conn) Up() bool { return c.link.Load().up }

// UpFor is the age of the present link, 0 when there is none.
func (c *Conn) UpFor() time.Duration {
	if l := c.link.Load(); l.up {
		return time.Since(l.since)
	}
	return 0
}

// Away is for how long there has been no link, 0 when there is one.
func (c *Conn) Away() time.Duration {
	if l := c.link.Load(); !l.up {
		return time.Since(l.since)
	}
	return 0
}

// Watch calls f with the present state before it returns, and from then on at every change: f sees every one, in order,
// and never two at a time. When f hears true, subscriptions made before have been sent again. Everything waits for f, so
// it must not block, nor call Watch or Close.
func (c *Conn) Watch(f func(up bool)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watchers = append(c.watchers, f)
	f(c.Up())
}

// Broken is closed when nats.go has closed the connection for ever although we did not ask. It does so on a protocol
// error from the server that it does not know. The process cannot recover from that and should end.
func (c *Conn) Broken() <-chan struct{} { return c.broken }

// Lost counts the times a subscription began to drop messages because its reader was too slow. A run of drops counts
// once, however long; [nats.Subscription.Dropped] has the number of messages.
func (c *Conn) Lost() uint64 { return c.lost.Load() }

// Collectors are the connection's metrics.
func (c *Conn) Collectors() []prometheus.Collector {
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "beckon_nats_up",
			Help: "Whether there is a link to NATS (1) or not (0).",
		}, func() float64 {
			if c.Up() {
				return 1
			}
			return 0
		}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "beckon_nats_reconnects_total",
			Help: "Links to NATS made after the first.",
		}, func() float64 { return float64(c.reconnects.Load()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "beckon_nats_slow_consumers_total",
			Help: "Times a subscription began to drop messages because its reader was too slow.",
		}, func() float64 { return float64(c.lost.Load()) }),
	}
}

// Close flushes what was published, for as long as [Conn.Flush] would, and cuts the connection. The error, if any, is that
// of the flush: what was published last may be lost. While there is no link there is nothing to flush.
func (c *Conn) Close(ctx context.Context) error {
	err := c.Flush(ctx)
	if errors.Is(err, ErrAway) {
		err = nil
	}
	c.closing.Store(true)
	c.cancel() // whatever holds nats.go's lock, a dial or a write, ends now
	c.nc.Close()
	late := time.NewTimer(closeTimeout)
	defer late.Stop()
	select {
	case <-c.ended:
		return err
	case <-late.C:
		return errors.Join(err, errors.New("the connection's callbacks do not end"))
	}
}

// The functions below are callbacks, called by one goroutine of nats.go in the order of the events.

func (c *Conn) connected(nc *nats.Conn) {
	c.setLink(true)
	c.log.Info("connected to NATS", "url", nc.ConnectedUrlRedacted(), "server", nc.ConnectedServerId())
}

func (c *Conn) reconnected(nc *nats.Conn) {
	away := c.Away()
	c.reconnects.Add(1)
	c.setLink(true)
	c.log.Info("connected to NATS again", "url", nc.ConnectedUrlRedacted(), "server", nc.ConnectedServerId(), "away", away)
}

func (c *Conn) disconnected(_ *nats.Conn, err error) {
	c.setLink(false)
	c.retries = throttle{every: c.retries.every} // the first failure after this is news
	if !c.closing.Load() {
		c.log.Warn("disconnected from NATS", "err", err)
	}
}

func (c *Conn) retryFailed(_ *nats.Conn, err error) {
	// ErrNoServers stands for a first attempt that was refused; the next one brings the reason.
	if c.closing.Load() || errors.Is(err, nats.ErrNoServers) {
		return
	}
	if n, ok := c.retries.allow(); ok {
		c.log.Warn("cannot reach NATS, trying on", "err", err, "away", c.Away(), "attempts", n)
	}
}

func (c *Conn) asyncError(_ *nats.Conn, sub *nats.Subscription, err error) {
	if errors.Is(err, nats.ErrSlowConsumer) {
		c.lost.Add(1)
		if n, ok := c.slow.allow(); ok {
			c.log.Error("a subscription lost messages", "subject", subject(sub), "events", n)
		}
		return
	}
	if n, ok := c.faults.allow(); ok && !c.closing.Load() {
		c.log.Error("NATS reports an error", "err", err, "subject", subject(sub), "events", n)
	}
}

func (c *Conn) closed(nc *nats.Conn) {
	c.setLink(false)
	if !c.closing.Load() {
		c.log.Error("the NATS connection was closed for ever", "err", nc.LastError())
		close(c.broken)
	}
	close(c.ended)
}

func (c *Conn) setLink(up bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Up() == up {
		return
	}
	c.link.Swap(newLink(up)).end()
	for _, f := range c.watchers {
		f(up)
	}
}

func subject(sub *nats.Subscription) string {
	if sub == nil {
		return ""
	}
	return sub.Subject
}

// throttle lets one event through at a time, and counts the others.
type throttle struct {
	every time.Duration
	next  time.Time
	n     int
}

// allow reports whether the event may be told now, and of how many events since the last one told, itself included.
func (t *throttle) allow() (events int, ok bool) {
	t.n++
	now := time.Now()
	if now.Before(t.next) {
		return 0, false
	}
	events, t.n, t.next = t.n, 0, now.Add(t.every)
	return events, true
}
