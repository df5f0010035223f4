package rls

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"rollcall/internal/resourcelist"
	"rollcall/internal/sipuri"
	"rollcall/internal/store"
	"rollcall/internal/xmlscan"
	"rollcall/sip/event"
)

// A request-contained list (RFC 5367) comes in the body of a SUBSCRIBE, is its
// sender's, and lives as long as the subscription.

const (
	optionRecipients = "recipient-list-subscribe"
	typeLists        = "application/resource-lists+xml"
)

var (
	errMalformed = errors.New("malformed recipient list")
	errTooMany   = errors.New("recipient list is too long")
)

// owned separates the address of the list service from the owner of a list.
const owned = ";owner="

// Resource returns the resource that a SUBSCRIBE of from to aor is about. All
// users send their lists to one address, so there it is the sender who tells them
// apart. No canonical address-of-record has parameters of its own.
func (s *Service) Resource(aor, from string) string {
	if !s.isService(aor) {
		return aor
	}
	return aor + owned + from
}

// isService reports whether aor is where users send their lists.
func (s *Service) isService(aor string) bool {
	user, domain := sipuri.Split(aor)
	return s.cfg.User != "" && user == s.cfg.User && s.domains[domain]
}

// brought finds the list that a SUBSCRIBE brings with it, if it is to the list
// service.
func (s *Service) brought(sub *event.Subscription) (place, bool, error) {
	service, _, ok := strings.Cut(sub.Resource, owned)
	if !ok || !s.isService(service) {
		return place{}, false, nil
	}
	if !carriesList(sub) {
		return place{}, true, &event.Refusal{Status: 400, Reason: "Recipient List Expected"}
	}
	at, err := s.recipients(service, sub)
	return at, true, err
}

// carriesList reports whether the body of a SUBSCRIBE is a list. ReadBody let no
// other one of these types pass.
func carriesList(sub *event.Subscription) bool {
	return len(sub.Body) > 0 && (sub.ContentType == typeLists || sub.ContentType == typeMixed)
}

// recipients is the place of the list that a user sends to resource. RFC 5363 §5.2:
// only who is known here may have requests made.
func (s *Service) recipients(resource string, sub *event.Subscription) (place, error) {
	owner := sub.Watcher
	if _, domain := sipuri.Split(owner); owner == "" || !s.domains[domain] {
		return place{}, &event.Refusal{Status: 403}
	}
	return place{resource: resource, owner: owner, document: serviceDocument(owner),
		recipients: true, linphone: sub.Event == "presence" && isLinphones(sub.Body)}, nil
}

// linphonesMark stands behind lists that came from Linphone (5.1 was looked at),
// so that this is known after a restart as well. Linphone takes NOTIFYs of a list
// for presence only where Event says Presence with a capital, though its own says
// presence, and finds a document only by a Content-Id, spelled like this, without
// angle brackets.
const linphonesMark = "<?reader linphone?>"

func isLinphones(body []byte) bool {
	text, err := unpack(body)
	return err == nil && bytes.HasSuffix(text, []byte(linphonesMark))
}

// unpack returns the text of a list as ReadBody keeps it.
func unpack(body []byte) ([]byte, error) {
	if deflated(body) {
		return inflate(body)
	}
	return body, nil
}

// readRecipients flattens a list that came in a body. It is read as if it stood in
// a document of its owner.
func (s *Service) readRecipients(ctx context.Context, at place, body []byte) (content, error) {
	// The documents of an account go when the account goes.
	c := content{deps: []store.DocumentKey{at.document}}
	exists, err := s.exists(ctx, at.owner)
	if err != nil {
		return c, err
	}
	if !exists {
		return c, errNoList
	}
	texts, err := unbundle(body)
	if err != nil {
		return c, fmt.Errorf("%w: %w", errMalformed, err)
	}
	docs := make([]*xmlscan.Doc, len(texts))
	for i, text := range texts {
		if docs[i], err = resourcelist.Scan(text); err != nil {
			return c, fmt.Errorf("%w: %w", errMalformed, err)
		}
		if !docs[i].Is(0, resourcelist.Namespace, "resource-lists") {
			return c, fmt.Errorf("%w: the root is another element", errMalformed)
		}
	}
	c.List, err = s.cfg.Resolver.Documents(ctx, docs, at.owner)
	c.deps = append(c.deps, c.Deps...)
	if err == nil && c.Truncated {
		err = errTooMany // RFC 5363 §5.2
	}
	return c, err
}

// replace takes over the list of the newest SUBSCRIBE, if it is another one than
// before. RFC 5367 §4 has a client send a list only once; ones that send it with
// each refresh, or a changed one, are understood.
func (l *list) replace() error {
	if !l.at.recipients || bytes.Equal(l.body, l.sub.Body) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	before := slices.Clone(l.deps)
	c, err := l.read(ctx)
	if err != nil {
		l.svc.index.set(l, before)
		return refuse(err)
	}
	l.body = l.sub.Body
	l.putBack(l.apply(ctx, c))
	return nil
}
