package event

import (
	"context"
	"testing"
	"testing/synctest"

	"rollcall/internal/store/memory"
)

// What kind of client subscribes goes by its newest SUBSCRIBE, and outlives a restart.
func TestSimple(t *testing.T) {
	for agent, want := range map[string]bool{
		"baresip v1.1.0 (x86_64/linux)": true, "Blink 6.0.1": false, "": false, "a baresip": false,
	} {
		synctest.Test(t, func(t *testing.T) {
			st := memory.New()
			r := newRig(t, Config{}, st)
			header := func(agent string) string {
				if agent == "" {
					return ""
				}
				return "User-Agent: " + agent + "\r\n"
			}
			tag := r.establish(sub{callID: "c", extra: header("baresip 3") + "Accept-Encoding: deflate\r\n"})
			r.subscribe(sub{callID: "c", toTag: tag, extra: header(agent)})
			r.take()
			if s := r.pkg.opened[0]; s.Simple != want || s.Deflate {
				t.Errorf("%q is simple: %v", agent, s.Simple)
			}
			r.n.Stop(context.Background())
			r.close()
			r = newRig(t, Config{}, st)
			defer r.close()
			if err := r.n.Restore(context.Background()); err != nil {
				t.Fatal(err)
			}
			r.take()
			if s := r.pkg.opened[0]; s.Simple != want || s.EventParam("simple") != "" {
				t.Errorf("after a restart %q is simple: %v", agent, s.Simple)
			}
		})
	}
}
