package presence

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"rollcall/internal/auth"
	"rollcall/internal/pidf"
	"rollcall/internal/shard"
	"rollcall/internal/store/memory"
	"rollcall/sip/wire"
)

// publishBlocked runs a PUBLISH whose answer takes its time.
func (r *rig) publishBlocked(req *wire.Request) {
	r.pool.Post(shard.Index(amy), func() { r.s.Publish(context.Background(), req, amy, auth.Identity{AOR: amy}) })
}

// modelled is what the model knows of one publication.
type modelled struct {
	tag     string
	basic   string
	expires time.Time
	ends    time.Time // before that when its connection went with a restart
}

// Random publications, expiries, restarts and documents against a model that is
// a set of tuples.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Config{}, memory.New())
			defer func() { r.close() }()
			model := make(map[string]*modelled) // by tuple id
			var dead []string
			hard, registered := false, false
			n := 0
			pick := func() string {
				ids := make([]string, 0, len(model))
				for i := range n {
					if id := fmt.Sprint("t", i); model[id] != nil {
						ids = append(ids, id)
					}
				}
				if len(ids) == 0 {
					rt.Skip("nothing published")
				}
				return rapid.SampledFrom(ids).Draw(rt, "publication")
			}
			lifetime := func() (string, time.Time) {
				s := rapid.IntRange(60, 600).Draw(rt, "expires")
				return "Expires: " + strconv.Itoa(s) + "\n", time.Now().Add(time.Duration(s) * time.Second)
			}
			rt.Repeat(map[string]func(*rapid.T){
				"publish": func(*rapid.T) {
					if len(model) >= 16 {
						rt.Skip("full")
					}
					id := fmt.Sprint("t", n)
					n++
					basic := rapid.SampledFrom([]string{"open", "closed"}).Draw(rt, "basic")
					header, expires := lifetime()
					model[id] = &modelled{tag: r.must(amy, typed+header, document(tuple(id, basic))), basic: basic, expires: expires, ends: expires}
				},
				"modify": func(*rapid.T) {
					m := model[pick()]
					id := idOf(model, m)
					dead = append(dead, m.tag)
					header, expires := lifetime()
					m.basic = rapid.SampledFrom([]string{"open", "closed"}).Draw(rt, "basic")
					m.tag, m.expires = r.must(amy, typed+header+"SIP-If-Match: "+m.tag, document(tuple(id, m.basic))), expires
					m.ends = expires
				},
				"refresh": func(*rapid.T) {
					m := model[pick()]
					dead = append(dead, m.tag)
					header, expires := lifetime()
					m.tag, m.expires = r.must(amy, refresh(m.tag)+header, ""), expires
					m.ends = expires
				},
				"remove": func(*rapid.T) {
					id := pick()
					dead = append(dead, model[id].tag)
					r.must(amy, refresh(model[id].tag)+"Expires: 0", "")
					delete(model, id)
				},
				"dead tag": func(*rapid.T) {
					if len(dead) == 0 {
						rt.Skip("none")
					}
					if a := r.publish(amy, refresh(rapid.SampledFrom(dead).Draw(rt, "tag")), ""); a.status != 412 {
						rt.Fatalf("dead tag answered %d", a.status)
					}
				},
				"hard state": func(*rapid.T) {
					if hard = !hard; hard {
						r.put(hardOf(amy), document(tuple("h", "closed")))
					} else {
						r.remove(hardOf(amy))
					}
				},
				"register": func(*rapid.T) {
					var regs []pidf.Registration
					if registered = !registered; registered {
						regs = []pidf.Registration{{ID: "1", Q: 1000, Expires: time.Now().Add(24 * time.Hour)}}
					}
					r.s.SetBindings(amy, regs)
				},
				"time": func(*rapid.T) {
					time.Sleep(time.Duration(rapid.IntRange(1, 400).Draw(rt, "seconds")) * time.Second)
				},
				"restart": func(*rapid.T) {
					r, registered = r.restart(), false
					for _, m := range model { // nobody comes back over a new connection
						if m.ends = time.Now().Add(2 * r.s.cfg.FlowGrace); m.ends.After(m.expires) {
							m.ends = m.expires
						}
					}
				},
				"": func(*rapid.T) {
					time.Sleep(2 * tick)
					synctest.Wait()
					for id, m := range model {
						if !m.ends.After(time.Now()) {
							dead = append(dead, m.tag)
							delete(model, id)
						}
					}
					got, want := r.tuples(amy), expected(model, hard, registered)
					if !maps.Equal(got, want) {
						rt.Fatalf("composed %v, model %v", got, want)
					}
				},
			})
		})
	})
}

func idOf(model map[string]*modelled, m *modelled) string {
	for id, other := range model {
		if other == m {
			return id
		}
	}
	return ""
}

// expected is the model of composition: publications, else hard state, else the
// registrar, else offline.
func expected(model map[string]*modelled, hard, registered bool) map[string]string {
	want := make(map[string]string)
	for id, m := range model {
		want[id] = m.basic
	}
	switch {
	case len(want) > 0:
	case hard:
		want["h"] = "closed"
	case registered:
		d := pidf.Compose(pidf.Composition{AOR: amy, Registrations: []pidf.Registration{{ID: "1", Q: 1000}}})
		want[d.Index().Tuples[0].ID] = "open"
	default:
		want[pidf.OfflineTupleID(amy)] = "closed"
	}
	return want
}
