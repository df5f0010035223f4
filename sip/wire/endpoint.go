package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"rollcall/internal/metrics"
	"rollcall/internal/quota"
	"rollcall/internal/sipdns"
	"rollcall/internal/wheel"
)

// Config is what an endpoint needs. Handler and Wheel are required; zero limits
// stand for the defaults beside them.
type Config struct {
	Handler Handler
	Metrics *metrics.Metrics // nil: a private one
	Wheel   *wheel.Wheel

	// Advertise is the host (no port) put into Contact and Via instead of the
	// listener's address, for servers behind address translation.
	Advertise string

	// TLS is for listeners on "tls", with certificates and, to ask peers for theirs,
	// ClientAuth and ClientCAs. DialTLS is for connections we open: its Certificates
	// are ours, its RootCAs (nil: those of the system) sign those of the peers.
	TLS     *tls.Config
	DialTLS *tls.Config

	// Resolver finds the servers of URIs; nil: one with the system's name servers.
	Resolver *sipdns.Resolver

	// Proxies are load balancers whose connections to "tcp" and "tls" listeners begin
	// with a PROXY protocol header. Nobody else's may.
	Proxies []netip.Prefix
	// Origins are hosts, besides our own, whose web pages may open WebSockets;
	// patterns as in path.Match, "*" for all.
	Origins []string

	MaxMessage      int           // bytes of a message over a stream: 256 kB, at most 1 MB
	MaxConns        int           // connections: 100,000
	MaxConnsPerAddr int           // connections from one address (IPv6: one /64), loopback excepted: 1,000
	MaxOpening      int           // connections that have yet to say who they are: 1,000
	IdleTimeout     time.Duration // of a connection: 2 h, at least 64*T1
	MaxForwards     int           // names looked up at a time for Forward: 64
	MaxPending      int           // client transactions: 500,000
	MaxTransactions int           // server transactions: 1,000,000
	MaxResponses    int           // bytes of responses kept for retransmissions: 64 MB
	ReadBuffer      int           // kernel receive buffer of a UDP socket: 4 MB
}

func (c Config) withDefaults() Config {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&c.MaxMessage, 256<<10)
	def(&c.MaxConns, 100_000)
	def(&c.MaxConnsPerAddr, 1000)
	def(&c.MaxOpening, 1000)
	def(&c.MaxPending, 500_000)
	def(&c.MaxForwards, 64)
	def(&c.MaxTransactions, 1_000_000)
	def(&c.MaxResponses, 64<<20)
	def(&c.ReadBuffer, 4<<20)
	c.MaxMessage = min(c.MaxMessage, maxParsed)
	if c.IdleTimeout <= 0 {
		c.IdleTimeout = 2 * time.Hour
	}
	// RFC 3261 §18: a connection stays at least this long after its last use.
	c.IdleTimeout = max(c.IdleTimeout, timerF)
	c.TLS = withTLSDefaults(c.TLS)
	if c.Resolver == nil {
		c.Resolver = sipdns.New(sipdns.Config{})
	}
	if c.Metrics == nil {
		c.Metrics = metrics.New()
	}
	return c
}

// Endpoint is the SIP transport of the server: its listeners, connections and
// transactions.
type Endpoint struct {
	cfg      Config
	metrics  *metrics.Metrics
	server   *serverTable
	answered tally // requests
	slow     slowList
	client   *clientTable
	resolver *resolver
	buffers  sync.Pool // to read from connections with
	nonce    uint64    // of this run, part of the reference of a connection
	flowID   atomic.Uint64
	forwards chan struct{}
	dials    *rate.Limiter
	badLog   *rate.Limiter

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	closed bool
	udp    []*udpListener
	tcp    []*tcpListener
	conns  map[string]*tcpConn // by Ref
	dialed map[dialKey]*tcpConn
	perIP  map[netip.Addr]int

	openings *quota.Quota[netip.Addr] // connections that have yet to say who they are
}

// New makes an endpoint without listeners.
func New(cfg Config) *Endpoint {
	cfg = cfg.withDefaults()
	e := &Endpoint{
		cfg:      cfg,
		metrics:  cfg.Metrics,
		server:   newServerTable(cfg.MaxTransactions, cfg.MaxResponses),
		client:   newClientTable(cfg.Wheel, cfg.Metrics, cfg.MaxPending),
		resolver: newResolver(),
		answered: tally{vec: cfg.Metrics.SIPRequests},
		nonce:    rand.Uint64(),
		openings: quota.New[netip.Addr](cfg.MaxOpening, (cfg.MaxOpening+1)/2),
		forwards: make(chan struct{}, cfg.MaxForwards),
		dials:    rate.NewLimiter(50, 100),
		badLog:   rate.NewLimiter(1, 5),
		conns:    make(map[string]*tcpConn),
		dialed:   make(map[dialKey]*tcpConn),
		perIP:    make(map[netip.Addr]int),
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.wg.Go(e.sweep)
	e.wg.Go(func() { e.client.retransmit(e.ctx.Done()) })
	return e
}

func (e *Endpoint) sweep() {
	tick := time.NewTicker(slowTick)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
			for _, r := range e.slow.due() {
				e.respond(r, Response{Status: 100})
			}
			if n%int(time.Second/slowTick) == 0 {
				e.server.sweep()
			}
		case <-e.ctx.Done():
			return
		}
	}
}

// Do runs a non-INVITE client transaction. It adds Via with a new branch,
// Max-Forwards, CSeq and Content-Length. done is called exactly once, on some
// other goroutine, and must be quick.
func (e *Endpoint) Do(out Outgoing, done func(Result)) {
	sentBy := ""
	if out.Flow != nil {
		sentBy = e.hostport(out.Flow)
	}
	e.client.do(&out, sentBy, done)
}

// receive handles one message, which is not kept.
func (e *Endpoint) receive(data []byte, flow *Flow) {
	if isResponse(data) {
		if err := e.client.receive(data, flow.framed()); err != nil {
			e.malformed(flow, err)
		}
		return
	}
	var seen txKey
	if !flow.Reliable() {
		if g, ok := peekRequest(data); ok {
			seen = e.server.branchKey(g, flow.Remote().Addr())
			if response, yes := e.server.repeated(seen); yes {
				e.repeat(flow, response, g.top.replyTo(flow.Remote()))
				return
			}
		}
	}
	r, owed, err := ParseRequest(data, flow)
	if r != nil {
		r.endpoint = e
	}
	if err == nil {
		e.request(r, seen)
		return
	}
	e.malformed(flow, err)
	if owed != nil {
		e.respond(r, *owed)
	}
}

// refuse answers a request whose body was not read. It is malformed as it stands,
// so it never gets further.
func (e *Endpoint) refuse(head []byte, flow *Flow, resp Response) {
	r, owed, err := ParseRequest(head, flow)
	if r == nil || owed == nil {
		return
	}
	e.malformed(flow, err)
	r.endpoint = e
	e.respond(r, resp)
}

// isResponse: a status line starts with the version, whose "/" no method has.
func isResponse(data []byte) bool { return len(data) > 4 && string(data[:4]) == "SIP/" }

// repeat sends a response once more; there is none while the request is in progress.
func (e *Endpoint) repeat(flow *Flow, response []byte, to netip.AddrPort) {
	if response == nil {
		return
	}
	if err := flow.out.send(response, to); err != nil {
		slog.Debug("response not repeated", "peer", flow.Remote(), "error", err)
	}
}

// request serves a valid request. key is that of its transaction, if known.
func (e *Endpoint) request(r *Request, key txKey) {
	// An ACK is for a final response to an INVITE; it is never answered.
	if r.Method == "ACK" {
		return
	}
	if !r.Flow.Reliable() {
		if key == (txKey{}) {
			key = e.server.key(r, r.Method)
		}
		fresh, tracked, response := e.server.begin(key)
		if !fresh {
			e.repeat(r.Flow, response, r.replyTo())
			return
		}
		if tracked {
			r.tx = key
		}
	}
	if r.Method == "CANCEL" {
		e.serveCancel(r)
		return
	}
	defer func() {
		if p := recover(); p != nil {
			slog.Error("panic in a request handler", "method", r.Method, "panic", p, "stack", string(debug.Stack()))
			e.metrics.Panics.Inc()
			e.respond(r, Response{Status: 500})
		}
	}()
	e.slow.watch(r)
	e.cfg.Handler.ServeSIP(r)
}

// serveCancel answers a CANCEL: RFC 3261 §9.2: 481 without the transaction, and no
// effect on anything but an INVITE, of which we never have one pending.
func (e *Endpoint) serveCancel(r *Request) {
	for _, method := range [...]string{"INVITE", "SUBSCRIBE", "PUBLISH", "REGISTER", "MESSAGE", "OPTIONS", "NOTIFY"} {
		if e.server.has(r, method) {
			e.respond(r, Response{Status: 200})
			return
		}
	}
	e.respond(r, Response{Status: 481})
}

func (e *Endpoint) respond(r *Request, resp Response) {
	if err := r.Respond(resp); !errors.Is(err, ErrAnswered) {
		e.sent(r, err)
	}
}

func (e *Endpoint) sent(r *Request, err error) {
	if err != nil {
		slog.Debug("response not sent", "method", r.Method, "peer", r.Flow.Remote(), "error", err)
	}
}

func (e *Endpoint) malformed(flow *Flow, err error) {
	e.metrics.Malformed.Inc()
	if e.badLog.Allow() {
		slog.Warn("malformed SIP message", "transport", flow.Transport(), "peer", flow.Remote(), "error", err)
	}
}

// Flow returns the flow that a stored reference means: the same UDP peer, from the
// same listener if it is there and else from any, or the TCP connection if it is
// still open; otherwise nil.
func (e *Endpoint) Flow(ref string) *Flow {
	transport, local, remote, _, ok := parseRef(ref)
	if !ok {
		return nil
	}
	if transport != "udp" {
		e.mu.Lock()
		defer e.mu.Unlock()
		if c := e.conns[ref]; c != nil {
			return c.flow
		}
		return nil
	}
	if l := e.udpFor(local, remote.Addr()); l != nil {
		return l.flow(remote)
	}
	return nil
}

// ContactURI returns the URI under which the peer of f reaches us.
func (e *Endpoint) ContactURI(f *Flow) string {
	uri := "sip:" + e.hostport(f)
	switch f.transport {
	case "UDP":
		return uri
	case "WSS":
		return uri + ";transport=ws" // RFC 7118 §5.4: one value for both
	}
	return uri + ";transport=" + strings.ToLower(f.transport)
}

// hostport is the sent-by of our Vias and the host of our Contacts on f.
func (e *Endpoint) hostport(f *Flow) string {
	local := f.Local()
	switch out := f.out.(type) {
	case *udpListener:
		if out.hostport != "" {
			return out.hostport
		}
		local = netip.AddrPortFrom(e.resolver.source(f.Remote()), local.Port())
	case *tcpConn:
		if !out.dialed {
			break // the local port is the one listened on
		}
		if port := e.streamPort(f.transport, local.Addr()); port != 0 {
			local = netip.AddrPortFrom(local.Addr(), port)
		}
	}
	host := e.cfg.Advertise
	if host == "" {
		host = local.Addr().String()
	}
	if local.Port() == 0 { // there is no listener for this transport
		return hostText(host)
	}
	return hostText(host) + ":" + strconv.Itoa(int(local.Port()))
}

// hostText puts brackets around a bare IPv6 address.
func hostText(host string) string {
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		return "[" + host + "]"
	}
	return host
}

// Close stops listening, ends every client transaction with ErrClosed, lets
// connections write what is queued until ctx ends, and waits for all goroutines.
func (e *Endpoint) Close(ctx context.Context) error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	conns := make([]*tcpConn, 0, len(e.conns))
	for _, c := range e.conns {
		conns = append(conns, c)
	}
	e.mu.Unlock()
	e.cancel()
	for _, l := range e.tcp {
		l.close()
	}
	e.client.close()
	for _, c := range conns {
		c.drain(ctx)
	}
	for _, l := range e.udp {
		l.close()
	}
	done := make(chan struct{})
	go func() { e.wg.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
