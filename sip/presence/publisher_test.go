package presence

import (
	"fmt"
	"testing"
	"time"

	"rollcall/internal/pidf"
	"rollcall/internal/store"
	"rollcall/sip/wire"
)

func device(id, urn, basic string) string {
	return `<tuple id="` + id + `"><status><basic>` + basic + `</basic></status><dm:deviceID>` + urn + `</dm:deviceID></tuple>`
}

// A publisher that has forgotten its tag leaves no ghost; its old tag is dead.
func TestSupersede(t *testing.T) {
	for _, tt := range []struct {
		name, first, second string
		tuples              int
	}{
		{"same device, other ids", device("a", "urn:uuid:1", "open"), device("b", "urn:uuid:1", "closed"), 1},
		{"other device", device("a1234567", "urn:uuid:1", "open"), device("a1234567", "urn:uuid:2", "closed"), 2},
		{"same telling tuple id", tuple("SID-0123456789", "open"), tuple("SID-0123456789", "closed"), 1},
		{"other telling tuple id", tuple("SID-0123456789", "open"), tuple("SID-9876543210", "closed"), 2},
		{"an id that anybody may use", tuple("t1", "open"), tuple("t1", "closed"), 2},
		{"no tuples", "", "<note>n</note>", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, Config{}, func(t *testing.T, r *rig) {
				first := r.must(amy, typed, document(tt.first))
				second := r.must(amy, typed, document(tt.second))
				if got := r.tuples(amy); len(got) != tt.tuples {
					t.Errorf("tuples %v", got)
				}
				want := 200
				if tt.tuples == 1 {
					want = 412
				}
				if a := r.publish(amy, refresh(first), ""); a.status != want {
					t.Errorf("refresh of the first: %d, want %d", a.status, want)
				}
				r.must(amy, refresh(second), "")
			})
		})
	}
}

// However many ghosts there are, one publication is left of a device.
func TestSupersedeRows(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		for i := range 5 {
			r.must(amy, typed, document(device(fmt.Sprint("t", i), "urn:uuid:1", "open")))
			time.Sleep(time.Second)
		}
		n := 0
		err := r.store.LoadPublications(t.Context(), time.Now(), func(store.Publication) error { n++; return nil })
		if err != nil || n != 1 {
			t.Errorf("%d rows, %v", n, err)
		}
	})
}

func TestThirdPartyPublisher(t *testing.T) {
	inBubble(t, Config{Publishers: map[string]bool{cy: true}}, func(t *testing.T, r *rig) {
		if a := r.publishAs(cy, amy, typed, document(tuple("t", "open"))); a.status != 200 {
			t.Errorf("publisher: %d", a.status)
		}
		if a := r.publishAs(bo, amy, typed, document("")); a.status != 403 {
			t.Errorf("somebody: %d", a.status)
		}
		if a := r.publishAs("", amy, typed, document("")); a.status != 403 {
			t.Errorf("anonymous: %d", a.status)
		}
		if got := r.tuples(amy); got["t"] != "open" {
			t.Errorf("%v", got)
		}
	})
}

// What came over a connection that is gone ends after a grace, unless its
// publisher is heard of again.
func TestFlowCloses(t *testing.T) {
	ref := wire.NewFlow("TCP", local, remote, nil).Ref()
	for _, tt := range []struct {
		name  string
		do    func(r *rig, tag string)
		stays bool
	}{
		{"nothing more", func(*rig, string) {}, false},
		{"renewed", func(r *rig, tag string) { r.must(amy, refresh(tag), "") }, true},
		{"registered again", func(r *rig, _ string) {
			r.s.SetBindings(amy, []pidf.Registration{{ID: "1", Instance: "urn:uuid:1", Expires: time.Now().Add(time.Hour)}})
		}, true},
		{"another device registered", func(r *rig, _ string) {
			r.s.SetBindings(amy, []pidf.Registration{{ID: "1", Instance: "urn:uuid:2", Expires: time.Now().Add(time.Hour)}})
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, Config{FlowGrace: time.Minute}, func(t *testing.T, r *rig) {
				tag := r.must(amy, typed, document(device("a1234567", "urn:uuid:1", "open")))
				r.s.flowClosed(amy, "another")
				time.Sleep(2 * time.Minute)
				if r.tuples(amy)["a1234567"] != "open" {
					t.Fatal("closed with another's connection")
				}
				r.s.flowClosed(amy, ref)
				time.Sleep(50 * time.Second)
				if r.tuples(amy)["a1234567"] != "open" {
					t.Error("closed before the grace was over")
				}
				tt.do(r, tag)
				time.Sleep(30 * time.Second)
				if _, stays := r.tuples(amy)["a1234567"]; stays != tt.stays {
					t.Errorf("still there: %v", stays)
				}
			})
		})
	}
}
