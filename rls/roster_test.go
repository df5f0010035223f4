package rls

import (
	"strings"
	"testing"
)

// All lists that a user offers for a package, each member once.
func TestRoster(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, r *rig) {
		roster := func(event string) string {
			t.Helper()
			list, err := r.lists.Roster(t.Context(), amy, event)
			if err != nil {
				t.Fatal(err)
			}
			var uris []string
			for _, e := range list {
				uris = append(uris, e.URI)
			}
			return strings.Join(uris, " ")
		}
		if got := roster("presence"); got != "" {
			t.Errorf("no services: %q", got)
		}
		service := func(uri, list, packages string) string {
			return `<service uri="sip:` + uri + `@example.test">` + list + `<packages>` + packages + `</packages></service>`
		}
		r.put(amy, AUID, `<rls-services xmlns="urn:ietf:params:xml:ns:rls-services" xmlns:rl="urn:ietf:params:xml:ns:resource-lists">`+
			service("one", `<list>`+entries(bo, cy)+`</list>`, "<package>presence</package>")+
			service("two", `<list>`+entries(cy, di)+`</list>`, "<package>presence</package><package>dialog</package>")+
			service("three", `<resource-list>/nowhere</resource-list>`, "<package>presence</package>")+
			`</rls-services>`)
		for event, want := range map[string]string{"presence": bo + " " + cy + " " + di, "dialog": cy + " " + di, "reg": ""} {
			if got := roster(event); got != want {
				t.Errorf("%s: %q, want %q", event, got, want)
			}
		}
	})
}
