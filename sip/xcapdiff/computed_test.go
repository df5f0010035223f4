package xcapdiff

import (
	"context"
	"testing"

	"rollcall/internal/bus"
	"rollcall/internal/store"
	"rollcall/sip/event"
)

// Documents that are made when they are read are told of like any other, also
// below a collection (RFC 5875 §4.1: "documents" knows no difference).
func TestComputed(t *testing.T) {
	d := newDesk(t)
	etag := "t1"
	d.s.cfg.Usages["directory"] = Usage{Personal: func(_ context.Context, key store.DocumentKey) (store.Document, bool, error) {
		return store.Document{DocumentKey: key, ETag: etag, Body: []byte(`<d n="` + etag + `"/>`)}, key.XUI == amy && key.Path == "directory.xml", nil
	}}
	const doc = "directory/users/sip:amy@example.test/directory.xml"
	d.src.Ended("timeout", new(store.Batch))
	d.open(doc, doc+"/~~/d/@n", "directory/users/sip:amy@example.test/index", "directory/users/sip:bob@example.test/directory.xml")
	d.want(true, doc+"=>t1 "+doc+"/~~/d/@n:t1")
	etag = "t2"
	d.want(false, doc+"=t1>t2 "+doc+"/~~/d/@n:t2")
	d.want(false, "nothing")
	if got := len(d.s.watching); got != 2 {
		t.Errorf("%d topics", got)
	}
	d.s.WatchersChanged(amy)
	d.s.DocumentChanged(bus.DocumentChanged{Key: key("resource-lists", "index"), NewETag: "v1"})
	d.src.Ended("timeout", new(store.Batch))
	d.open("directory/", "xcap-caps/global/", "pres-rules/global/")
	d.want(true, doc+"=>t2 xcap-caps/global/index=>caps1")
}

// A delegate hears of what it may read of the owner, at its own address or at the
// owner's.
func TestDelegate(t *testing.T) {
	d := newDesk(t)
	d.s.cfg.Readable = func(who string, key store.DocumentKey) bool {
		return who == key.XUI || who == bob && key.AUID == "resource-lists"
	}
	for _, resource := range []string{amy, bob} {
		d.sub = &event.Subscription{Resource: resource, Watcher: bob, ContentType: listType, Body: body(lists, rules, "resource-lists/users/sip:amy@example.test/")}
		var err error
		if d.src, err = d.s.Open(t.Context(), d.sub); err != nil {
			t.Fatal(err)
		}
		d.want(true, "")
		d.put(key("pres-rules", "index"), "r1", "<a/>")
		d.put(key("resource-lists", "index"), "v1", "<a/>")
		d.put(key("resource-lists", "more"), "w1", "<a/>")
		d.want(false, lists+"=>v1")
		d.want(false, "resource-lists/users/sip:amy@example.test/more=>w1")
		d.want(false, "nothing")
		for _, k := range []store.DocumentKey{key("pres-rules", "index"), key("resource-lists", "index"), key("resource-lists", "more")} {
			d.put(k, "", "")
		}
	}
}

// RFC 5875 §4.7: the order of the URIs makes no difference to Suppress-If-Match.
func TestTagIgnoresOrder(t *testing.T) {
	d := newDesk(t, lists, rules, "xcap-caps/global/index")
	d.put(key("resource-lists", "index"), "v1", "<a/>")
	d.view(true)
	tag := d.tag
	for _, c := range []struct {
		uris []string
		same bool
	}{
		{[]string{"xcap-caps/global/index", rules, lists, rules}, true},
		{[]string{lists, rules}, false},
	} {
		d.src.Ended("timeout", new(store.Batch))
		d.open(c.uris...)
		if d.view(true); (d.tag == tag) != c.same {
			t.Errorf("%v: tags %s and %s", c.uris, tag, d.tag)
		}
	}
}
