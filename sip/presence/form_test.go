package presence

import (
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/sip/event"
)

func TestForms(t *testing.T) {
	const parts, changes = `<what><include>//pidf:tuple</include></what>`, `<trigger><added>//pidf:note</added></trigger>`
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.rules(amy, "allow "+bo)
		for i, tt := range []struct {
			filter string
			simple bool
			accept string
			want   string
		}{
			{},
			{simple: true, want: "gist"},
			{filter: parts, want: "filter"},
			{filter: changes, want: "trigger"},
			{filter: parts + changes, accept: "application/pidf-diff+xml", want: "filter trigger changes"},
		} {
			sub := subscription(string(rune('a'+i)), bo, time.Hour)
			if sub.Simple = tt.simple; tt.accept != "" {
				sub.Accept = []string{tt.accept}
			}
			if tt.filter != "" {
				sub.ContentType, sub.BodyNew = "application/simple-filter+xml", true
				sub.Body = []byte(`<filter-set xmlns="urn:ietf:params:xml:ns:simple-filter"><ns-bindings><ns-binding prefix="pidf" urn="urn:ietf:params:xml:ns:pidf"/></ns-bindings>` +
					`<filter id="f">` + tt.filter + `</filter></filter-set>`)
			}
			src, _, err := r.subscribe(sub)
			if err != nil {
				t.Fatal(err)
			}
			if got := src.(event.Formed).Forms(); !slices.Equal(got, strings.Fields(tt.want)) {
				t.Errorf("%+v: %q", tt, got)
			}
		}
	})
}
