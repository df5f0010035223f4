package xcap

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"rollcall/internal/store"
	"rollcall/internal/store/memory"
	"rollcall/internal/store/pgtest"
	"rollcall/internal/store/postgres"
	"rollcall/internal/store/sqlite"
)

// stores are the stores that a rule is tested on.
var stores = map[string]func(t *testing.T) store.Store{
	"memory": func(*testing.T) store.Store { return memory.New() },
	"sqlite": func(t *testing.T) store.Store {
		st, err := sqlite.Open(t.Context(), t.TempDir()+"/x.db", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = st.Close() })
		return st
	},
	"postgres": func(t *testing.T) store.Store {
		st, err := postgres.Open(t.Context(), pgtest.URL(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = st.Close() })
		return st
	},
}

// onStores runs a test on the stores named, all when none is.
func onStores(t *testing.T, test func(t *testing.T, st store.Store), names ...string) {
	if len(names) == 0 {
		names = []string{"memory", "sqlite", "postgres"}
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) { test(t, stores[name](t)) })
	}
}

// writers runs n writers at once, in turn against two nodes on one store, so
// that nothing inside a process can make up for what the store does not do.
func writers(t *testing.T, st store.Store, n int, write func(ts *testServer, i int)) (first *testServer) {
	nodes := [2]*testServer{newTestServerOn(t, st), newTestServerOn(t, st)}
	nodes[0].fresh("<r/>")
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { write(nodes[i%2], i) })
	}
	wg.Wait()
	return nodes[0]
}

// No acknowledged insert is lost, whatever the store and the node.
func TestConcurrentInserts(t *testing.T) {
	onStores(t, func(t *testing.T, st store.Store) {
		var mu sync.Mutex
		var acknowledged []string
		ts := writers(t, st, 32, func(ts *testServer, i int) {
			element := fmt.Sprintf(`<a k="v%d"/>`, i)
			a := ts.put(node(fmt.Sprintf(`r/a[@k="v%d"]`, i)), element)
			if a.StatusCode != http.StatusCreated {
				t.Errorf("writer %d: %d %s", i, a.StatusCode, a.body)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			acknowledged = append(acknowledged, element)
		})
		got := ts.get(docURI).body
		for _, element := range acknowledged {
			if strings.Count(got, element) != 1 {
				t.Errorf("%s was acknowledged and is lost", element)
			}
		}
		if n := strings.Count(got, "<a "); n != len(acknowledged) {
			t.Errorf("%d inserts of %d", n, len(acknowledged))
		}
	})
}

// Of many who change the same version exactly one does.
func TestOneWinner(t *testing.T) {
	for _, c := range []struct {
		rule   string
		write  func(ts *testServer, i int, tag string) answer
		winner int
	}{
		{"document", func(ts *testServer, i int, tag string) answer {
			return ts.put(docURI, fmt.Sprintf("<r>%d</r>", i), "If-Match", tag)
		}, 200},
		{"element", func(ts *testServer, i int, tag string) answer {
			return ts.put(node(fmt.Sprintf("r/a%d", i)), fmt.Sprintf("<a%d/>", i), "If-Match", tag)
		}, 201},
		{"creation", func(ts *testServer, i int, _ string) answer {
			return ts.put(docURI+"2", fmt.Sprintf("<r>%d</r>", i), "If-None-Match", "*")
		}, 201},
		{"removal", func(ts *testServer, i int, tag string) answer {
			return ts.do(http.MethodDelete, docURI, "", "If-Match", tag)
		}, 200},
	} {
		t.Run(c.rule, func(t *testing.T) {
			onStores(t, func(t *testing.T, st store.Store) {
				var once sync.Once
				var tag string
				var mu sync.Mutex
				count := map[int]int{}
				writers(t, st, 32, func(ts *testServer, i int) {
					once.Do(func() { tag = ts.get(docURI).etag() })
					a := c.write(ts, i, tag)
					mu.Lock()
					defer mu.Unlock()
					count[a.StatusCode]++
				})
				if count[c.winner] != 1 || count[412] != 31 {
					t.Errorf("answers %v, want one %d and 31 of 412", count, c.winner)
				}
			})
		})
	}
}
