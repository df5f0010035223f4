package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rollcall/internal/store"
)

// Place is somewhere a store can be opened, closed and opened again.
type Place func(*store.Options) (store.Store, error)

// Run checks a store. open returns an empty one; the suite closes it.
func Run(t *testing.T, open func(t *testing.T, opt *store.Options) store.Store) {
	for name, test := range map[string]func(*testing.T, store.Store){
		"add and list users":                 testUsers,
		"add users all or none":              testAddUsersAllOrNone,
		"replace users":                      testReplaceUsers,
		"remove user removes all":            testRemoveUser,
		"documents":                          testDocuments,
		"document compare and swap":          testCompareAndSwap,
		"document creation race":             testCreationRace,
		"document deletion":                  testDeleteDocument,
		"document lists":                     testListDocuments,
		"history":                            testHistory,
		"history of failed writes":           testHistoryOfFailures,
		"history of removed documents":       testHistoryOfDeleted,
		"history of removed users":           testHistoryOfRemovedUser,
		"history of a race":                  testHistoryRace,
		"origin of a version":                testOrigin,
		"claims":                             testClaims,
		"claims race":                        testClaimsRace,
		"rows round trip":                    testRoundTrip,
		"upsert and drop":                    testUpsertAndDrop,
		"a row twice in a batch":             testTwiceInBatch,
		"batches are atomic for readers":     testBatchAtomic,
		"concurrent commits":                 testConcurrentCommits,
		"order of commits and deferred":      testOrder,
		"load only what is alive, and reap":  testLoadAndReap,
		"load stops at the first error":      testLoadError,
		"a message that is not there":        testNoMessage,
		"a withdrawn commit":                 testCancelled,
		"secrets":                            testSecrets,
		"certificates":                       testCertificates,
		"ping":                               testPing,
		"strange text":                       testStrangeText,
		"commit while documents are written": testMixedWriters,
		"closed":                             testClosed,
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, options())
			t.Cleanup(func() { _ = s.Close() })
			test(t, s)
		})
	}
}

// RunDurable checks what must survive closing and opening again. place makes a
// new empty place.
func RunDurable(t *testing.T, place func(t *testing.T) Place) {
	t.Run("survives reopening", func(t *testing.T) { testReopen(t, place(t)) })
	t.Run("close writes what is queued", func(t *testing.T) { testCloseFlushes(t, place(t)) })
	t.Run("history switched on and off", func(t *testing.T) { testHistorySwitched(t, place(t)) })
	t.Run("two stores on one database", func(t *testing.T) { testTwoStores(t, place(t)) })
	t.Run("opened many times at once", func(t *testing.T) { testOpenTogether(t, place(t)) })
}

// now is a time with microseconds, as stores keep them.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// rows is everything soft that is in a store.
type rows struct {
	Publications  map[store.PublicationKey]store.Publication
	Bindings      map[store.BindingKey]store.Binding
	Subscriptions map[string]store.Subscription
	Watchers      map[store.WatcherKey]store.Watcher
	Messages      map[store.MessageKey]store.Message
}

func load(t *testing.T, s store.Store, at time.Time) rows {
	t.Helper()
	ctx := context.Background()
	r := rows{map[store.PublicationKey]store.Publication{}, map[store.BindingKey]store.Binding{},
		map[string]store.Subscription{}, map[store.WatcherKey]store.Watcher{}, map[store.MessageKey]store.Message{}}
	must(t, s.LoadPublications(ctx, at, func(v store.Publication) error { r.Publications[v.Key()] = v; return nil }))
	must(t, s.LoadBindings(ctx, at, func(v store.Binding) error { r.Bindings[v.Key()] = v; return nil }))
	must(t, s.LoadSubscriptions(ctx, at, func(v store.Subscription) error { r.Subscriptions[v.ID] = v; return nil }))
	must(t, s.LoadWatchers(ctx, at, func(v store.Watcher) error { r.Watchers[v.Key()] = v; return nil }))
	must(t, s.LoadMessages(ctx, at, func(w store.WaitingMessage) error { return r.message(ctx, s, w) }))
	return r
}

func rowsOf(b store.Batch) rows {
	r := rows{map[store.PublicationKey]store.Publication{}, map[store.BindingKey]store.Binding{},
		map[string]store.Subscription{}, map[store.WatcherKey]store.Watcher{}, map[store.MessageKey]store.Message{}}
	for _, v := range b.Publications {
		r.Publications[v.Key()] = v
	}
	for _, v := range b.Bindings {
		r.Bindings[v.Key()] = v
	}
	for _, v := range b.Subscriptions {
		r.Subscriptions[v.ID] = v
	}
	for _, v := range b.Watchers {
		r.Watchers[v.Key()] = v
	}
	for _, v := range b.Messages {
		r.Messages[v.Key()] = v
	}
	return r
}
