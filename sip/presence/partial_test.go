package presence

import (
	"strings"
	"testing"
)

const partial = "Event: presence\nContent-Type: application/pidf-diff+xml\n"

func full(prefix, components string) string {
	if prefix == "" {
		return `<p:pidf-full xmlns="urn:ietf:params:xml:ns:pidf" xmlns:p="urn:ietf:params:xml:ns:pidf-diff" entity="` + amy + `" version="1">` + components + `</p:pidf-full>`
	}
	return `<pidf-full xmlns="urn:ietf:params:xml:ns:pidf-diff" xmlns:` + prefix + `="urn:ietf:params:xml:ns:pidf" entity="` + amy + `">` + components + `</pidf-full>`
}

func diff(ops string) string {
	return `<p:pidf-diff xmlns="urn:ietf:params:xml:ns:pidf" xmlns:p="urn:ietf:params:xml:ns:pidf-diff" entity="` + amy + `" version="2">` + ops + `</p:pidf-diff>`
}

// RFC 5264 §4.3
func TestPartialPublication(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		if a := r.publish(amy, partial, diff(`<p:remove sel="*/tuple[@id='a']"/>`)); a.status != 400 {
			t.Errorf("difference without tag: %d", a.status)
		}
		tag := r.must(amy, partial, full("", tuple("a", "open")+tuple("b", "open")))
		expect := func(what, a, b, c string) {
			t.Helper()
			got := r.tuples(amy)
			if got["a"] != a || got["b"] != b || got["c"] != c {
				t.Errorf("%s: %v", what, got)
			}
		}
		expect("full", "open", "open", "")
		tag = r.must(amy, partial+"SIP-If-Match: "+tag, diff(
			`<p:add sel="presence" pos="prepend">`+tuple("c", "closed")+`</p:add>`+
				`<p:replace sel="*/tuple[@id='a']/status/basic/text()">closed</p:replace>`+
				`<p:remove sel="presence/tuple[@id='b']"/>`))
		expect("operations in order", "closed", "", "closed")
		a := r.publish(amy, partial+"SIP-If-Match: "+tag, diff(`<p:remove sel="*/tuple[@id='c']"/><p:remove sel="*/tuple[@id='none']"/>`))
		if a.status != 400 || a.header("Content-Type") != "application/patch-ops-error+xml" || !strings.Contains(a.text, "unlocated-node") {
			t.Errorf("unlocated: %s", a.text)
		}
		expect("all or nothing", "closed", "", "closed")
		tag = r.must(amy, typed+"SIP-If-Match: "+tag, document(tuple("b", "open")))
		tag = r.must(amy, partial+"SIP-If-Match: "+tag, diff(`<p:replace sel="*/tuple/status/basic/text()">closed</p:replace>`))
		expect("difference to a plain document", "", "closed", "")
		tag = r.must(amy, partial+"SIP-If-Match: "+tag, full("q", `<q:tuple id="a"><q:status><q:basic>open</q:basic></q:status></q:tuple>`))
		expect("full replaces", "open", "", "")
		for _, bad := range []string{"<x/>", "<", diff("<p:move/>"), diff("text"), diff(`<p:remove sel="*"/>`), diff(`<p:remove sel="*/@entity"/>`)} {
			if a := r.publish(amy, partial+"SIP-If-Match: "+tag, bad); a.status != 400 {
				t.Errorf("%s: %d", bad, a.status)
			}
		}
		expect("after bad ones", "open", "", "")
		r.must(amy, refresh(tag), "")
	})
}

// The root of RFC 3863, whatever namespaces a pidf-full declares.
func TestWhole(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		for _, body := range []string{
			full("", tuple("a", "open")),
			full("x", `<x:tuple id="a"><x:status><x:basic>open</x:basic></x:status></x:tuple>`),
			`<pidf-full xmlns="urn:ietf:params:xml:ns:pidf-diff" xmlns:pidf="urn:x" entity="` + amy + `"><tuple xmlns="urn:ietf:params:xml:ns:pidf" id="a"><status><basic>open</basic></status></tuple></pidf-full >`,
		} {
			tag := r.must(amy, partial, body)
			if got := r.tuples(amy); got["a"] != "open" || len(got) != 1 {
				t.Errorf("%v of %s", got, body)
			}
			r.must(amy, refresh(tag)+"Expires: 0", "")
		}
		tag := r.must(amy, partial, `<pidf-full xmlns="urn:ietf:params:xml:ns:pidf-diff" entity="`+amy+`"/>`)
		r.must(amy, partial+"SIP-If-Match: "+tag, diff(`<p:add sel="*">`+tuple("a", "open")+`</p:add>`))
		if got := r.tuples(amy); got["a"] != "open" {
			t.Errorf("%v", got)
		}
	})
}
