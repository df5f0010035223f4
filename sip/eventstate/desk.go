package eventstate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"rollcall/internal/sipuri"
	"rollcall/internal/store"
	"rollcall/sip/wire"
)

// Content is the body of a publication as it is kept.
type Content[D any] struct {
	Type string
	Body []byte
	Doc  D
}

// Terms are what an event package fixes for its publications.
type Terms[D any] struct {
	Event string
	// Accept are the media types that can be published, in lower case.
	Accept []string
	// Read makes of a body what is kept. old is the publication to be modified,
	// nil for an initial one. A *Refusal as error is the answer, any other error
	// gets 400 with its text as Warning. body may be kept.
	Read func(contentType string, body []byte, old *Publication[D]) (Content[D], error)
	// Supersedes reports whether an initial publication comes from the publisher
	// of old, which has forgotten it; nil: never.
	Supersedes func(next, old D) bool
}

// Refusal is a final response other than 2xx, as an error.
type Refusal struct{ Response wire.Response }

func (r *Refusal) Error() string { return fmt.Sprintf("refused with %d", r.Response.Status) }

// Committer is what a Desk needs of the store.
type Committer interface {
	Commit(ctx context.Context, b store.Batch) error
}

// Limits bound publications. All must be set.
type Limits struct {
	MinExpires, DefaultExpires, MaxExpires time.Duration
	// MaxPublications bounds the publications of one resource.
	MaxPublications int
	// MaxBody bounds a published body in bytes.
	MaxBody int
}

// Desk takes the publications of one event package.
type Desk[D any] struct {
	Terms  Terms[D]
	Limits Limits
	Store  Committer
}

// publishing is one PUBLISH on its way through the steps of RFC 3903 §6.
type publishing[D any] struct {
	d   *Desk[D]
	req *wire.Request
	aor string
	set Set[D]
	now time.Time

	current *Publication[D] // that SIP-If-Match names; nil: an initial one
	expires time.Duration
	next    *Publication[D] // what is to be stored; nil: nothing
	batch   store.Batch
}

// Publish goes through steps 3 to 6 of RFC 3903 §6 for a request whose sender and
// resource were checked. It returns the answer and, if that is 200, the set as it
// is from now on; the change is durable then. It runs on the shard of aor.
func (d *Desk[D]) Publish(ctx context.Context, req *wire.Request, aor string, set Set[D]) (Set[D], wire.Response) {
	pub := &publishing[D]{d: d, req: req, aor: aor, set: set, now: time.Now()}
	for _, step := range [...]func() *wire.Response{pub.match, pub.lifetime, pub.content} {
		if refused := step(); refused != nil {
			return set, *refused
		}
	}
	if refused := pub.store(ctx); refused != nil {
		return set, *refused
	}
	if pub.next == nil && pub.current == nil {
		return set, pub.accepted()
	}
	return set.with(pub.next, pub.batch.DropPublications), pub.accepted()
}

// match finds the publication that the request is about (§6 step 3).
func (pub *publishing[D]) match() *wire.Response {
	lines := pub.req.Each("SIP-If-Match")
	if len(lines) == 0 {
		return nil
	}
	tag := strings.TrimSpace(lines[0])
	if len(lines) > 1 || !isToken(tag) {
		return &wire.Response{Status: 400, Reason: "One SIP-If-Match Tag Expected"}
	}
	for _, c := range pub.set {
		if c.ETag == tag && c.Expires.After(pub.now) {
			pub.current = c
			return nil
		}
	}
	if pub.startsAnew() {
		return nil
	}
	return &wire.Response{Status: 412}
}

// startsAnew: libpurple, which sends the whole document each time, would after a
// 412 not publish again before its user logs in anew.
func (pub *publishing[D]) startsAnew() bool {
	return strings.HasPrefix(pub.req.Header("User-Agent"), "Purple/") && len(pub.req.Body) > 0 && pub.req.Expires != 0
}

// lifetime settles how long the publication lasts (§6 step 4).
func (pub *publishing[D]) lifetime() *wire.Response {
	lim := &pub.d.Limits
	pub.expires = lim.DefaultExpires
	if e := pub.req.Expires; e >= 0 {
		pub.expires = time.Duration(min(e, 1<<32)) * time.Second
	}
	if pub.expires > 0 && pub.expires < lim.MinExpires {
		return &wire.Response{Status: 423, Headers: header("Min-Expires", seconds(lim.MinExpires))}
	}
	pub.expires = min(pub.expires, lim.MaxExpires)
	return nil
}

// content reads the body and makes the publication of it (§6 step 5).
func (pub *publishing[D]) content() *wire.Response {
	req, c := pub.req, pub.current
	switch {
	case len(req.Body) == 0 && c == nil:
		return &wire.Response{Status: 400, Reason: "Nothing Published"}
	case pub.expires == 0:
		return nil
	case len(req.Body) == 0:
		pub.renew(Content[D]{c.ContentType, c.Body, c.Doc}, c.Published)
		return nil
	}
	accept := pub.d.Terms.Accept
	if !slices.Contains(accept, req.ContentType) {
		return &wire.Response{Status: 415, Headers: header("Accept", strings.Join(accept, ", "))}
	}
	if coding := req.Header("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return &wire.Response{Status: 415, Headers: header("Accept-Encoding", "identity")}
	}
	if len(req.Body) > pub.d.Limits.MaxBody {
		return &wire.Response{Status: 413}
	}
	if c != nil && bytes.Equal(c.Body, req.Body) {
		pub.renew(Content[D]{c.ContentType, c.Body, c.Doc}, c.Published)
		return nil
	}
	content, err := pub.d.Terms.Read(req.ContentType, bytes.Clone(req.Body), c)
	if err != nil {
		return pub.unreadable(err)
	}
	pub.renew(content, pub.now)
	return nil
}

func (pub *publishing[D]) unreadable(err error) *wire.Response {
	var r *Refusal
	if errors.As(err, &r) {
		return &r.Response
	}
	_, host := sipuri.Split(pub.aor)
	return &wire.Response{Status: 400, Reason: "Invalid Document", Headers: []wire.Header{wire.Warning(host, err.Error())}}
}

// renew plans the publication with a new tag (§6 step 6: always a new one).
func (pub *publishing[D]) renew(c Content[D], published time.Time) {
	pub.next = &Publication[D]{
		Publication: store.Publication{
			AOR: pub.aor, Event: pub.d.Terms.Event, ETag: newETag(), ContentType: c.Type, Body: c.Body,
			Published: published, Expires: pub.now.Add(pub.expires),
		},
		Doc: c.Doc,
	}
	pub.next.agent = clip(pub.req.Header("User-Agent"))
	if flow := pub.req.Flow; flow.Reliable() {
		pub.next.Flow = flow.Ref()
	}
	if pub.current != nil {
		pub.next.Lineage = pub.current.Lineage
	}
}

// store makes the change durable; until then nothing in memory is different.
func (pub *publishing[D]) store(ctx context.Context) *wire.Response {
	switch {
	case pub.next != nil:
		if pub.current == nil {
			pub.settle()
		}
		pub.batch.Publications = []store.Publication{pub.next.Publication}
	case pub.current != nil:
		pub.batch.DropPublications = []store.PublicationKey{pub.current.Key()}
	default:
		return nil
	}
	if err := pub.d.Store.Commit(ctx, pub.batch); err != nil {
		return Failed(fmt.Errorf("storing publication: %w", err))
	}
	return nil
}

// settle finds a new publication its place. A publisher that has forgotten its
// tag (it was started anew, or lost an answer) goes on in its old one; otherwise
// those publications make room that were renewed longest ago.
func (pub *publishing[D]) settle() {
	kept := slices.Clone(pub.set)
	if supersedes := pub.d.Terms.Supersedes; supersedes != nil {
		kept = slices.DeleteFunc(kept, func(old *Publication[D]) bool {
			if !supersedes(pub.next.Doc, old.Doc) {
				return false
			}
			if pub.next.Lineage == "" {
				pub.next.Lineage = old.Lineage
			} else {
				pub.batch.DropPublications = append(pub.batch.DropPublications, old.Key())
			}
			return true
		})
	}
	if pub.next.Lineage == "" {
		pub.next.Lineage = newLineage(pub.now)
	}
	slices.SortStableFunc(kept, func(a, b *Publication[D]) int { return a.Expires.Compare(b.Expires) })
	for i := 0; i <= len(kept)-pub.d.Limits.MaxPublications; i++ {
		pub.batch.DropPublications = append(pub.batch.DropPublications, kept[i].Key())
	}
}

// accepted is the 200. An expired publication has a tag as well, which is dead
// (RFC 3903 §4.1).
func (pub *publishing[D]) accepted() wire.Response {
	etag := newETag()
	if pub.next != nil {
		etag = pub.next.ETag
	}
	return wire.Response{Status: 200, Headers: []wire.Header{
		{Name: "SIP-ETag", Value: etag}, {Name: "Expires", Value: seconds(pub.expires)},
	}}
}

// Failed is the answer to a request that the store got in the way of.
func Failed(err error) *wire.Response {
	slog.Warn("PUBLISH failed", "error", err)
	if errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return &wire.Response{Status: 503, Headers: header("Retry-After", "10")}
	}
	return &wire.Response{Status: 500}
}

// Respond answers a PUBLISH and logs what was refused.
func Respond(req *wire.Request, aor string, resp wire.Response) {
	if resp.Status != 200 {
		slog.Info("PUBLISH refused", "status", resp.Status, "presentity", aor, "event", req.Event, "call-id", req.CallID)
	}
	if err := req.Respond(resp); err != nil {
		slog.Debug("answer to PUBLISH not delivered", "call-id", req.CallID, "error", err)
	}
}

func header(name, value string) []wire.Header { return []wire.Header{{Name: name, Value: value}} }

func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

// isToken reports whether s is a token of RFC 3261 §25.1.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		alphanumeric := c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !alphanumeric && strings.IndexByte("-.!%*_+`'~", c) < 0 {
			return false
		}
	}
	return s != ""
}
