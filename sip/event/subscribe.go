package event

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unique"

	"rollcall/internal/auth"
	"rollcall/internal/shard"
	"rollcall/internal/store"
	"rollcall/sip/wire"
)

// maxBody bounds the body of a SUBSCRIBE, which stays with the subscription.
const maxBody = 16 << 10

// Subscribe answers a SUBSCRIBE for resource. It runs on the shard of resource,
// or of the To tag when there is one (TagShard).
func (n *Notifier) Subscribe(ctx context.Context, req *wire.Request, resource string, who auth.Identity) {
	var refusal *Refusal
	if req.To.Tag() != "" {
		refusal = n.resubscribe(ctx, req, who)
	} else {
		refusal = n.subscribe(ctx, req, resource, who)
	}
	if refusal == nil {
		return
	}
	slog.Info("SUBSCRIBE refused", "status", refusal.Status, "reason", refusal.Reason,
		"event", req.Event, "resource", resource, "watcher", who.AOR, "call-id", req.CallID)
	n.respond(req, wire.Response{Status: refusal.Status, Reason: refusal.Reason, Headers: refusal.Headers})
}

// respond answers req. That the answer cannot be delivered changes nothing here:
// the request comes again, or the NOTIFY fails as well.
func (n *Notifier) respond(req *wire.Request, resp wire.Response) {
	if err := req.Respond(resp); err != nil {
		slog.Debug("answer to SUBSCRIBE not delivered", "call-id", req.CallID, "error", err)
	}
}

// subscribe deals with a SUBSCRIBE outside a dialog (RFC 6665 §4.2.1).
func (n *Notifier) subscribe(ctx context.Context, req *wire.Request, resource string, who auth.Identity) *Refusal {
	i := shard.Index(resource)
	r := &n.rooms[i]
	if r.merged(req, resource, who.AOR) {
		return &Refusal{Status: 482, Reason: "Merged Request"}
	}
	e, refusal := n.packageOf(req)
	if refusal != nil {
		return refusal
	}
	accept, refusal := acceptOf(req, e)
	if refusal != nil {
		return refusal
	}
	target, refusal := remoteTarget(req)
	if refusal != nil {
		return refusal
	}
	routes, refusal := routeSet(req)
	if refusal != nil {
		return refusal
	}
	granted, refusal := n.expiry(req, e)
	if refusal != nil {
		return refusal
	}
	condition, refusal := conditionOf(req)
	if refusal != nil {
		return refusal
	}
	body, refusal := e.bodyOf(req)
	if refusal != nil {
		return refusal
	}
	if len(r.byResource[resourceKey{e.event, resource}]) >= n.cfg.MaxPerResource {
		return &Refusal{Status: 503, Reason: "Too Many Watchers Of This Resource", Headers: retryAfter(time.Minute)}
	}
	s := n.newSubscription(req, e, i, resource, routes, who)
	s.Accept, s.Body, s.BodyNew = accept, body, len(body) > 0
	s.Expires = s.Created.Add(granted)
	s.Fetch = granted == 0
	s.dialog.target = target
	s.device = deviceOf(req, target)
	s.setSpecial(e.wishesOf(req.EventParams, granted, condition))
	if refusal := n.establish(ctx, s); refusal != nil {
		return refusal
	}
	n.grant(req, s, 200, granted)
	s.sending.open = true
	if s.Fetch {
		last, _ := s.lastView(condition)
		n.end(s, last)
		return nil
	}
	n.supersede(s)
	r.link(s)
	n.cfg.Metrics.Subscriptions.WithLabelValues(s.Event, s.Kind).Inc()
	slog.Debug("subscription started", "id", s.ID, "event", s.Event, "kind", s.Kind,
		"resource", s.Resource, "watcher", s.Watcher, "expires", granted)
	n.arm(s, s.Expires)
	s.sending.owed = true
	n.pump(s)
	return nil
}

// newSubscription takes from the first SUBSCRIBE what stays over the life of the
// dialog. Strings are copied: they would keep the whole message in memory.
func (n *Notifier) newSubscription(req *wire.Request, e *entry, shardIndex int, resource string, routes []string, who auth.Identity) *Subscription {
	name := who.DisplayName
	if name == "" {
		name = req.From.Display
	}
	s := &Subscription{
		ID: NewTag(shardIndex), Event: e.event, EventID: strings.Clone(req.EventID()),
		Resource: strings.Clone(resource),
		Watcher:  strings.Clone(who.AOR), DisplayName: strings.Clone(name), Kind: "plain",
		Supported:   parseSupported(req, e.options),
		ContentType: strings.Clone(req.ContentType), Deflate: takesDeflate(req), Simple: e.simple(req),
		Flow: req.Flow, Created: time.Now(), Shard: shardIndex,
		n: n, entry: e,
	}
	s.dialog.routes = routes
	s.dialog.setHead(s.ID, s.Event, s.EventID, req.To.URI, req.From.URI, req.From.Tag(), req.CallID)
	s.dialog.firstCSeq, s.dialog.remoteCSeq = req.CSeq, req.CSeq
	s.dialog.contact = n.contact(req.Flow)
	return s
}

// establish has the package open s and makes it durable, or leaves no trace.
func (n *Notifier) establish(ctx context.Context, s *Subscription) *Refusal {
	if !n.quota.take(s.Watcher, false) {
		return &Refusal{Status: 403, Reason: "Too Many Subscriptions"}
	}
	s.out = n.outbound(s)
	source, err := s.entry.pkg.Open(ctx, s)
	if err != nil {
		n.quota.release(s.Watcher)
		return refusalOf(err)
	}
	s.source = source
	if s.Fetch {
		s.lease = unlimited()
		return nil
	}
	s.lease = lease{}.extended()
	if err := n.commit(ctx, s); err != nil {
		source.Ended("deactivated", new(store.Batch))
		n.quota.release(s.Watcher)
		return refusalOf(err)
	}
	return nil
}

// commit makes s durable, with the rows of its source.
func (n *Notifier) commit(ctx context.Context, s *Subscription) error {
	b := store.Batch{Subscriptions: []store.Subscription{s.row()}}
	if r, ok := s.source.(Recorder); ok {
		r.Record(&b)
	}
	if err := n.cfg.Store.Commit(ctx, b); err != nil {
		return fmt.Errorf("storing subscription %s: %w", s.ID, err)
	}
	return nil
}

// grant sends the 200; RFC 6665 §8.3.1: never 202. Inside a dialog it is a 204
// when no NOTIFY follows (RFC 5839 §6.3).
func (n *Notifier) grant(req *wire.Request, s *Subscription, status int, granted time.Duration) {
	headers := append([]wire.Header{
		{Name: "Contact", Value: "<" + s.dialog.contact.Value() + ">"},
		{Name: "Expires", Value: seconds(granted)},
	}, s.headers(View{})...)
	n.respond(req, wire.Response{Status: status, ToTag: s.ID, Headers: headers})
}

// contact is our end of a dialog over f. RFC 6665 §4.5.1 wants a GRUU there: the
// address of a server is one, self-made (RFC 5627 §4.3).
func (n *Notifier) contact(f *wire.Flow) unique.Handle[string] {
	return unique.Make(n.cfg.Sender.ContactURI(f) + ";gr")
}

// packageOf checks what the request demands and finds its event package.
func (n *Notifier) packageOf(req *wire.Request) (*entry, *Refusal) {
	e := n.entries[req.Event]
	options := []string{"eventlist"}
	if e != nil {
		options = e.options
	}
	if unknown := req.Unsupported(options...); len(unknown) > 0 {
		return nil, &Refusal{Status: 420, Headers: []wire.Header{{Name: "Unsupported", Value: strings.Join(unknown, ", ")}}}
	}
	if len(req.Values("Event")) > 1 {
		return nil, &Refusal{Status: 400, Reason: "One Event Expected"} // RFC 6665 §8.2.1
	}
	if e == nil {
		return nil, &Refusal{Status: 489, Headers: []wire.Header{{Name: "Allow-Events", Value: strings.Join(n.Events(), ", ")}}}
	}
	if id := req.EventID(); !isToken(id) {
		return nil, &Refusal{Status: 400, Reason: "Malformed Event Id"}
	}
	if len(req.Body) > maxBody {
		return nil, &Refusal{Status: 413}
	}
	return e, nil
}

// acceptOf returns the media ranges of Accept. One that is there and names none
// takes nothing (RFC 3261 §20.1).
func acceptOf(req *wire.Request, e *entry) ([]string, *Refusal) {
	accept := parseAccept(req, e.terms.ContentTypes)
	nothing := len(accept) == 0 && len(req.Each("Accept")) > 0
	if nothing || !acceptable(accept, e.terms.ContentTypes) {
		return nil, &Refusal{Status: 406, Headers: []wire.Header{{Name: "Accept", Value: strings.Join(e.terms.ContentTypes, ", ")}}}
	}
	return accept, nil
}

// expiry decides for how long a SUBSCRIBE is granted: never longer than asked.
func (n *Notifier) expiry(req *wire.Request, e *entry) (time.Duration, *Refusal) {
	asked := e.terms.DefaultExpires
	if req.Expires >= 0 {
		asked = time.Duration(min(req.Expires, 1<<32)) * time.Second
	}
	// RFC 6665 §4.2.1.1: 423 if and only if all three hold.
	if asked > 0 && asked < time.Hour && asked < e.terms.MinExpires {
		return 0, &Refusal{Status: 423, Headers: []wire.Header{{Name: "Min-Expires", Value: seconds(e.terms.MinExpires)}}}
	}
	return min(asked, n.cfg.MaxExpires), nil
}

// refusalOf turns an error into a final response.
func refusalOf(err error) *Refusal {
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return refusal
	}
	slog.Warn("SUBSCRIBE failed", "error", err)
	if errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return &Refusal{Status: 503, Headers: retryAfter(10 * time.Second)}
	}
	return &Refusal{Status: 500}
}

func retryAfter(d time.Duration) []wire.Header {
	return []wire.Header{{Name: "Retry-After", Value: seconds(d)}}
}

func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

// isToken reports whether s is empty or a token of RFC 3261 §25.1.
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		alphanumeric := c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !alphanumeric && strings.IndexByte("-.!%*_+`'~", c) < 0 {
			return false
		}
	}
	return true
}
