package usage

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/store"
)

func TestWatchers(t *testing.T) {
	env := newEnv(t)
	watcher := func(uri, status, cause string, terminated bool) Watcher {
		return Watcher{Watcher: store.Watcher{Presentity: alice, Watcher: uri, Status: status, Cause: cause}, Terminated: terminated}
	}
	env.Watchers = func(presentity string) []Watcher {
		if presentity != alice {
			t.Errorf("asked for %s", presentity)
		}
		return []Watcher{
			watcher("sip:zoe@example.test", "active", "subscribe", false),
			watcher("sip:bob@example.test", "pending", "subscribe", false),
			watcher("sip:bob@example.test", "active", "approved", false),
			watcher("sip:carol@example.test", "waiting", "timeout", false),
			watcher("sip:dan@example.test", "terminated", "rejected", true),
			watcher("sip:eve@example.test", "terminated", "timeout", true),
			watcher("", "pending", "subscribe", false),
		}
	}
	personal := byAUID(t, "org.openxcap.watchers").Personal
	body, tag, ok, err := personal(t.Context(), env, store.DocumentKey{XUI: alice, Path: "index"})
	if err != nil || !ok || tag == "" {
		t.Fatal(ok, err)
	}
	d := scan(t, string(body))
	var got [][]string
	for w := range d.Children(0) {
		if !d.Is(w, nsWatchers, "watcher") {
			t.Errorf("%+v", d.Elements[w].Name)
		}
		var row []string
		for field := range d.Children(w) {
			row = append(row, d.Elements[field].Local+"="+d.Text(field))
		}
		got = append(got, row)
	}
	want := [][]string{
		{"id=bob@example.test", "status=allow", "online=true"},
		{"id=carol@example.test", "status=confirm", "online=false"},
		{"id=dan@example.test", "status=deny", "online=false"},
		{"id=zoe@example.test", "status=allow", "online=true"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("watchers (-want +got):\n%s", diff)
	}
	if _, _, ok, _ := personal(t.Context(), env, store.DocumentKey{XUI: alice, Path: "other"}); ok {
		t.Error("there is only index")
	}
	env.Watchers = nil
	if body, _, ok, err := personal(t.Context(), env, store.DocumentKey{XUI: alice, Path: "index"}); err != nil || !ok || scan(t, string(body)).Elements[0].First >= 0 {
		t.Errorf("%s %v %v", body, ok, err)
	}
}
