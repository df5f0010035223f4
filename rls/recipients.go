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
	"rollcall/sip/event"
	"rollcall/sip/wire"
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
// other one of its type pass.
func carriesList(sub *event.Subscription) bool {
	return len(sub.Body) > 0 && sub.ContentType == typeLists
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

// ReadBody undoes the content coding of a body and checks what it is for. Lists
// are kept as they are or, when they came deflated, in the zlib format.
func (w *wrapped) ReadBody(req *wire.Request) ([]byte, error) {
	body := req.Body
	coding := strings.ToLower(req.Header("Content-Encoding"))
	switch coding {
	case "", "identity":
	case "deflate":
		var err error
		if body, err = inflate(body); errors.Is(err, errInflated) {
			return nil, &event.Refusal{Status: 413}
		} else if err != nil {
			return nil, &event.Refusal{Status: 400, Reason: "Body Cannot Be Inflated"}
		}
	default:
		// RFC 3261 §8.2.3
		return nil, &event.Refusal{Status: 415, Headers: []wire.Header{{Name: "Accept-Encoding", Value: "deflate, identity"}}}
	}
	if req.ContentType != typeLists {
		return bytes.Clone(body), nil
	}
	disposition, params, _ := strings.Cut(req.Header("Content-Disposition"), ";")
	disposition = strings.TrimSpace(disposition)
	switch {
	case disposition == "", strings.EqualFold(disposition, "recipient-list"): // RFC 5363 §4
	case strings.EqualFold(strings.ReplaceAll(params, " ", ""), "handling=optional"):
		return nil, nil // RFC 3261 §20.11
	default:
		return nil, &event.Refusal{Status: 415, Headers: []wire.Header{{Name: "Accept", Value: typeLists}}}
	}
	linphone := strings.HasPrefix(req.Header("User-Agent"), "Linphone")
	if linphone && len(body)+len(linphonesMark) <= maxInflated {
		body = append(bytes.Clone(body), linphonesMark...)
	}
	if coding == "deflate" || linphone {
		return w.lists.coder.deflate(body), nil
	}
	return bytes.Clone(body), nil
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
	if body, err = unpack(body); err != nil {
		return c, fmt.Errorf("%w: %w", errMalformed, err)
	}
	doc, err := resourcelist.Scan(body)
	if err != nil {
		return c, fmt.Errorf("%w: %w", errMalformed, err)
	}
	if !doc.Is(0, resourcelist.Namespace, "resource-lists") {
		return c, fmt.Errorf("%w: the root is another element", errMalformed)
	}
	c.List, err = s.cfg.Resolver.Document(ctx, doc, at.owner)
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
