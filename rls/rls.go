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
	"rollcall/sip/presence"
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

// Presence is what members are watched with: *presence.Service.
type Presence interface {
	View(ctx context.Context, presentity, watcher string) presence.View
	Watch(w presence.Watch)
	Unwatch(presentity, id, reason string)
}

// Config is what a Service needs.
type Config struct {
	Documents Documents
	Claims    Claims
	Users     Users
	Resolver  *resourcelist.Resolver
	Presence  Presence
	Wheel     *wheel.Wheel
	// Domains are served here; members of others cannot be watched.
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
	s := &Service{cfg: cfg, domains: make(map[string]bool), maxBody: maxBody}
	for _, d := range cfg.Domains {
		s.domains[strings.ToLower(d)] = true
	}
	s.index.init()
	return s
}

// IsList reports whether resource, a canonical address, is a list. When that
// cannot be found out now it reports false.
func (s *Service) IsList(ctx context.Context, resource string) bool {
	_, err := s.locate(ctx, resource)
	if err != nil && !errors.Is(err, errNoList) {
		slog.Warn("cannot find out whether a resource is a list", "resource", resource, "err", err)
	}
	return err == nil
}

// Wrap returns next with lists: subscriptions to resources that are lists are
// served here.
func (s *Service) Wrap(next event.Package) event.Package {
	return &wrapped{Package: next, lists: s, plain: next.Terms().ContentTypes}
}

type wrapped struct {
	event.Package
	lists *Service
	plain []string // media types of the package itself
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
	return w.lists.open(ctx, sub, at, w.Event(), w.plain)
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
func (s *Service) open(ctx context.Context, sub *event.Subscription, at place, eventName string, types []string) (event.Source, error) {
	// RFC 4662 §4.4: only the owner may use a list.
	if sub.Watcher == "" || sub.Watcher != at.owner {
		return nil, &event.Refusal{Status: 403}
	}
	l := &list{svc: s, sub: sub, at: at, event: eventName, types: types, body: sub.Body, members: make(map[string]*member)}
	if !sub.Restored {
		// RFC 4662 §4.1: 421 Extension Required
		if !slices.Contains(sub.Supported, "eventlist") {
			return nil, &event.Refusal{Status: 421, Headers: requireEventlist()}
		}
		if err := l.acceptable(); err != nil {
			return nil, err
		}
	}
	content, err := l.read(ctx)
	if err != nil {
		s.index.remove(l)
		return nil, refuse(err)
	}
	sub.Kind = "list"
	if at.linphone {
		sub.SpellEvent("Presence")
	}
	l.apply(content)
	return l, nil
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
