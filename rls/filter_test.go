package rls

import (
	"strings"
	"testing"

	"rollcall/sip/event"
	"rollcall/sip/presence"
)

const typeFilter = "application/simple-filter+xml"

func filterSet(filters ...string) string {
	return `<filter-set xmlns="urn:ietf:params:xml:ns:simple-filter"><ns-bindings><ns-binding prefix="p" urn="urn:ietf:params:xml:ns:pidf"/></ns-bindings>` +
		strings.Join(filters, "") + `</filter-set>`
}

// whole is a presence document with tuples "a open", ...
func whole(tuples ...string) string {
	b := `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:x@y">`
	for _, t := range tuples {
		id, basic, _ := strings.Cut(t, " ")
		b += `<tuple id="` + id + `"><status><basic>` + basic + `</basic></status></tuple>`
	}
	return b + `</presence>`
}

func received(doc string) presence.View {
	return presence.Received(event.View{State: event.Active, Body: []byte(doc), Tag: doc})
}

// RFC 4660 §4: filters for lists and for what is in them.
func TestFilters(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, r *rig) {
		for _, uri := range []string{bo, cy, di} {
			r.presence.set(uri, received(whole("a closed", "b open")))
		}
		r.putServices(byReference)
		r.putMembers(bo, cy, di)
		const onlyA, onlyB = `<what><include>//p:tuple[@id="a"]</include></what>`, `<what><include>//p:tuple[@id="b"]</include></what>`
		const opens = `<trigger><changed from="closed" to="open">//p:basic</changed></trigger>`
		a, b, both := whole("a closed"), whole("b open"), whole("a closed", "b open")
		refused := r.subscribe(sub{kind: typeFilter, body: filterSet(`<filter id="1">` + onlyA + `</filter><filter id="2" uri="` + theirs + `">` + onlyA + `</filter>`)})
		if len(refused) != 1 || refused[0].status() != 488 {
			t.Errorf("two filters for the list: %+v", refused)
		}
		tag, w := r.establish(sub{kind: typeFilter, body: filterSet(
			`<filter id="list">`+onlyA+`</filter>`, `<filter id="cy" uri="`+cy+`">`+onlyB+`</filter>`, `<filter id="di" uri="`+di+`">`+opens+`</filter>`)})
		r.sees(w, true, map[string]row{bo: {state: "active", body: a}, cy: {state: "active", body: b}, di: {state: "active", body: both}})
		for _, uri := range []string{bo, cy, di} {
			r.presence.set(uri, received(whole("a closed", "b closed")))
		}
		r.expect(w, false, map[string]row{cy: {state: "active", body: whole("b closed")}})
		r.presence.set(di, received(whole("a open", "b closed")))
		r.expect(w, false, map[string]row{di: {state: "active", body: whole("a open", "b closed")}})
		r.presence.set(di, received(whole("a closed", "b closed")))
		r.nothing()
		r.presence.set(di, pending)
		r.expect(w, false, map[string]row{di: {state: "pending"}})
		r.presence.set(di, received(whole("a closed", "b closed")))
		r.expect(w, false, map[string]row{di: {state: "active", body: whole("a closed", "b closed")}})
		r.presence.set(bo, received(whole("c open")))
		r.expect(w, false, map[string]row{bo: {}}) // RFC 4662 §5.5: nothing left, so no instance

		refresh := func(s sub, status int, want map[string]row) {
			t.Helper()
			s.toTag = tag
			log := r.subscribe(s)
			if len(log) == 0 || log[0].status() != status {
				t.Fatalf("%+v", log)
			}
			if want != nil {
				w.receive(t, log[1])
				r.sees(w, true, want)
			}
		}
		closed := whole("a closed", "b closed")
		refresh(sub{}, 200, map[string]row{bo: {}, cy: {state: "active", body: whole("b closed")}, di: {state: "active", body: closed}})
		refresh(sub{kind: typeFilter, body: filterSet(`<filter id="list" enabled="false"/>`, `<filter id="cy" remove="true"/>`)}, 200,
			map[string]row{bo: {state: "active", body: whole("c open")}, cy: {state: "active", body: closed}, di: {state: "active", body: closed}})
		refresh(sub{kind: typeFilter, body: filterSet(`<filter id="di2" uri="` + di + `">` + onlyA + `</filter>`)}, 488, nil)
		refresh(sub{kind: "text/plain", body: "x"}, 415, nil)
		refresh(sub{}, 200, map[string]row{bo: {state: "active", body: whole("c open")}, cy: {state: "active", body: closed}, di: {state: "active", body: closed}})
		if w.gaps != 0 {
			t.Errorf("%d gaps", w.gaps)
		}
	})
}
