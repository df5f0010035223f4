package xcap

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"rollcall/internal/store"
)

// listsOf is a resource-lists document with n entries in two lists.
func listsOf(n int) string {
	var b strings.Builder
	b.WriteString(`<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="a">`)
	for i := range n {
		fmt.Fprintf(&b, `<entry uri="sip:u%d@x"/>`, i)
		if i == 0 {
			b.WriteString(`<list name="b">`)
		}
	}
	if n > 0 {
		b.WriteString(`</list>`)
	}
	return b.String() + `</list></resource-lists>`
}

func explains(t *testing.T, a answer, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(a.body, w) {
			t.Errorf("%q does not say %q", a.body, w)
		}
	}
}

func TestQuotaOfEntries(t *testing.T) {
	ts := newTestServer(t, func(c *Config) { c.Quotas.Entries = 3 })
	expect(t, "three", ts.put(listsURI, listsOf(3)), 201, "")
	a := ts.put(listsURI, listsOf(4))
	expect(t, "four", a, 409, "constraint-failure")
	explains(t, a, "may have 3 entries", "would have 4")
	entry := listsURI + "/~~/" + escape(`resource-lists/list/entry[@uri="sip:new@x"]`)
	expect(t, "a fourth by element", ts.put(entry, `<entry uri="sip:new@x"/>`), 409, "constraint-failure")
	expect(t, "what remains", ts.get(entry), 404, "")
	services := root + "/rls-services/users/" + alice + "/index"
	inline := `<rls-services xmlns="urn:ietf:params:xml:ns:rls-services" xmlns:l="urn:ietf:params:xml:ns:resource-lists"><service uri="sip:l@example.test"><list>` +
		strings.Repeat(`<l:entry uri="sip:%d@x"/>`, 4) + `</list></service></rls-services>`
	expect(t, "the lists of services count", ts.put(services, fmt.Sprintf(inline, 1, 2, 3, 4), "Content-Type", "application/rls-services+xml"), 409, "constraint-failure")

	// A quota that was lowered afterwards lets a document shrink and stay.
	lowered := newTestServerOn(t, ts.store, func(c *Config) { c.Quotas.Entries = 1 })
	name := listsURI + "/~~/" + escape(`resource-lists/list/@name`)
	expect(t, "other changes", lowered.put(name, "z"), 200, "")
	expect(t, "fewer entries", lowered.put(listsURI, listsOf(2)), 200, "")
	expect(t, "more entries", lowered.put(listsURI, listsOf(3)), 409, "constraint-failure")
	expect(t, "one less", lowered.do(http.MethodDelete, listsURI+"/~~/"+escape(`resource-lists/list/list`), ""), 200, "")
}

func TestQuotaOfBytes(t *testing.T) { onStores(t, quotaOfBytesOn, "memory", "sqlite") }

func TestQuotaOfDocuments(t *testing.T) {
	ts := newTestServer(t, func(c *Config) { c.Quotas.Documents = 1 })
	ts.fresh(sample)
	a := ts.put(docURI+"2", "<r/>")
	expect(t, "second of one", a, 409, "constraint-failure")
	explains(t, a, "1 documents")
	big := ts.put(docURI, "<r>"+strings.Repeat("x", 300<<10)+"</r>")
	expect(t, "one too large document", big, 413, "")
	explains(t, big, "262144 bytes")
}

func TestQuotaOfWrites(t *testing.T) {
	ts := newTestServer(t, func(c *Config) {
		c.Quotas.Writes, c.Quotas.WriteBurst = 0.1, 3
		c.SuperUsers = []string{operator}
		c.Delegates = []Delegate{{User: bob, For: []string{alice}, Write: true}}
	})
	addUsers(t, ts.store, operator)
	expect(t, "first", ts.put(docURI, sample), 201, "")
	expect(t, "the same again counts", ts.put(docURI, sample), 200, "")
	expect(t, "refusals count", ts.put(docURI, "<"), 409, notWellFormed)
	a := ts.put(docURI, "<r/>")
	expect(t, "fourth of three", a, 429, "")
	explains(t, a, "too many changes", "3 at once", "0.1 a second")
	if after, err := strconv.Atoi(a.Header.Get("Retry-After")); err != nil || after < 1 || after > 10 {
		t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
	}
	if !strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("Content-Type %q", a.Header.Get("Content-Type"))
	}
	expect(t, "removal", ts.do(http.MethodDelete, docURI, ""), 429, "")
	expect(t, "reading", ts.get(docURI), 200, "")
	expect(t, "a delegate has an allowance of its own", ts.put(docURI, "<r/>", assertedIdentity, bob), 200, "")
	for i := range 6 {
		expect(t, "super-users are not slowed down", ts.put(docURI, fmt.Sprintf("<r>%d</r>", i), assertedIdentity, operator), 200, "")
	}
}

// The allowance is refilled at its rate and never holds more than the burst.
func TestWriteRate(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		burst := rapid.IntRange(1, 5).Draw(rt, "burst")
		rate := rapid.SampledFrom([]float64{0.5, 1, 4}).Draw(rt, "rate")
		steps := rapid.SliceOfN(rapid.IntRange(0, 3000), 1, 40).Draw(rt, "ms between writes")
		synctest.Test(t, func(t *testing.T) {
			q := newQuotas(Quotas{Writes: rate, WriteBurst: burst})
			start, granted := time.Now(), 0
			for _, ms := range steps {
				time.Sleep(time.Duration(ms) * time.Millisecond)
				wait := q.write(alice)
				if wait == 0 {
					granted++
				}
				if most := float64(burst) + rate*time.Since(start).Seconds() + 1e-6; float64(granted) > most {
					t.Errorf("%d writes granted, at most %v are allowed", granted, most)
				}
				if wait > 0 {
					time.Sleep(wait)
					if again := q.write(alice); again > 0 {
						t.Errorf("after waiting %v as told: wait %v", wait, again)
					}
					granted++
				}
			}
		})
	})
}

func TestQuotaTablesAreBounded(t *testing.T) {
	q := newQuotas(Quotas{Writes: 1, WriteBurst: 10})
	for i := range 3 * quotaUsers {
		user := strconv.Itoa(i)
		q.write(user)
		q.remember(user, 10)
	}
	if n, m := q.writes.Len(), q.rooms.Len(); n > 2*quotaUsers || m > 2*quotaUsers {
		t.Errorf("%d and %d entries", n, m)
	}
}

func TestQuotaUnderConcurrency(t *testing.T) {
	ts := newTestServer(t, func(c *Config) { c.Quotas.Writes, c.Quotas.WriteBurst = 0.001, 20 })
	var wg sync.WaitGroup
	var mu sync.Mutex
	counts := map[int]int{}
	for i := range 32 {
		wg.Go(func() {
			a := ts.put(docURI+strconv.Itoa(i), "<r/>")
			mu.Lock()
			defer mu.Unlock()
			counts[a.StatusCode]++
		})
	}
	wg.Wait()
	if counts[201] != 20 || counts[429] != 12 {
		t.Errorf("%v", counts)
	}
}

func quotaOfBytesOn(t *testing.T, st store.Store) {
	ts := newTestServerOn(t, st, func(c *Config) { c.Quotas.Bytes = 1000 })
	text := func(n int) string { return "<r>" + strings.Repeat("x", n-7) + "</r>" }
	expect(t, "600 of 1000", ts.put(docURI, text(600)), 201, "")
	a := ts.put(docURI+"2", text(401))
	expect(t, "401 more", a, 409, "constraint-failure")
	explains(t, a, "may have 1000 bytes", "would have 1001")
	expect(t, "400 more", ts.put(docURI+"2", text(400)), 201, "")
	expect(t, "one more by element", ts.put(node("r/a"), "<a/>"), 409, "constraint-failure")
	expect(t, "as large as before", ts.put(docURI, strings.ReplaceAll(text(600), "x", "y")), 200, "")
	expect(t, "smaller", ts.put(docURI, text(500)), 200, "")
	expect(t, "by element", ts.put(node("r/a"), "<a/>"), 201, "")
	for i := range 24 { // 4 bytes each
		ts.mustPut(node(fmt.Sprintf(`r/*[%d]`, i+2)), "<a/>")
	}
	expect(t, "full again", ts.put(node(`r/*[26]`), "<a/>"), 409, "constraint-failure")
	expect(t, "another user", ts.put(root+"/test-app/users/"+bob+"/index", text(900), assertedIdentity, bob), 201, "")
	expect(t, "room from another document", ts.do(http.MethodDelete, docURI+"2", ""), 200, "")
	expect(t, "room", ts.put(node(`r/*[26]`), "<a/>"), 201, "")
}
