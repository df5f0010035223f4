package rls

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// told is an inspection in few words.
func (in *Inspection) told() string {
	lines := []string{fmt.Sprintf("%s %t %t %q %s %s", in.Owner, in.Defined, in.MayUse, in.Packages, in.Event, in.Problem)}
	for _, m := range in.Members {
		lines = append(lines, strings.Join(strings.Fields(fmt.Sprint(m.URI, " ", m.DisplayName, " ", m.Foreign, m.List, " ", m.State, " ", m.Reason)), " "))
	}
	for _, e := range in.Unresolved {
		lines = append(lines, "! "+e.URI+" "+e.Problem)
	}
	return strings.Join(lines, "\n")
}

func TestInspect(t *testing.T) {
	const lamp, nested, all = "sip:lamps@example.test", "sip:team@example.test", "sip:all@example.test"
	const own, others = "/xcap-root/resource-lists/users/" + amy + "/index/~~/resource-lists/list", "/xcap-root/resource-lists/users/" + bo + "/index/~~/resource-lists/list"
	service := func(uri, inner string) string { return `<service uri="` + uri + `">` + inner + `</service>` }
	packages := func(names ...string) string {
		return `<packages><package>` + strings.Join(names, `</package><package>`) + `</package></packages>`
	}
	inBubble(t, options{helper: cy, public: []string{nested}}, func(t *testing.T, r *rig) {
		r.presence.set(bo, active("bo"))
		r.presence.set(cy, pending)
		r.lamps.set(bo, active("lamp"))
		r.put(amy, "resource-lists", `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list><external anchor="`+own+`"/></list></resource-lists>`)
		r.put(amy, AUID, `<rls-services xmlns="urn:ietf:params:xml:ns:rls-services" xmlns:rl="urn:ietf:params:xml:ns:resource-lists">`+
			service(theirs, `<list>`+entries(bo+" Bo", "tel:1", cy, "sip:gone@example.test", nested, "sip:ed@elsewhere.test")+
				`<rl:external anchor="`+own+`"/><rl:external anchor="`+others+`"/><rl:entry-ref ref="resource-lists/users/`+amy+`/none/~~/resource-lists/list/entry"/></list>`+
				packages("presence", "dialog"))+
			service(lamp, `<list>`+entries(bo)+`</list>`+packages("message-summary", "dialog"))+
			service(nested, `<resource-list>`+others+`</resource-list>`)+
			service(all, `<list/>`+packages("message-summary"))+
			`</rls-services>`, theirs, lamp, nested, all)
		for _, tt := range []struct {
			resource, watcher string
			want              []string
		}{
			{theirs, amy, []string{
				amy + ` true true ["presence" "dialog"] presence`,
				bo + " Bo false false active", cy + " false false pending", "sip:gone@example.test false false terminated noresource",
				nested + " false true", "sip:ed@elsewhere.test true false terminated giveup",
				"! tel:1 has scheme tel, which cannot be subscribed to",
				"! " + own + " refers back to a list that contains it", "! " + others + " belongs to another user",
				"! resource-lists/users/" + amy + "/none/~~/resource-lists/list/entry document does not exist",
			}},
			{lamp, bo, []string{amy + ` true false ["message-summary" "dialog"] dialog`, bo + " false false active"}},
			{lamp, cy, []string{amy + ` true true ["message-summary" "dialog"] dialog`, bo + " false false active"}},
			{nested, "", []string{amy + ` true true [] presence belongs to another user`}},
			{all, amy, []string{amy + ` true true ["message-summary"]`}},
			{"sip:bo+dialog@example.test", bo, []string{bo + ` false true ["dialog"] dialog`}},
			{bo, amy, nil},
			{"sip:other@example.test", amy, nil},
		} {
			in, ok, err := r.lists.Inspect(t.Context(), tt.resource, tt.watcher)
			if err != nil || ok != (tt.want != nil) {
				t.Errorf("%s: %t, %v", tt.resource, ok, err)
			}
			got := strings.Split(in.told(), "\n")
			for i := range got {
				got[i] = strings.TrimSpace(got[i])
			}
			if ok && !slices.Equal(got, tt.want) {
				t.Errorf("%s for %s:\n%s\nwant\n%s", tt.resource, tt.watcher, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		}
	})
}
