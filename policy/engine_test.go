package policy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"rollcall/internal/resourcelist"
	"rollcall/internal/store"
)

func ask(t *testing.T, e *Engine, watcher string) Handling {
	t.Helper()
	d, err := e.Decide(t.Context(), Request{Presentity: alice, Watcher: watcher, Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	return d.Handling
}

func TestCompiledOnce(t *testing.T) {
	d := &documents{bodies: map[store.DocumentKey]string{ietfKey("index"): rulesetOf(ruleOf(one(bo), "allow", ""))}}
	e := engine(d, Options{})
	for range 5 {
		ask(t, e, bo)
		ask(t, e, cy)
	}
	if d.reads != 1 {
		t.Errorf("%d reads, want 1", d.reads)
	}
}

func TestDocumentChanged(t *testing.T) {
	d := &documents{bodies: map[store.DocumentKey]string{
		omaKey:   rulesetOf(ruleOf(external("l"), "allow", "")),
		listsKey: resourceLists(map[string][]string{"l": {bo}}),
	}}
	e := engine(d, Options{})
	change := func(what string, key store.DocumentKey, want ...string) {
		t.Helper()
		if got := e.DocumentChanged(key); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	otherLists := store.DocumentKey{XUI: alice, AUID: "resource-lists", Path: "other"}
	change("rules not compiled may depend on any list", otherLists, alice)
	ask(t, e, bo)
	change("a list the rules do not use", otherLists)
	change("another usage", store.DocumentKey{XUI: alice, AUID: "pidf-manipulation", Path: "index"})
	change("another user's list", store.DocumentKey{XUI: bo, AUID: "resource-lists", Path: "index"}, bo)
	change("a new rule document", ietfKey("second"), alice)
	ask(t, e, bo)

	delete(d.bodies, listsKey)
	change("the list they use is removed", listsKey, alice)
	if got := ask(t, e, bo); got != Block {
		t.Errorf("without the list: %v", got)
	}
	d.bodies[listsKey] = resourceLists(map[string][]string{"l": {bo}})
	change("and is there again", listsKey, alice)
	if got := ask(t, e, bo); got != Allow {
		t.Errorf("with the list: %v", got)
	}
	e.Forget(alice)
	delete(d.bodies, omaKey)
	if got := ask(t, e, bo); got != Confirm {
		t.Errorf("after Forget: %v", got)
	}
}

// A global list concerns presentities whose compiled rules are gone, too.
func TestGlobalListAfterEviction(t *testing.T) {
	global := store.DocumentKey{AUID: "resource-lists", Path: "staff"}
	d := &documents{bodies: map[store.DocumentKey]string{
		omaKey: rulesetOf(ruleOf(`<ocp:external-list><ocp:entry anc="/xcap-root/resource-lists/global/staff/~~/resource-lists/list"/></ocp:external-list>`, "allow", "")),
		global: resourceLists(map[string][]string{"l": {bo}}),
	}}
	e := engine(d, Options{CacheSize: 40})
	if got := ask(t, e, bo); got != Allow {
		t.Fatalf("global list: %v", got)
	}
	for i := range 5 { // others' rule sets push it out
		if _, err := e.Decide(t.Context(), Request{Presentity: fmt.Sprintf("sip:u%d@x", i), Watcher: bo}); err != nil {
			t.Fatal(err)
		}
	}
	if e.cache.get(alice) != nil {
		t.Fatal("not evicted: the test tests nothing")
	}
	if got := e.DocumentChanged(global); !slices.Contains(got, alice) {
		t.Errorf("presentities to look at again: %v", got)
	}
}

func TestCacheIsBounded(t *testing.T) {
	d := &documents{bodies: make(map[store.DocumentKey]string)}
	for i := range 100 {
		key := store.DocumentKey{XUI: fmt.Sprintf("sip:u%d@x", i), AUID: AUIDPresRules, Path: "index"}
		d.bodies[key] = rulesetOf(ruleOf(one(bo), "allow", ""))
	}
	e := engine(d, Options{CacheSize: 500})
	for i := range 100 {
		got, err := e.Decide(t.Context(), Request{Presentity: fmt.Sprintf("sip:u%d@x", i), Watcher: bo})
		if err != nil || got.Handling != Allow {
			t.Fatal(got, err)
		}
		if e.cache.size > 500 {
			t.Fatalf("size %d", e.cache.size)
		}
	}
	if n := len(e.cache.sets); n == 0 || len(e.cache.users) != n {
		t.Errorf("%d sets, %d documents indexed", n, len(e.cache.users))
	}
}

// What was being read while a document changed must not be kept.
func TestChangeWhileCompiling(t *testing.T) {
	d := &documents{bodies: map[store.DocumentKey]string{ietfKey("index"): rulesetOf(ruleOf(one(bo), "allow", ""))}}
	e := engine(d, Options{})
	d.hook = func() { // the change comes after the old body has been taken
		d.hook = nil
		if got := e.DocumentChanged(ietfKey("index")); !slices.Equal(got, []string{alice}) {
			t.Errorf("presentities to look at again: %v", got)
		}
	}
	if got := ask(t, e, bo); got != Allow {
		t.Errorf("asked before the change: %v", got)
	}
	d.bodies[ietfKey("index")] = rulesetOf()
	if got := ask(t, e, bo); got != Block {
		t.Errorf("asked after the change: %v", got)
	}
}

func TestChangeOfListWhileCompiling(t *testing.T) {
	d := &documents{bodies: map[store.DocumentKey]string{
		omaKey:   rulesetOf(ruleOf(external("l"), "allow", "")),
		listsKey: resourceLists(map[string][]string{"l": {bo}}),
	}}
	e := engine(d, Options{})
	reads := 0
	d.hook = func() {
		if reads++; reads == 2 {
			if got := e.DocumentChanged(listsKey); !slices.Equal(got, []string{alice}) {
				t.Errorf("presentities to look at again: %v", got)
			}
		}
	}
	ask(t, e, bo)
	d.bodies[listsKey] = resourceLists(nil)
	if got := ask(t, e, bo); got != Block {
		t.Errorf("asked after the change: %v", got)
	}
}

func TestStoreDown(t *testing.T) {
	d := &documents{err: store.ErrUnavailable, bodies: map[store.DocumentKey]string{ietfKey("index"): rulesetOf(ruleOf(one(bo), "allow", ""))}}
	e := engine(d, Options{})
	got, err := e.Decide(t.Context(), Request{Presentity: alice, Watcher: bo})
	if !errors.Is(err, store.ErrUnavailable) || got.Handling != Confirm || got.Transform != nil {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := e.Decide(t.Context(), Request{Presentity: alice, Watcher: alice}); err != nil || got.Handling != Allow {
		t.Errorf("the owner: %+v, %v", got, err)
	}
	d.err = nil
	if got := ask(t, e, bo); got != Allow {
		t.Errorf("an error was kept: %v", got)
	}
}

// Those who want the same rules at the same time share one compilation; one
// who gives up does not take the others along.
func TestSharedCompilation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &documents{bodies: map[store.DocumentKey]string{ietfKey("index"): rulesetOf(ruleOf(one(bo), "allow", ""))}}
		e := engine(d, Options{})
		gate := make(chan struct{})
		leader, cancel := context.WithCancel(t.Context())
		d.hook = func() {
			d.hook = nil
			<-gate
			d.once = leader.Err()
		}
		results := make(chan error, 4)
		go func() {
			_, err := e.Decide(leader, Request{Presentity: alice, Watcher: bo})
			results <- err
		}()
		synctest.Wait()
		for range 3 {
			go func() {
				got, err := e.Decide(t.Context(), Request{Presentity: alice, Watcher: bo})
				if err == nil && got.Handling != Allow {
					err = errors.New(got.Handling.String())
				}
				results <- err
			}()
		}
		synctest.Wait()
		cancel()
		close(gate)
		if err := <-results; !errors.Is(err, context.Canceled) {
			t.Errorf("leader: %v", err)
		}
		for range 3 {
			if err := <-results; err != nil {
				t.Errorf("waiter: %v", err)
			}
		}
	})
}

// shared is a store of documents for several goroutines.
type shared struct {
	mu sync.RWMutex
	d  *documents
}

func (s *shared) Document(ctx context.Context, key store.DocumentKey) (store.Document, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	body, ok := s.d.bodies[key]
	if !ok {
		return store.Document{}, store.ErrNotFound
	}
	return store.Document{DocumentKey: key, Body: []byte(body)}, nil
}

func (s *shared) ListDocuments(ctx context.Context, xui, auid string) ([]store.Document, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.d.ListDocuments(ctx, xui, auid)
}

func (s *shared) put(key store.DocumentKey, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.d.bodies[key] = body
}

// Once DocumentChanged has returned every decision is made by the new document,
// however many were being made meanwhile.
func TestReadYourWrites(t *testing.T) {
	s := &shared{d: &documents{bodies: map[store.DocumentKey]string{omaKey: rulesetOf(ruleOf(external("l"), "allow", ""))}}}
	e := NewEngine(s, &resourcelist.Resolver{Docs: s, Roots: []string{"/xcap-root"}}, Options{})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := e.Decide(t.Context(), Request{Presentity: alice, Watcher: bo, Now: noon}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 300 {
		want, members := Block, []string{cy}
		if i%2 == 0 {
			want, members = Allow, []string{cy, bo}
		}
		s.put(listsKey, resourceLists(map[string][]string{"l": members}))
		if got := e.DocumentChanged(listsKey); !slices.Contains(got, alice) {
			t.Fatalf("change %d: presentities to look at again: %v", i, got)
		}
		if got := ask(t, e, bo); got != want {
			t.Fatalf("change %d: %v, want %v", i, got, want)
		}
	}
	close(stop)
	wg.Wait()
}
