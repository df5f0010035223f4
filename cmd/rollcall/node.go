package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"rollcall/internal/auth"
	"rollcall/internal/bus"
	"rollcall/internal/certs"
	"rollcall/internal/config"
	"rollcall/internal/events"
	"rollcall/internal/httpd"
	"rollcall/internal/metrics"
	"rollcall/internal/remotelist"
	"rollcall/internal/shard"
	"rollcall/internal/store"
	"rollcall/internal/store/cached"
	"rollcall/internal/wheel"
	"rollcall/policy"
	"rollcall/rls"
	"rollcall/sip"
	dialoginfo "rollcall/sip/dialog"
	"rollcall/sip/event"
	"rollcall/sip/im"
	"rollcall/sip/presence"
	"rollcall/sip/reg"
	"rollcall/sip/registrar"
	"rollcall/sip/subscriber"
	"rollcall/sip/winfo"
	"rollcall/sip/wire"
	"rollcall/sip/xcapdiff"
	"rollcall/xcap"
	"rollcall/xcap/usage"
)

const (
	tick    = 50 * time.Millisecond // resolution of protocol timers
	userTTL = 5 * time.Second       // how long an account may be out of date
	// How long a document may be that was changed behind our back, untold, and how
	// many bytes of documents are kept in memory.
	documentTTL   = 5 * time.Second
	documentCache = 32 << 20
	reapEvery     = 20 * time.Second
	secretName    = "digest"
	gruuSecret    = "gruu"
	// routeSecret signs the Record-Route of dialogs with other domains.
	routeSecret = "route"
)

// node is one running server: all parts, wired.
type node struct {
	cfg      *config.Config
	store    *cached.Store
	metrics  *metrics.Metrics
	bus      bus.Bus
	wheel    *wheel.Wheel
	gruuKey  []byte
	routeKey []byte
	pool     *shard.Pool

	users       *auth.Users
	policy      *policy.Engine
	presence    *presence.Service
	dialogs     *dialoginfo.Service
	published   map[string]published // by event package; presence is not among them
	dialogRules *policy.Engine
	watchers    watcherInfo
	lists       *rls.Service
	remoteLists *remotelist.Cache // nil: none
	backend     *subscriber.Subscriber
	diff        *xcapdiff.Service
	events      *events.Hub
	registrar   *registrar.Registrar
	messages    *im.Relay
	notifier    *event.Notifier
	endpoint    *wire.Endpoint
	gate        gate

	certs       *certs.Store // nil: none
	xcap        *httpd.Server
	admin       *http.Server
	xcapSocket  net.Listener
	httpsSocket net.Listener // nil: none
	adminSocket net.Listener
	sipAddrs    []netip.AddrPort
	sipsAddrs   []netip.AddrPort

	ready  atomic.Bool
	failed chan error // a listener that ended by itself
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// newNode opens the database and makes all parts. Nothing listens yet.
func newNode(ctx context.Context, cfg *config.Config) (*node, error) {
	n := &node{cfg: cfg, metrics: metrics.New(), failed: make(chan error, 3), gate: gate{open: make(chan struct{})}}
	st, err := openStore(ctx, &cfg.Place, store.Options{Hook: n.metrics.Commit, Deleted: cfg.DeletedHistory})
	if err != nil {
		return nil, err
	}
	n.store = cached.New(st, documentCache, documentTTL)
	secret, err := n.store.Secret(ctx, secretName)
	if err != nil {
		return nil, errors.Join(databaseError{err}, n.store.Close())
	}
	if n.gruuKey, err = n.store.Secret(ctx, gruuSecret); err != nil {
		return nil, errors.Join(databaseError{err}, n.store.Close())
	}
	if n.routeKey, err = n.store.Secret(ctx, routeSecret); err != nil {
		return nil, errors.Join(databaseError{err}, n.store.Close())
	}
	if n.certs, err = newCerts(&cfg.HTTP, n.store); err != nil {
		return nil, errors.Join(err, n.store.Close())
	}
	n.wheel = wheel.New(tick)
	n.pool = shard.New(cfg.QueueLimit, func(any) { n.metrics.Panics.Inc() })
	if n.endpoint, err = n.newEndpoint(); err != nil {
		n.wheel.Stop()
		return nil, errors.Join(err, n.pool.Stop(ctx), n.store.Close())
	}
	n.users = auth.NewUsers(n.store, userTTL)
	n.wire(auth.New(secret, n.users), auth.NewThrottle())
	n.subscribe()
	return n, nil
}

// wire makes the services and connects them.
func (n *node) wire(authenticator *auth.Authenticator, throttle *auth.Throttle) {
	cfg := n.cfg
	trust, _ := cfg.TrustedPrefixes() // checked by Normalize
	routes, _ := cfg.Routes()         // likewise
	resolver := n.newResolver()
	provide := policy.ProvideNone
	if cfg.ProvideDefault == "all" {
		provide = policy.ProvideAll
	}
	publishers, _ := cfg.PublisherSet()
	rules, _ := cfg.Rules() // likewise
	n.policy = policy.NewEngine(n.store, resolver, policy.Options{ProvideDefault: provide, Tenants: tenants(rules)})
	n.presence = presence.New(presence.Config{
		Store: n.store, Documents: n.store, Policy: n.policy, Users: n.users,
		Pool: n.pool, Wheel: n.wheel, Metrics: n.metrics,
		MinExpires: cfg.MinExpires, DefaultExpires: cfg.DefaultExpires, MaxExpires: cfg.MaxExpires,
		MaxWatchers: cfg.MaxWatchers, AllowEvents: publishable[:], Publishers: publishers, FlowGrace: cfg.FlowGrace + flowSlack,
		Conflict: conflicts[cfg.PersonConflict], SettleWindow: cfg.SettleWindow, Simple: cfg.SimpleClients,
	})
	n.backend = n.newBackend(trust, routes)
	n.lists = n.newLists(resolver)
	n.notifier = event.New(event.Config{
		Store: n.store, Sender: n.endpoint, Pool: n.pool, Wheel: n.wheel, Metrics: n.metrics,
		Reach: n.reach, Remote: n.foreign, Forward: n.endpoint.Forward,
		Pacing: pacings[cfg.Pacing], MinExpires: cfg.MinExpires, MaxExpires: cfg.MaxExpires,
		MaxPerWatcher: cfg.MaxWatching, MaxPerResource: cfg.MaxWatchers,
	})
	n.notifier.Register(n.lists.Wrap(n.presence.Package(), rls.Presentities(n.presence)))
	regs := reg.Registrations{Contacts: n.contacts, Observers: cfg.SuperUsers}
	n.registerWithLists(reg.New(regs), regs)
	usages := usage.All(usage.Options{
		TestUsages: cfg.EnableTestUsages, GlobalReaders: cfg.GlobalReaders, MaxIconBytes: cfg.MaxIconBytes,
	})
	n.diff = n.newDiff(usages)
	n.notifier.Register(n.diff)
	n.events = n.newEvents(n.newGate(authenticator, throttle, trust), usages)
	n.presence.Notify(n.presenceNews)
	router := n.wireEventState(resolver)
	n.registrar = registrar.New(registrar.Config{
		Store: n.store, Pool: n.pool, Wheel: n.wheel, Bus: &n.bus, Metrics: n.metrics,
		MinExpires: cfg.MinExpires, DefaultExpires: cfg.DefaultExpires, MaxExpires: cfg.MaxExpires,
		MaxContacts: cfg.MaxContacts, Changed: n.presence.SetBindings,
		FlowGrace: cfg.FlowGrace, FlowTimer: cfg.FlowTimer, Flow: n.endpoint.Flow,
		ServiceRoute: cfg.ServiceRoute, Secret: n.gruuKey,
		News: func(aor string) { n.notifier.Changed(reg.Event, aor) },
	})
	n.messages = n.newRelay()
	n.gate.handler = sip.New(sip.Config{
		Domains: cfg.Domain, Auth: authenticator, Users: n.users, Trust: trust, Throttle: throttle,
		Pool: n.pool, Metrics: n.metrics,
		Registrar: registrations{n.registrar, n.messages, n.notifier}, GRUUs: n.registrar, Lists: n.lists.Resource,
		LocalPort: n.localPort, LocalHost: n.localHost, Routes: routes, Relay: n.newProxy(trust), Subscriber: n.backend,
		Presence: router, Publishers: publishers, Notifier: n.notifier, IM: n.messages,
	})
	n.xcap = n.newXCAPServer(n.withWebSocket(n.withEvents(xcap.New(xcap.Config{
		Store: n.store, Users: n.users, Auth: authenticator, Bus: &n.bus, Roots: cfg.XCAPRoot, Domains: cfg.Domain,
		Usages: usages, Limits: documentLimits(&cfg.Quota), Quotas: xcapQuotas(&cfg.XCAP), Delegates: delegates(cfg), SuperUsers: cfg.SuperUsers, Watchers: n.watching,
		Trust: trust, Throttle: throttle, Basic: cfg.BasicAuth, Metrics: n.metrics,
	})), trust), trust)
	n.admin = newAdminServer(n.adminHandler())
}

// newRelay makes the relay for MESSAGE.
func (n *node) newRelay() *im.Relay {
	cfg := n.cfg
	c := im.Config{
		Bindings: n.registrar, Users: n.users, Sender: n.endpoint, Wheel: n.wheel, Pool: n.pool,
		MaxBody: cfg.MaxMessageBytes, Lifetime: cfg.MessageLifetime, MaxKept: cfg.MaxStoredMessages,
	}
	if cfg.BlockMessages {
		c.Policy = relayPolicy{n.policy, n.presence}
	}
	if cfg.StoreMessages {
		c.Store = n.store
	}
	return im.New(c)
}

var pacings = map[string]event.Pacing{"off": event.Off, "gentle": event.Gentle, "rfc": event.RFC}

// subscribe connects the services to the bus. Publishers return only when all
// have been told, so what was answered is in force.
func (n *node) subscribe() {
	n.bus.Subscribe(func(e bus.Event) {
		switch e := e.(type) {
		case bus.DocumentChanged:
			n.presence.DocumentChanged(e)
			n.lists.DocumentChanged(e)
			n.diff.DocumentChanged(e)
			n.events.DocumentChanged(e)
			n.dialogRulesChanged(e)
		case bus.UserChanged:
			n.users.Forget(e.AOR)
			n.store.ForgetUser(e.AOR)
			n.policy.Forget(e.AOR) // before presence asks it again
			n.presence.UserChanged(e.AOR)
			n.dialogRules.Forget(e.AOR)
			for _, p := range n.published {
				p.UserChanged(e.AOR)
			}
			n.lists.UserChanged(e.AOR)
			n.events.UserChanged(e.AOR)
			for _, name := range n.notifier.Events() {
				n.notifier.Changed(name, e.AOR)
			}
			n.pool.Post(shard.Index(e.AOR), func() { n.endUser(e.AOR) })
		}
	})
}

// endUser ends what belongs to an account that is gone.
func (n *node) endUser(aor string) {
	ctx, cancel := context.WithTimeout(context.Background(), userTTL)
	defer cancel()
	if _, err := n.users.Get(ctx, aor); !errors.Is(err, store.ErrNotFound) {
		return
	}
	n.registrar.UserRemoved(aor)
	n.messages.UserRemoved(aor)
	for _, name := range n.notifier.Events() {
		n.notifier.End(name, aor, "noresource")
	}
	n.watchers.userGone(n.notifier, aor)
}

// start listens, takes up the state of an earlier run and opens the gate. The
// sockets come first: whoever sends meanwhile waits, instead of being told that
// its subscription is unknown.
func (n *node) start(ctx context.Context) error {
	for _, addr := range n.cfg.SIPListen {
		bound, err := listenSIP(ctx, n.endpoint, addr)
		if err != nil {
			return err
		}
		n.sipAddrs = append(n.sipAddrs, bound)
	}
	if err := n.listenSIPS(ctx); err != nil {
		return err
	}
	var err error
	if err := n.listenXCAP(ctx); err != nil {
		return err
	}
	if n.adminSocket, err = listenHTTP(ctx, "admin", n.cfg.AdminListen, httpd.Bounds{Total: maxHTTPConns}); err != nil {
		return err
	}
	n.serveHTTP(n.admin.Serve, n.adminSocket)
	if err := n.restore(ctx); err != nil {
		return err
	}
	n.gate.lift()
	n.serveXCAP()
	background, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	n.wg.Go(func() { n.reap(background) })
	n.wg.Go(func() { trim(background) })
	if n.certs != nil {
		n.wg.Go(func() { n.watchCerts(background) })
	}
	n.ready.Store(true)
	return nil
}

func (n *node) restore(ctx context.Context) error {
	if err := n.presence.Restore(ctx); err != nil {
		return fmt.Errorf("restoring presence: %w", err)
	}
	for _, p := range n.published {
		if err := p.Restore(ctx); err != nil {
			return fmt.Errorf("restoring event state: %w", err)
		}
	}
	if err := n.registrar.Restore(ctx); err != nil {
		return fmt.Errorf("restoring registrations: %w", err)
	}
	if err := n.messages.Restore(ctx); err != nil {
		return fmt.Errorf("restoring messages: %w", err)
	}
	if err := winfo.Restore(ctx, n.store, n.watchers.all...); err != nil {
		return fmt.Errorf("restoring watchers: %w", err)
	}
	if err := n.notifier.Restore(ctx); err != nil {
		return fmt.Errorf("restoring subscriptions: %w", err)
	}
	return nil
}

// reap removes expired rows: none outlives its expiry by a minute.
func (n *node) reap(ctx context.Context) {
	t := time.NewTicker(reapEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if _, err := n.store.Reap(ctx, time.Now()); err != nil && ctx.Err() == nil {
				slog.Error("expired rows not removed", "error", err)
			}
		}
	}
}
