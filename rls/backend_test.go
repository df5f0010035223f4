package rls

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/internal/metrics"
	"rollcall/internal/route"
	"rollcall/internal/shard"
	"rollcall/internal/wheel"
	"rollcall/sip/event"
	backend "rollcall/sip/subscriber"
	"rollcall/sip/wire"
)

// deaf sends into the void.
type deaf struct{ done func(wire.Result) }

func (d *deaf) Forward(_ wire.Outgoing, _ wire.Hop, done func(wire.Result)) { d.done = done }
func (*deaf) ContactURI(*wire.Flow) string                                  { return "sip:192.0.2.1" }

// RFC 4662 §4.5: what becomes of a member while and after its back-end subscription.
func TestRemote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		routes, err := route.Parse([]string{"far.test=sip:gw.test"})
		if err != nil {
			t.Fatal(err)
		}
		pool, clock := shard.New(10, nil), wheel.New(50*time.Millisecond)
		sender := &deaf{}
		members := Remote(backend.New(backend.Config{
			Sender: sender, Pool: pool, Wheel: clock, Metrics: metrics.New(), Routes: routes,
			Packages: map[string]backend.Package{"presence": {Accept: []string{"application/pidf+xml"}}},
		}), "presence")
		shows := func(resource string, state event.State, reason string) {
			t.Helper()
			if v := members.View(t.Context(), resource, amy, 0); v.State != state || v.Reason != reason || len(v.Body) > 0 {
				t.Errorf("%s: %+v", resource, v)
			}
		}
		const far, nowhere = "sip:x@far.test", "sip:x@nowhere.test"
		shows(far, event.Active, "") // not known: no instance
		shows(nowhere, event.Terminated, "giveup")
		news := 0
		members.Watch(event.Watch{ID: "1", Resource: far, Watcher: amy, Changed: func() { news++ }})
		members.Watch(event.Watch{ID: "2", Resource: nowhere, Watcher: amy, Changed: func() {}})
		synctest.Wait()
		shows(far, event.Active, "")
		sender.done(wire.Result{Status: 403})
		synctest.Wait()
		shows(far, event.Terminated, "rejected")
		if news != 1 {
			t.Errorf("%d pieces of news", news)
		}
		members.Unwatch(far, "1", "timeout")
		members.Unwatch(nowhere, "2", "timeout")
		members.Unwatch(far, "never there", "timeout")
		time.Sleep(time.Minute)
		synctest.Wait()
		shows(far, event.Active, "") // forgotten
		clock.Stop()
		if err := pool.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func TestCheckPresence(t *testing.T) {
	for body, ok := range map[string]bool{
		`<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:x@far.test"/>`:      true,
		`<p:presence xmlns:p="urn:ietf:params:xml:ns:pidf" entity="pres:x@far.test"/>`: true,
		`<presence xmlns="urn:ietf:params:xml:ns:pidf">`:                               false,
		`<presence/>`: false,
		`<!DOCTYPE x [<!ENTITY e "x">]><presence xmlns="urn:ietf:params:xml:ns:pidf"/>`: false,
		`offline`: false,
		``:        false,
	} {
		if err := CheckPresence([]byte(body)); (err == nil) != ok {
			t.Errorf("%s: %v", body, err)
		}
	}
}
