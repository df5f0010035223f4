package presence

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/internal/pidf"
	"rollcall/internal/store"
)

func TestInspect(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		in, err := r.s.Inspect(context.Background(), amy, bo)
		if err != nil || len(in.Publications) != 0 || in.Hard || !bytes.Equal(in.Composed.Body, pidf.Offline(amy, pidf.OfflineTupleID(amy))) {
			t.Errorf("nothing is known: %+v, %v", in, err)
		}
		r.must(amy, typed+"User-Agent: Blink 6.0.1\r\n", document(tuple("a", "open")))
		r.put(store.DocumentKey{XUI: amy, AUID: storedAUID, Path: hardPath}, document(tuple("h", "closed")))
		r.s.Watch(Watch{ID: "42 amy", Presentity: amy, Watcher: bo, Expires: time.Now().Add(time.Hour), Changed: func() {}})
		r.s.Watch(Watch{ID: "43 amy", Presentity: amy, Watcher: cy, Expires: time.Now().Add(time.Hour), Changed: func() {}})
		synctest.Wait()
		in, err = r.s.Inspect(context.Background(), amy, bo)
		if err != nil || len(in.Publications) != 1 || !in.Hard || len(in.Watches) != 1 || in.Watches[0] != "42 amy" {
			t.Fatalf("%+v, %v", in, err)
		}
		if p := in.Publications[0]; p.UserAgent != "Blink 6.0.1" || !p.Ends.Equal(p.Expires) {
			t.Errorf("publication %+v", p)
		}
	})
}
