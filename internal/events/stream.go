package events

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"rollcall/internal/store"
)

const (
	// maxChunk is about how much is written at once.
	maxChunk = 64 << 10
	// writeTimeout is how long a client may take to read a chunk.
	writeTimeout = 30 * time.Second
	// comeBack is when a client that lost its connection is to try again.
	comeBack = "retry: 3000\n"
)

// stream is the connection of one client.
type stream struct {
	feed    *feed
	account store.User // as it was at the beginning
	trusted bool       // by the word of a front end, whatever the password
	wake    chan struct{}
	suspect atomic.Bool // the account may have changed

	w  http.ResponseWriter
	rc *http.ResponseController

	at    place
	whole uint64 // up to this number the client is told the whole state
	ready bool   // it knows that it has everything
}

// wakeUp has the stream look for news. It never blocks.
func (st *stream) wakeUp() {
	select {
	case st.wake <- struct{}{}:
	default:
	}
}

// run tells the client of everything until one of the two has enough.
func (st *stream) run(ctx context.Context, lastID string) {
	h := st.feed.hub
	fresh := st.feed.refresh(ctx)
	if st.begin(lastID) != nil {
		return
	}
	alive := time.NewTicker(h.cfg.KeepAlive)
	defer alive.Stop()
	for {
		if err := st.catchUp(); err != nil {
			return
		}
		var again <-chan time.Time
		if !fresh {
			again = time.After(readAgain)
		}
		select {
		case <-st.wake:
		case <-again:
		case <-alive.C:
			st.suspect.Store(true)
			if st.write([]byte(":\n\n")) != nil {
				return
			}
		case <-ctx.Done():
			return
		case <-h.stopped:
			return
		}
		if st.suspect.Swap(false) && !st.allowed(ctx) {
			return
		}
		fresh = st.feed.refresh(ctx)
	}
}

// allowed reports whether the account is still the one that was let in.
func (st *stream) allowed(ctx context.Context) bool {
	now, err := st.feed.hub.cfg.Users.Get(ctx, st.feed.key.user)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return false
	case err != nil || st.trusted:
		return true // a store that is away says nothing
	}
	was := &st.account
	return now.HA1MD5 == was.HA1MD5 && now.HA1SHA256 == was.HA1SHA256 && now.HA1SHA512 == was.HA1SHA512
}

// begin goes on where the client left, or has it begin anew.
func (st *stream) begin(lastID string) error {
	f := st.feed
	f.mu.Lock()
	at, ok := f.table.resume(lastID)
	f.mu.Unlock()
	if ok {
		st.at = at
		return st.write([]byte(comeBack + ":\n\n"))
	}
	why := "start"
	if lastID != "" {
		why = "unknown id"
	}
	return st.reset([]byte(comeBack), why)
}

// reset has the client forget all it knows, its place included.
func (st *stream) reset(b []byte, why string) error {
	f := st.feed
	f.mu.Lock()
	st.at, st.whole, st.ready = place{}, f.table.last, false
	f.mu.Unlock()
	return st.write(appendEvent(b, "reset", "", struct {
		Reason string `json:"reason"`
	}{why}))
}

// catchUp tells the client of everything that it does not know.
func (st *stream) catchUp() error {
	for {
		b, behind := st.next()
		if behind {
			if err := st.reset(nil, "too far behind"); err != nil {
				return err
			}
			continue
		}
		if len(b) == 0 {
			return nil
		}
		if err := st.write(b); err != nil {
			return err
		}
	}
}

// next renders some of the events that come next. behind says that things were
// removed, and forgotten, that the client does not know of.
func (st *stream) next() (b []byte, behind bool) {
	f := st.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	t := &f.table
	if st.at.number >= st.whole && st.at.number < t.floor {
		return nil, true
	}
	t.after(st.at.number, func(it *item) bool {
		if len(b) >= maxChunk {
			return false
		}
		from := st.at
		st.at = t.advance(from, it)
		if !it.gone || it.number > st.whole {
			name, data := it.render(from, st.whole)
			b = appendEvent(b, name, t.id(st.at), data)
		}
		return true
	})
	if len(b) < maxChunk && !st.ready {
		st.ready, st.at = true, place{t.last, t.last}
		b = appendEvent(b, "ready", t.id(st.at), struct{}{})
	}
	return b, false
}

// render returns the event of an item for a client at a place, which is told the
// whole state up to a number.
func (it *item) render(from place, whole uint64) (name string, data any) {
	c := it.differs(from)
	if it.number <= whole {
		c = exists
	}
	name, data = it.state.event(c)
	if d, ok := data.(documentData); ok && c > created && it.told(from) {
		data = d.since(it.before)
	}
	return name, data
}

// appendEvent renders one event (HTML §9.2.6).
func appendEvent(b []byte, name, id string, data any) []byte {
	b = append(append(append(b, "event: "...), name...), "\nid: "...)
	b = append(append(b, id...), "\ndata: "...)
	buf := bytes.NewBuffer(b)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	// A line of its own; there is nothing in the data that cannot be written.
	_ = enc.Encode(data)
	return append(buf.Bytes(), '\n')
}

// write sends what it is given at once.
func (st *stream) write(b []byte) error {
	if err := st.rc.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := st.w.Write(b); err != nil {
		return err
	}
	return st.rc.Flush()
}
