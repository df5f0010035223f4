package rls

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"rollcall/sip/wire"
)

// service is one in an rls-services document.
func service(uri, content string) string {
	return `<service uri="` + uri + `"><list>` + content + `</list></service>`
}

// putAll stores services of a user.
func (r *rig) putAll(xui string, services ...string) {
	r.t.Helper()
	var claims []string
	for _, s := range services {
		_, uri, _ := strings.Cut(s, `uri="`)
		uri, _, _ = strings.Cut(uri, `"`)
		claims = append(claims, uri)
	}
	r.put(xui, AUID, `<rls-services xmlns="urn:ietf:params:xml:ns:rls-services" xmlns:rl="urn:ietf:params:xml:ns:resource-lists">`+
		strings.Join(services, "")+`</rls-services>`, claims...)
}

const (
	outer = "sip:outer@example.test"
	inner = "sip:inner@example.test"
)

func rows(pairs ...any) map[string]row {
	m := make(map[string]row)
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1].(row)
	}
	return m
}

func (w *subscriber) wants(t *testing.T, what string, want map[string]row) {
	t.Helper()
	if !maps.Equal(w.table, want) || w.gaps > 0 {
		t.Fatalf("%s: %v, %d gaps, want %v", what, w.table, w.gaps, want)
	}
}

func (r *rig) catchUp(w *subscriber) {
	r.t.Helper()
	for _, m := range r.take() {
		w.receive(r.t, m)
	}
}

// RFC 4662 §5.5: a list in a list is a multipart body of its own.
func TestNested(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, r *rig) {
		r.presence.set(bo, active("<bo/>"))
		r.presence.set(cy, active("<cy/>"))
		two := func(members ...string) {
			r.putAll(amy, service(outer, entries(bo, inner)), service(inner, entries(members...)))
		}
		two(cy)
		tag, w := r.establish(sub{resource: outer, expires: "3600"})
		activeRow := func(body string) row { return row{state: "active", body: body} }
		innerRow := func(m map[string]row) row { return activeRow(fmt.Sprint(m)) }
		w.wants(t, "at first", rows(bo, activeRow("<bo/>"), inner, innerRow(rows(cy, activeRow("<cy/>")))))
		if v := w.nested[inner].version; v != 0 {
			t.Errorf("version %d of the nested list", v)
		}
		r.presence.set(cy, active("<cy2/>"))
		r.catchUp(w)
		if l := w.nested[inner]; l.last.FullState != "false" || l.version != 1 || len(w.last.Resources) != 1 {
			t.Errorf("nested %+v in %+v", l.last, w.last)
		}
		w.wants(t, "a change", rows(bo, activeRow("<bo/>"), inner, innerRow(rows(cy, activeRow("<cy2/>")))))
		r.presence.set(bo, active("<bo2/>"))
		r.catchUp(w)
		if len(w.last.Resources) != 1 || w.last.Resources[0].URI != bo {
			t.Errorf("a change beside it told %+v", w.last)
		}
		two(cy, di)
		r.catchUp(w)
		nobody := row{state: "terminated", reason: "noresource"}
		w.wants(t, "an edit", rows(bo, activeRow("<bo2/>"), inner, innerRow(rows(cy, activeRow("<cy2/>"), di, nobody))))
		if got := r.presence.watched(); len(got) != 3 {
			t.Errorf("watched: %v", got)
		}
		for _, m := range r.subscribe(sub{resource: outer, toTag: tag, expires: "3600"})[1:] {
			w.receive(t, m)
		}
		if l := w.nested[inner]; l.last.FullState != "true" || w.last.FullState != "true" {
			t.Errorf("after a refresh: %+v in %+v", l.last, w.last)
		}
		w.wants(t, "after a refresh", rows(bo, activeRow("<bo2/>"), inner, innerRow(rows(cy, activeRow("<cy2/>"), di, nobody))))

		// The service goes, and comes again.
		r.putAll(amy, service(outer, entries(bo, inner)))
		r.catchUp(w)
		w.wants(t, "gone", rows(bo, activeRow("<bo2/>"), inner, nobody))
		two(cy)
		r.catchUp(w)
		w.wants(t, "back", rows(bo, activeRow("<bo2/>"), inner, innerRow(rows(cy, activeRow("<cy2/>")))))

		// A NOTIFY with part of it is lost: the next one has all.
		r.sender.mu.Lock()
		r.sender.auto = 0
		r.sender.mu.Unlock()
		r.presence.set(cy, active("<cy3/>"))
		lost := r.take()
		r.presence.set(bo, active("<bo3/>"))
		r.sender.mu.Lock()
		r.sender.auto = 200
		r.sender.mu.Unlock()
		lost[0].done(wire.Result{Status: 500})
		time.Sleep(10 * time.Minute) // beyond the retry
		r.catchUp(w)
		w.wants(t, "after a loss", rows(bo, activeRow("<bo3/>"), inner, innerRow(rows(cy, activeRow("<cy3/>")))))
		r.subscribe(sub{resource: outer, toTag: tag, expires: "0"})
		if got := r.presence.watched(); len(got)+len(r.lists.index.users) > 0 {
			t.Errorf("left behind: %v, %v", got, r.lists.index.users)
		}
	})
}

// RFC 4662 §7.4: loops, depth and number of lists in lists have limits, and those
// of others are not to be had.
func TestNestedLimits(t *testing.T) {
	chain := func(i int) string { return fmt.Sprintf("sip:chain%d@example.test", i) }
	inBubble(t, options{}, func(t *testing.T, r *rig) {
		services := []string{
			service(outer, entries(inner, outer)), service(inner, entries(outer, bo)),
		}
		for i := range 9 {
			services = append(services, service(chain(i), entries(chain(i+1))))
		}
		var wide []string
		for i := range maxNested + 2 {
			uri := fmt.Sprintf("sip:wide%d@example.test", i)
			wide = append(wide, uri)
			services = append(services, service(uri, ""))
		}
		services = append(services, service("sip:wide@example.test", entries(wide...)))
		r.putAll(amy, services...)
		_, w := r.establish(sub{resource: outer, expires: "3600"})
		refused := row{state: "terminated", reason: "giveup"}
		if w.table[outer] != refused || w.nested[inner].table[outer] != refused {
			t.Errorf("loops: %v", w.table)
		}
		_, w = r.establish(sub{resource: chain(0), expires: "3600"})
		depth := 1
		for l := w; ; depth++ {
			next := l.nested[chain(depth)]
			if next == nil {
				break
			}
			l = next
		}
		if depth != maxDepth {
			t.Errorf("%d lists in each other", depth)
		}
		_, w = r.establish(sub{resource: "sip:wide@example.test", expires: "3600"})
		if len(w.nested) != maxNested || w.table[wide[maxNested]] != refused {
			t.Errorf("%d lists in a list", len(w.nested))
		}
		r.put(cy, AUID, `<rls-services xmlns="urn:ietf:params:xml:ns:rls-services" xmlns:rl="urn:ietf:params:xml:ns:resource-lists">`+
			service("sip:cys@example.test", entries("sip:amy+presence@example.test", "sip:outer@example.test"))+`</rls-services>`, "sip:cys@example.test")
		_, w = r.establish(sub{who: cy, resource: "sip:cys@example.test", expires: "3600"})
		if w.table[theirs] != (row{state: "terminated", reason: "rejected"}) || w.table[outer] != (row{state: "terminated", reason: "noresource"}) {
			t.Errorf("lists of others: %v", w.table)
		}
	})
}
