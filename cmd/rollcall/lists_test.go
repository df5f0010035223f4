package main

import (
	"crypto/rand"
	"crypto/tls"
	"path/filepath"
	"strings"
	"testing"

	"rollcall/internal/certs/certstest"
)

// Lists of lamps over every transport: refusals of RFC 4662 §4, then full, partial
// and full state again, an edit, and the end of the service. Then lists of presence.
func TestListsOverTransports(t *testing.T) {
	authority, dir := certstest.NewAuthority(t), t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	authority.Write(cert, key, "sip.test")
	s := start(t, []string{"--data", t.TempDir(), "--domain", domain}, "--sips-listen", anyPort, "--tls-cert", cert, "--tls-key", key,
		"--publishers", "sip:carol@"+domain, "--pacing", "off")
	secure := secureAddr(t, s)
	dial := func(network string) *sipClient {
		if network != "tls" {
			return dialSIP(t, network, s.sip, "alice", password("alice"))
		}
		conn, err := tls.Dial("tcp", secure, &tls.Config{RootCAs: authority.Pool(), ServerName: "sip.test"})
		if err != nil {
			t.Fatal(err)
		}
		return newSIPClient(t, network, conn, "alice", password("alice"))
	}
	const list, bob, absent, away = "sip:blf@" + domain, "sip:bob@" + domain, "sip:absent@" + domain, "sip:ed@elsewhere.example"
	xcap := newXCAPClient(t, s.xcapRoot, "alice", password("alice"))
	services := func(status int, list string) {
		xcap.put(status, "rls-services/users/sip:alice@"+domain+"/index", typeServices,
			`<rls-services xmlns="urn:ietf:params:xml:ns:rls-services" xmlns:rl="urn:ietf:params:xml:ns:resource-lists">`+list+`</rls-services>`)
	}
	blf := func(members ...string) string {
		text := `<service uri="` + list + `"><list>`
		for _, m := range members {
			text += `<rl:entry uri="` + m + `"/>`
		}
		return text + `</list><packages><package>dialog</package></packages></service>`
	}
	services(201, blf(bob))
	pbx := dialSIP(t, "udp", s.sip, "carol", password("carol"))
	tag, id := "", ""
	call := func(state string) {
		r := request{method: "PUBLISH", uri: bob, lines: []string{"Event: dialog", "Content-Type: application/dialog-info+xml"},
			body: `<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="0" state="full" entity="` + bob + `">` +
				`<dialog id="1" call-id="` + id + `" local-tag="a" remote-tag="b"><state>` + state + `</state></dialog></dialog-info>`}
		if tag != "" {
			r.lines = append(r.lines, "SIP-If-Match: "+tag)
		}
		tag = pbx.want(200, r).get("Sip-Etag")
	}
	const accept = "Accept: multipart/related, application/rlmi+xml, application/dialog-info+xml"
	for _, network := range []string{"udp", "tcp", "tls"} {
		t.Run(network, func(t *testing.T) {
			alice := dial(network)
			alice.t = t
			services(200, blf(bob, absent, away))
			subscribe := func(uri string, lines ...string) request {
				return request{method: "SUBSCRIBE", uri: uri, to: uri, callID: rand.Text(), lines: append(lines, "Contact: "+alice.contact(), "Expires: 600")}
			}
			for _, tt := range []struct {
				name   string
				uri    string
				lines  []string
				status int
			}{
				{"without eventlist", list, []string{"Event: dialog", accept}, 421},
				{"another package", list, []string{"Event: presence", "Supported: eventlist"}, 489},
				{"Accept without multipart/related", list, []string{"Event: dialog", "Supported: eventlist", "Accept: application/dialog-info+xml, application/rlmi+xml"}, 406},
				{"no such list", "sip:other@" + domain, []string{"Event: dialog", "Supported: eventlist", accept}, 404},
				{"somebody else's", "sip:bob+dialog@" + domain, []string{"Event: dialog", "Supported: eventlist", accept}, 403},
			} {
				if m := alice.do(subscribe(tt.uri, tt.lines...)); m.status() != tt.status {
					t.Errorf("%s: want %d, got\n%s", tt.name, tt.status, m)
				}
			}
			id = network // a call never goes back
			call("early")
			d := &dialog{c: alice, r: subscribe(list, "Event: dialog", "Supported: eventlist", accept)}
			m := alice.want(200, d.r)
			_, d.r.toTag, _ = strings.Cut(m.get("To"), "tag=")
			d.target = strings.Trim(m.get("Contact"), "<>")
			l := readRLMI(t, d.notify())
			l.wantStates(t, list, 0, "true", map[string]string{bob: "active ", absent: "terminated noresource", away: "terminated giveup"})
			if doc := l.parts[l.Resources[0].Instances[0].CID]; !strings.Contains(doc, ">early</state>") {
				t.Errorf("at first\n%s", doc)
			}
			call("confirmed")
			l = readRLMI(t, d.notify())
			l.wantStates(t, list, 1, "false", map[string]string{bob: "active "})
			if doc := l.parts[l.Resources[0].Instances[0].CID]; !strings.Contains(doc, ">confirmed</state>") || !strings.Contains(doc, `version="1"`) {
				t.Errorf("a call\n%s", doc)
			}
			again := d.r
			again.uri = d.target
			alice.want(200, again)
			readRLMI(t, d.notify()).wantStates(t, list, 2, "true", map[string]string{bob: "active ", absent: "terminated noresource", away: "terminated giveup"})
			services(200, blf(bob, absent))
			readRLMI(t, d.notify()).wantStates(t, list, 3, "false", map[string]string{away: "terminated noresource"})
			services(200, "")
			if m := d.notify(); m.get("Subscription-State") != "terminated;reason=noresource" {
				t.Errorf("without the service\n%s", m)
			}
		})
	}
	playAll(t, venues(t, "--list-window", window.String(), "--pacing", "off", "--global-readers", "carol")[:3], listRows())
}
