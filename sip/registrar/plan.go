package registrar

import (
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"rollcall/internal/sipuri"
	"rollcall/internal/store"
	"rollcall/sip/wire"
)

// plan is one REGISTER worked out on a copy of an address's bindings.
type plan struct {
	r    *Registrar
	req  *wire.Request
	aor  string
	now  time.Time
	path []string
	// firstHop: no proxy has left a trace in the request (RFC 5626 §6).
	firstHop bool
	// direct: nor is it a trusted hop, which may be a back-to-back user agent: the
	// client itself is at the other end of the flow.
	direct bool
	all    []store.Binding
	mine   map[string]bool // binding IDs that this very request has set
	batch  store.Batch
}

// work applies the contacts of the request. Any refusal leaves nothing done.
func (p *plan) work() *refusal {
	if p.req.ContactStar {
		return p.removeAll()
	}
	contacts := make([]contact, len(p.req.Contacts))
	flows := 0
	for i, n := range p.req.Contacts {
		c, no := p.r.parseContact(n, p.aor, p.req.Expires)
		if no != nil {
			return no
		}
		if p.r.tooBrief(c) {
			return tooBrief(p.r.cfg.MinExpires)
		}
		if c.regID != 0 && c.lifetime > 0 {
			flows++
		}
		contacts[i] = c
	}
	if no := p.checkOutbound(contacts, flows); no != nil {
		return no
	}
	before := len(p.all)
	for _, c := range contacts {
		if no := p.apply(c); no != nil {
			return no
		}
	}
	if len(p.all) > before && len(p.all) > p.r.cfg.MaxContacts {
		return refuse(403, "Too Many Contacts")
	}
	sorted(p.all)
	return nil
}

// checkOutbound is RFC 5626 §6: one flow per request, and a flow through a proxy
// needs that proxy's support.
func (p *plan) checkOutbound(contacts []contact, flows int) *refusal {
	live := 0
	for _, c := range contacts {
		if c.lifetime > 0 {
			live++
		}
	}
	if flows > 0 && live > 1 {
		return refuse(400, "More Than One Flow")
	}
	if p.firstHop || len(p.path) > 0 && supportsOutbound(p.path[0]) {
		return nil
	}
	if flows > 0 && (p.req.HasOption("Supported", "outbound") || p.req.HasOption("Require", "outbound")) {
		return refuse(439, "First Hop Lacks Outbound Support")
	}
	for i := range contacts {
		contacts[i].regID = 0 // without outbound it has no meaning
	}
	return nil
}

// removeAll serves "Contact: *", RFC 3261 §10.3 step 6.
func (p *plan) removeAll() *refusal {
	if p.req.Expires != 0 || len(p.req.Contacts) > 0 {
		return refuse(400, "Bad Use of Contact *")
	}
	for _, b := range p.all {
		if p.outOfOrder(b) {
			return refuse(500, "CSeq Out of Order")
		}
		p.batch.DropBindings = append(p.batch.DropBindings, b.Key())
	}
	p.all = nil
	return nil
}

// outOfOrder is RFC 3261 §10.3 step 7: within one Call-ID only a higher CSeq may
// change a binding.
func (p *plan) outOfOrder(b store.Binding) bool {
	return b.CallID == p.req.CallID && p.req.CSeq <= b.CSeq && !p.mine[b.ID] && !p.startsOver()
}

// startsOver: libpurple has the same Call-ID after each start and counts from 1 in
// it. After a crash it would be locked out until its old binding expires.
func (p *plan) startsOver() bool {
	return strings.HasPrefix(p.req.Header("User-Agent"), "Purple/") && p.req.CSeq <= 3 // two may be challenged
}

func (p *plan) apply(c contact) *refusal {
	i := p.find(c)
	if i >= 0 && p.outOfOrder(p.all[i]) {
		return refuse(500, "CSeq Out of Order")
	}
	if c.lifetime == 0 {
		if i >= 0 {
			p.drop(i)
		}
		return nil
	}
	id := c.key()
	if i >= 0 {
		id = p.all[i].ID
	}
	b := store.Binding{
		AOR: p.aor, ID: id, Direct: p.direct, Registered: p.now,
		Contact: c.text, Params: c.params, Instance: c.instance, RegID: c.regID, Q: c.q,
		CallID: p.req.CallID, CSeq: p.req.CSeq, Path: p.path,
		UserAgent: p.req.Header("User-Agent"), Flow: p.req.Flow.Ref(),
		Updated: p.now, Expires: p.now.Add(c.lifetime),
	}
	if i >= 0 && !p.all[i].Registered.IsZero() {
		b.Registered = p.all[i].Registered
	}
	p.mine[id] = true
	p.setEra(&b)
	if i >= 0 {
		p.all[i] = b
	} else {
		p.all = append(p.all, b)
	}
	p.put(b)
	return nil
}

// setEra gives b the era of its instance. A new one begins with the first contact
// of an instance and when the Call-ID of one changes: the temporary GRUUs from
// before are dead then, whichever contact they were given with (RFC 5627 §5.1).
func (p *plan) setEra(b *store.Binding) {
	if b.Instance == "" {
		return
	}
	changed := false
	for _, x := range p.all {
		if SameInstance(x.Instance, b.Instance) {
			b.Era, b.EraCSeq = x.Era, x.EraCSeq
			changed = changed || x.RegID == b.RegID && x.CallID != b.CallID
		}
	}
	if b.Era != "" && !changed {
		return
	}
	b.Era, b.EraCSeq = newEra(), b.CSeq
	for i := range p.all {
		if x := &p.all[i]; SameInstance(x.Instance, b.Instance) {
			x.Era, x.EraCSeq = b.Era, b.EraCSeq
			p.put(*x)
		}
	}
}

func newEra() string {
	var raw [eraSize]byte
	_, _ = rand.Read(raw[:]) // never fails
	return hex.EncodeToString(raw[:])
}

// find returns the binding that c is about or -1: by instance and reg-id if it
// has both (RFC 5626 §6), else by URI equality among the others.
func (p *plan) find(c contact) int {
	return slices.IndexFunc(p.all, func(b store.Binding) bool {
		if c.regID != 0 || b.RegID != 0 {
			return c.regID == b.RegID && c.instance == b.Instance
		}
		if b.Contact == c.text {
			return true
		}
		uri, err := sipuri.Parse(b.Contact)
		return err == nil && sipuri.Equal(uri, c.uri)
	})
}

func (p *plan) drop(i int) {
	key := p.all[i].Key()
	p.all = slices.Delete(p.all, i, i+1)
	p.batch.Bindings = slices.DeleteFunc(p.batch.Bindings, func(b store.Binding) bool { return b.Key() == key })
	p.batch.DropBindings = append(p.batch.DropBindings, key)
}

// put adds b to the batch, in which a key occurs at most once.
func (p *plan) put(b store.Binding) {
	key := b.Key()
	p.batch.DropBindings = slices.DeleteFunc(p.batch.DropBindings, func(k store.BindingKey) bool { return k == key })
	if i := slices.IndexFunc(p.batch.Bindings, func(x store.Binding) bool { return x.Key() == key }); i >= 0 {
		p.batch.Bindings[i] = b
		return
	}
	p.batch.Bindings = append(p.batch.Bindings, b)
}

// key makes the identity of a new binding. URI equality is not transitive, so a
// URI cannot be one.
func (c contact) key() string {
	if c.regID != 0 {
		return c.instance + ";reg-id=" + strconv.Itoa(c.regID)
	}
	return rand.Text()
}
