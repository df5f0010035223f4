package xcap

import (
	"strings"
	"testing"

	"rollcall/internal/store"
	"rollcall/internal/store/memory"
)

// The history says who wrote each version, with what and from where; what
// changes nothing or is refused leaves no trace in it.
func TestOrigin(t *testing.T) {
	st := memory.New()
	st.Remember(20, 0)
	ts := newTestServerOn(t, st)
	do := func(status int, method, target, body string, headers ...string) {
		t.Helper()
		headers = append(headers, "X-Forwarded-For", "192.0.2.7")
		if got := ts.do(method, target, body, headers...); got.StatusCode != status {
			t.Errorf("%s %s: %s %s", method, target, got.Status, got.body)
		}
	}
	long := "Blink " + strings.Repeat("x", 300)
	do(201, "PUT", docURI, "<a><b/></a>", "User-Agent", long)
	do(200, "PUT", docURI, "<a><b/></a>", "User-Agent", "again")
	do(409, "PUT", docURI, "<a>", "User-Agent", "broken")
	do(412, "PUT", docURI, "<c/>", "User-Agent", "late", "If-Match", `"x"`)
	do(201, "PUT", docURI+"/~~/a/b/@c", "1", "User-Agent", "second", "Content-Type", attributeType)
	do(200, "DELETE", docURI, "", "User-Agent", "third")
	got, err := st.Versions(t.Context(), store.DocumentKey{XUI: alice, AUID: "test-app", Path: "index"})
	if err != nil || len(got) != 3 {
		t.Fatalf("%+v, %v", got, err)
	}
	for i, want := range []store.Origin{
		{By: alice, Client: "third", Address: "192.0.2.7", Method: "DELETE"},
		{By: alice, Client: "second", Address: "192.0.2.7", Method: "PUT"},
		{By: alice, Client: long[:120], Address: "192.0.2.7", Method: "PUT"},
	} {
		if got[i].Origin != want {
			t.Errorf("version %d: %+v, want %+v", got[i].Number, got[i].Origin, want)
		}
	}
}
