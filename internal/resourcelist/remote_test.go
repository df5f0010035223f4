package resourcelist

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/store"
)

// elsewhere has the lists of https://far.example/.
type elsewhere map[string]string

func (e elsewhere) Canonical(ref string) (string, bool) {
	return ref, strings.HasPrefix(ref, far)
}

func (e elsewhere) List(url string) ([]byte, error) {
	body, ok := e[url]
	if !ok {
		return nil, errors.New("is being fetched")
	}
	return []byte(body), nil
}

const far = "https://far.example/xcap-root/"

func TestRemote(t *testing.T) {
	there := elsewhere{
		far + "plain":    `<?xml version="1.0"?>` + "\n" + `<list name="ops"><display-name>Ops</display-name><entry uri="sip:cy@far.example"/><list><entry uri="sip:di@far.example"/></list></list>`,
		far + "prefixed": `<rl:list xmlns:rl="` + Namespace + `"><rl:entry uri="sip:cy@far.example"/></rl:list>`,
		far + "inner":    `<list><external anchor="` + far + `plain"/><external anchor="` + root + `/resource-lists/users/` + alice + `/index/~~/resource-lists/list"/><entry-ref ref="resource-lists/users/sip:di@far.example/index/~~/resource-lists/list/entry"/></list>`,
		far + "self":     `<list><entry uri="sip:cy@far.example"/><external anchor="` + far + `self"/></list>`,
		far + "entry":    `<entry uri="sip:cy@far.example"/>`,
		far + "two":      `<list/><list/>`,
		far + "trick":    `</around><list/><around>`,
		far + "dtd":      `<!DOCTYPE list><list/>`,
		far + "broken":   `<list>`,
	}
	d := &docs{bodies: map[store.DocumentKey]string{}}
	r := resolver(d)
	r.Remote = there
	for _, tt := range []struct {
		anchor string
		want   []string // members, or problems of references
	}{
		{far + "plain", []string{"sip:cy@far.example", "sip:di@far.example"}},
		{far + "prefixed", []string{"sip:cy@far.example"}},
		{far + "inner", []string{"sip:cy@far.example", "sip:di@far.example", "! leads from another server", "! is a reference within another server"}},
		{far + "self", []string{"sip:cy@far.example", "! refers back"}},
		{far + "later", []string{"! is being fetched"}},
		{far + "entry", []string{"! its root is another element"}},
		{far + "two", []string{"! its root is another element"}},
		{far + "trick", []string{"! is no list"}},
		{far + "dtd", []string{"! is no list"}},
		{far + "broken", []string{"! is no list"}},
		{"https://other.example/list", []string{"! leaves this server's XCAP root"}},
	} {
		t.Run(tt.anchor, func(t *testing.T) {
			d.bodies[key(alice, "index")] = lists(`<rl:list name="a"><rl:external anchor="` + tt.anchor + `"/></rl:list>`)
			list, err := r.Ref(t.Context(), anchor(alice, "index", "a"), alice)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i, e := range list.Entries {
				switch {
				case !e.Reference:
					got = append(got, e.URI)
				case i < len(tt.want) && strings.Contains(e.Problem, strings.TrimPrefix(tt.want[i], "! ")):
					got = append(got, tt.want[i])
				default:
					got = append(got, "! "+e.Problem)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if strings.HasPrefix(tt.anchor, far) && list.Deps[1] != RemoteKey(tt.anchor) {
				t.Errorf("depends on %v", list.Deps)
			}
		})
	}
	if list, err := r.Ref(t.Context(), far+"plain", alice); err != nil || len(list.Entries) != 2 || list.DisplayName != "Ops" {
		t.Errorf("named outright: %+v, %v", list, err)
	}
}
