package rls

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"rollcall/internal/resourcelist"
	"rollcall/internal/store"
	"rollcall/internal/wheel"
	"rollcall/sip/event"
	"rollcall/sip/wire"
)

// AUID is the application usage of the documents that define services.
const AUID = "rls-services"

// Media types of list notifications.
const (
	typeMultipart = "multipart/related"
	typeRLMI      = "application/rlmi+xml"
)

// Documents is where rls-services documents are read.
type Documents interface {
	Document(ctx context.Context, key store.DocumentKey) (store.Document, error)
}

// Claims tells which document holds a service URI; store.ErrNotFound: none.
type Claims interface {
	Claimant(ctx context.Context, claim string) (store.DocumentKey, error)
}

// Users are the accounts; store.ErrNotFound when there is none.
type Users interface {
	Get(ctx context.Context, aor string) (store.User, error)
}

// Config is what a Service needs.
type Config struct {
	Documents Documents
	Claims    Claims
	Users     Users
	Resolver  *resourcelist.Resolver
	Wheel     *wheel.Wheel
	// Foreign gives the members of lists for an event package that are in other
	// domains; nil: they cannot be watched.
	Foreign func(event string) Members
	// Delegate reports whether a user may use the lists of another; nil: nobody may.
	Delegate func(user, owner string) bool
	// Public are lists that everybody may use, also without a name. What there is
	// to see is for their members to say.
	Public []string
	// Domains are served here.
	Domains []string
	// User is the user part of the addresses that users send their lists to
	// (RFC 5367), at each domain; empty: there are none.
	User string
	// Window is the time after a NOTIFY in which changes are collected. The first
	// after it is sent at once, and those that come while a NOTIFY is on its way
	// follow together.
	Window time.Duration
}

// Service is the resource list server. It is safe for concurrent use.
type Service struct {
	cfg     Config
	domains map[string]bool
	public  map[string]bool
	events  map[string]*wrapped // packages there are lists for
	index   index
	maxBody int // of one NOTIFY
	coder   deflater
}

// maxBody leaves room for the header of a NOTIFY: clients lose messages of more
// than 256 kB.
const maxBody = 248 << 10

// maxDatagram leaves room for the header in a datagram of 64 kB.
const maxDatagram = 60_000

// New returns a Service.
func New(cfg Config) *Service {
	s := &Service{cfg: cfg, domains: make(map[string]bool), public: make(map[string]bool), events: make(map[string]*wrapped), maxBody: maxBody}
	for _, d := range cfg.Domains {
		s.domains[strings.ToLower(d)] = true
	}
	for _, list := range cfg.Public {
		s.public[list] = true
	}
	s.index.init()
	return s
}

// IsList reports whether resource, a canonical address, is a list. When that
// cannot be found out now it reports false.
func (s *Service) IsList(ctx context.Context, resource string) bool {
	_, err := s.locate(ctx, resource)
	if err != nil && !errors.Is(err, errNoList) {
		slog.Warn("cannot find out whether a resource is a list", "resource", resource, "error", err)
	}
	return err == nil
}

// Wrap returns next with lists of members: subscriptions to resources that are
// lists are served here. All packages are wrapped before traffic begins.
func (s *Service) Wrap(next event.Package, members Members) event.Package {
	w := &wrapped{Package: next, lists: s, plain: next.Terms().ContentTypes, local: members, foreign: s.foreign(next.Event())}
	s.events[next.Event()] = w
	return w
}

func (s *Service) foreign(event string) Members {
	if s.cfg.Foreign == nil {
		return nil
	}
	return s.cfg.Foreign(event)
}

// wrapped is an event package with lists.
type wrapped struct {
	event.Package
	lists   *Service
	plain   []string // media types of the package itself
	local   Members
	foreign Members // nil: cannot be watched
}

func (w *wrapped) Terms() event.Terms {
	t := w.Package.Terms()
	t.ContentTypes = append(slices.Clone(t.ContentTypes), typeMultipart, typeRLMI)
	t.Options = append(slices.Clone(t.Options), optionRecipients)
	return t
}

func (w *wrapped) Open(ctx context.Context, sub *event.Subscription) (event.Source, error) {
	at, err := w.locate(ctx, sub)
	switch {
	case errors.Is(err, errNoList):
		// A client may list the types of lists in any Accept, but this is none.
		if !sub.Restored && !acceptsAny(sub, w.plain) {
			return nil, notAcceptable(w.plain...)
		}
		return w.Package.Open(ctx, sub)
	case err != nil:
		return nil, err
	}
	return w.open(ctx, sub, at)
}

// locate finds the list that a SUBSCRIBE is about, or brings with it.
func (w *wrapped) locate(ctx context.Context, sub *event.Subscription) (place, error) {
	if at, ok, err := w.lists.brought(sub); ok {
		return at, err
	}
	at, err := w.lists.locate(ctx, sub.Resource)
	if !errors.Is(err, errNoList) || !carriesList(sub) {
		return at, err
	}
	if sub.Resource != sub.Watcher {
		return place{}, &event.Refusal{Status: 403, Reason: "Lists Go To The List Service"}
	}
	return w.lists.recipients(sub.Resource, sub)
}

// open starts a list subscription. The checks are those of RFC 4662 §4.
func (w *wrapped) open(ctx context.Context, sub *event.Subscription, at place) (event.Source, error) {
	if !w.lists.mayUse(sub.Watcher, at) {
		return nil, &event.Refusal{Status: 403}
	}
	l := newList(w, sub, at)
	l.body = sub.Body
	if !sub.Restored {
		// RFC 4662 §4.1: 421 Extension Required
		if !slices.Contains(sub.Supported, "eventlist") {
			return nil, &event.Refusal{Status: 421, Headers: requireEventlist()}
		}
		if err := l.acceptable(); err != nil {
			return nil, err
		}
	}
	if err := l.readFilters(); err != nil && !sub.Restored {
		return nil, err
	}
	content, err := l.read(ctx)
	if err != nil {
		w.lists.index.remove(l)
		return nil, refuse(err)
	}
	sub.Kind = "list"
	if at.linphone {
		sub.SpellEvent("Presence")
	}
	l.apply(ctx, content)
	return l, nil
}

// mayUse reports whether a watcher may use a list. RFC 4662 §4.4: mostly that is
// its owner alone.
func (s *Service) mayUse(watcher string, at place) bool {
	switch {
	case watcher != "" && watcher == at.owner:
		return true
	case at.recipients:
		return false
	case s.public[at.resource]:
		return true
	}
	return watcher != "" && s.cfg.Delegate != nil && s.cfg.Delegate(watcher, at.owner)
}

func requireEventlist() []wire.Header {
	return []wire.Header{{Name: "Require", Value: "eventlist"}}
}

func notAcceptable(types ...string) error {
	return &event.Refusal{Status: 406, Headers: []wire.Header{{Name: "Accept", Value: strings.Join(types, ", ")}}}
}

func acceptsAny(sub *event.Subscription, types []string) bool {
	if len(sub.Accept) == 0 {
		return true
	}
	return slices.ContainsFunc(types, sub.Accepts)
}

// refuse turns what is wrong with a list into a final response. Errors of the
// store stay what they are.
func refuse(err error) error {
	var wrong *packageError
	switch {
	case errors.As(err, &wrong):
		// RFC 4826 §4.5, RFC 6665 §4.2.1.1
		return &event.Refusal{Status: 489, Headers: wrong.allow()}
	case errors.Is(err, errNoList):
		return &event.Refusal{Status: 404}
	case errors.Is(err, errMalformed):
		return &event.Refusal{Status: 400, Reason: "Malformed Recipient List"}
	case errors.Is(err, errTooMany):
		return &event.Refusal{Status: 413, Reason: "Too Many Recipients"}
	case errors.Is(err, resourcelist.ErrUnresolved):
		return &event.Refusal{Status: 502, Reason: "List Cannot Be Resolved"}
	}
	return err
}
