package presence

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"rollcall/internal/auth"
	"rollcall/internal/pidf"
	"rollcall/internal/sipuri"
	"rollcall/internal/store"
	"rollcall/internal/xmlscan"
	"rollcall/sip/wire"
)

// publishing is one PUBLISH on its way through the steps of RFC 3903 §6.
type publishing struct {
	s   *Service
	req *wire.Request
	aor string
	now time.Time

	p       *presentity
	current *publication // that SIP-If-Match names; nil: an initial one
	expires time.Duration
	next    *publication // what is to be stored; nil: nothing
	batch   store.Batch
}

// Publish answers a PUBLISH of who for aor. It runs on the shard of aor.
func (s *Service) Publish(ctx context.Context, req *wire.Request, aor string, who auth.Identity) {
	pub := &publishing{s: s, req: req, aor: aor, now: time.Now()}
	refused := pub.check(ctx, who)
	if refused == nil {
		refused = pub.store(ctx)
	}
	if refused != nil {
		slog.Info("PUBLISH refused", "status", refused.Status, "presentity", aor, "call-id", req.CallID)
		respond(req, *refused)
		return
	}
	respond(req, pub.accepted())
	pub.apply()
}

func respond(req *wire.Request, resp wire.Response) {
	if err := req.Respond(resp); err != nil {
		slog.Debug("answer to PUBLISH not delivered", "call-id", req.CallID, "error", err)
	}
}

// check goes through RFC 3903 §6 in its order.
func (pub *publishing) check(ctx context.Context, who auth.Identity) *wire.Response {
	if who.AOR != pub.aor {
		return &wire.Response{Status: 403}
	}
	if unknown := pub.req.Unsupported(); len(unknown) > 0 {
		return &wire.Response{Status: 420, Headers: header("Unsupported", strings.Join(unknown, ", "))}
	}
	p, err := pub.s.known(ctx, pub.aor)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return &wire.Response{Status: 404}
	case err != nil:
		return failed(err)
	case pub.req.Event != Event:
		return &wire.Response{Status: 489, Headers: header("Allow-Events", strings.Join(pub.s.cfg.AllowEvents, ", "))}
	}
	pub.p = p
	for _, step := range [...]func() *wire.Response{pub.match, pub.lifetime, pub.content} {
		if refused := step(); refused != nil {
			return refused
		}
	}
	return nil
}

// match finds the publication that the request is about (§6 step 3).
func (pub *publishing) match() *wire.Response {
	lines := pub.req.Each("SIP-If-Match")
	if len(lines) == 0 {
		return nil
	}
	tag := strings.TrimSpace(lines[0])
	if len(lines) > 1 || !isToken(tag) {
		return &wire.Response{Status: 400, Reason: "One SIP-If-Match Tag Expected"}
	}
	for _, c := range pub.p.publications {
		if c.ETag == tag && c.Expires.After(pub.now) {
			pub.current = c
			return nil
		}
	}
	return &wire.Response{Status: 412}
}

// lifetime settles how long the publication lasts (§6 step 4).
func (pub *publishing) lifetime() *wire.Response {
	cfg := &pub.s.cfg
	pub.expires = cfg.DefaultExpires
	if e := pub.req.Expires; e >= 0 {
		pub.expires = time.Duration(min(e, 1<<32)) * time.Second
	}
	if pub.expires > 0 && pub.expires < cfg.MinExpires {
		return &wire.Response{Status: 423, Headers: header("Min-Expires", seconds(cfg.MinExpires))}
	}
	pub.expires = min(pub.expires, cfg.MaxExpires)
	return nil
}

// content reads the document and makes the publication of it (§6 step 5).
func (pub *publishing) content() *wire.Response {
	req := pub.req
	switch {
	case len(req.Body) == 0 && pub.current == nil:
		return &wire.Response{Status: 400, Reason: "Nothing Published"}
	case pub.expires == 0:
		return nil
	case len(req.Body) == 0:
		pub.renew(pub.current.Body, pub.current.doc, pub.current.Published)
		return nil
	}
	if req.ContentType != pidf.ContentType && req.ContentType != pidf.AliasType {
		return &wire.Response{Status: 415, Headers: header("Accept", pidf.ContentType+", "+pidf.AliasType)}
	}
	if coding := req.Header("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return &wire.Response{Status: 415, Headers: header("Accept-Encoding", "identity")}
	}
	if len(req.Body) > pub.s.cfg.MaxBody {
		return &wire.Response{Status: 413}
	}
	if c := pub.current; c != nil && bytes.Equal(c.Body, req.Body) {
		pub.renew(c.Body, c.doc, c.Published)
		return nil
	}
	body := bytes.Clone(req.Body)
	doc, err := pidf.Parse(body, xmlscan.Limits{Bytes: pub.s.cfg.MaxBody})
	if err != nil {
		return &wire.Response{Status: 400, Reason: "Invalid Presence Document", Headers: header("Warning", pub.warning(err))}
	}
	pub.renew(body, doc, pub.now)
	return nil
}

// renew plans the publication with a new tag (§6 step 6: always a new one).
func (pub *publishing) renew(body []byte, doc *pidf.Document, published time.Time) {
	pub.next = &publication{
		Publication: store.Publication{
			AOR: pub.aor, Event: Event, ETag: newETag(), ContentType: pidf.ContentType, Body: body,
			Published: published, Expires: pub.now.Add(pub.expires),
		},
		doc: doc,
	}
	if pub.current != nil {
		pub.next.Lineage = pub.current.Lineage
	} else {
		pub.next.Lineage = newLineage(pub.now)
	}
}

// store makes the change durable; until then nothing in memory is different.
func (pub *publishing) store(ctx context.Context) *wire.Response {
	switch {
	case pub.next != nil:
		pub.batch.Publications = []store.Publication{pub.next.Publication}
		if pub.current == nil {
			pub.evict()
		}
	case pub.current != nil:
		pub.batch.DropPublications = []store.PublicationKey{pub.current.Key()}
	default:
		return nil
	}
	if err := pub.s.cfg.Store.Commit(ctx, pub.batch); err != nil {
		return failed(fmt.Errorf("storing publication: %w", err))
	}
	return nil
}

// evict makes room for a new publication: those go that were renewed longest ago.
func (pub *publishing) evict() {
	old := slices.Clone(pub.p.publications)
	slices.SortStableFunc(old, func(a, b *publication) int { return a.Expires.Compare(b.Expires) })
	for i := 0; i <= len(old)-pub.s.cfg.MaxPublications; i++ {
		pub.batch.DropPublications = append(pub.batch.DropPublications, old[i].Key())
	}
}

// accepted is the 200. An expired publication has a tag as well, which is dead
// (RFC 3903 §4.1).
func (pub *publishing) accepted() wire.Response {
	etag := newETag()
	if pub.next != nil {
		etag = pub.next.ETag
	}
	return wire.Response{Status: 200, Headers: []wire.Header{
		{Name: "SIP-ETag", Value: etag}, {Name: "Expires", Value: seconds(pub.expires)},
	}}
}

// apply brings memory in line with what was stored, and watchers with that.
func (pub *publishing) apply() {
	p := pub.p
	before := len(p.publications)
	p.publications = slices.DeleteFunc(p.publications, func(c *publication) bool {
		return c == pub.current || slices.Contains(pub.batch.DropPublications, c.Key())
	})
	if pub.next != nil {
		i, _ := slices.BinarySearchFunc(p.publications, pub.next.Lineage, func(c *publication, lineage string) int {
			return strings.Compare(c.Lineage, lineage)
		})
		p.publications = slices.Insert(p.publications, i, pub.next)
	}
	pub.s.cfg.Metrics.Publications.Add(float64(len(p.publications) - before))
	p.settle()
}

// warning tells the publisher what is wrong (RFC 3261 §20.43).
func (pub *publishing) warning(err error) string {
	_, host := sipuri.Split(pub.aor)
	text := strings.Map(func(r rune) rune {
		switch {
		case r == '"' || r == '\\':
			return '\''
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, err.Error())
	return `399 ` + host + ` "` + text[:min(len(text), 200)] + `"`
}

func failed(err error) *wire.Response {
	slog.Warn("PUBLISH failed", "error", err)
	if errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return &wire.Response{Status: 503, Headers: header("Retry-After", "10")}
	}
	return &wire.Response{Status: 500}
}

func header(name, value string) []wire.Header { return []wire.Header{{Name: name, Value: value}} }

func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

// newETag returns a token nobody can guess (RFC 3903 §14.2).
func newETag() string { return rand.Text() }

// newLineage names a publication so that later ones sort behind it.
func newLineage(now time.Time) string {
	var random [4]byte
	rand.Read(random[:]) // never fails
	return fmt.Sprintf("%016x%s", now.UnixNano(), hex.EncodeToString(random[:]))
}

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
