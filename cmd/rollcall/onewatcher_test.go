package main

import (
	"encoding/xml"
	"testing"
)

// RFC 3857 §4.7.1: a watcher is one entry, whatever it watches with: two devices and
// a list. It ends with the last of them.
func oneWatcher(t *testing.T, v *venue) {
	watched, c := v.phone(t), v.phone(t)
	own := watched.subscribe(watched.aor(), "presence.winfo", "application/watcherinfo+xml")
	own.notify()
	first := c.watch(watched)
	first.notify()
	first.c.silent(quiet)
	m := own.notify()
	expectWinfo(t, m, 1, "partial", watched.aor(), c.aor()+" pending subscribe")
	id := watcherID(t, m)

	desk := v.another(t, c)
	second := desk.watch(watched, "Contact: "+desk.contact()+`;+sip.instance="<urn:uuid:00000000-0000-4000-8000-000000000002>"`)
	second.notify()
	xcap := newXCAPClient(t, v.xcap, c.user, c.password)
	xcap.put(201, "rls-services/users/"+c.aor()+"/index", typeServices, `<rls-services xmlns="urn:ietf:params:xml:ns:rls-services">`+
		`<service uri="sip:`+c.user+`-buddies@`+domain+`"><list xmlns:rl="urn:ietf:params:xml:ns:resource-lists"><rl:entry uri="`+watched.aor()+`"/></list>`+
		`<packages><package>presence</package></packages></service></rls-services>`)
	lister := v.another(t, c)
	list := lister.subscribe("sip:"+c.user+"-buddies@"+domain, "presence", "application/pidf+xml, application/rlmi+xml, multipart/related")
	list.notify()
	own.c.silent(quiet)

	v.allow(t, watched)
	m = own.notify()
	expectWinfo(t, m, 2, "partial", watched.aor(), c.aor()+" active approved")
	for _, d := range []*dialog{first, second, list} {
		d.notify()
	}
	first.refresh(c, 0)
	first.notify()
	list.refresh(lister, 0)
	list.notify()
	own.c.silent(quiet)
	second.refresh(desk, 0)
	second.notify()
	last := own.notify()
	expectWinfo(t, last, 3, "partial", watched.aor(), c.aor()+" terminated timeout")
	if approved, ended := watcherID(t, m), watcherID(t, last); approved != id || ended != id {
		t.Errorf("ids %s, %s and %s", id, approved, ended)
	}
}

// watcherID is the id of the only watcher of a document.
func watcherID(t *testing.T, m *message) string {
	t.Helper()
	var doc struct {
		IDs []struct {
			ID string `xml:"id,attr"`
		} `xml:"watcher-list>watcher"`
	}
	if err := xml.Unmarshal(m.body, &doc); err != nil || len(doc.IDs) != 1 {
		t.Fatalf("%v\n%s", err, m.body)
	}
	return doc.IDs[0].ID
}
