package events

import (
	"slices"
	"strconv"
	"strings"
)

// maxGone bounds the items remembered that are there no more.
const maxGone = 256

// state is what is told of one item.
type state interface {
	// same reports whether whoever was told other need not be told this.
	same(other state) bool
	// event returns the name of the event and its data.
	event(c change) (string, any)
}

// change is how an item differs from what a client knows.
type change uint8

const (
	exists  change = iota // part of the whole state
	created               // not known before
	changed
	removed
)

var changes = [...]string{"exists", "created", "changed", "removed"}

// item is one thing that clients are told of.
type item struct {
	state  state
	before state  // the one before, if it was told with the same item
	number uint64 // of the newest change
	known  uint64 // number when before was the newest
	born   uint64 // number when it came to be
	gone   bool
}

// table numbers the changes of items.
type table struct {
	epoch string // numbers of another table mean nothing here
	last  uint64 // number given
	floor uint64 // what was removed up to this number is forgotten
	items map[string]*item
	log   []logged // in order of numbers; outdated entries are left in for a while
	gone  int      // items remembered that are there no more
}

type logged struct {
	number uint64
	key    string
}

func newTable(epoch string) table { return table{epoch: epoch, items: make(map[string]*item)} }

// set notes what an item is now.
func (t *table) set(key string, s state) {
	it := t.items[key]
	switch {
	case it == nil:
		it = &item{born: t.last + 1}
		t.items[key] = it
	case it.gone:
		t.gone--
		it.gone, it.born, it.before = false, t.last+1, nil
	case it.state.same(s):
		return
	default:
		it.before, it.known = it.state, it.number
	}
	it.state = s
	t.note(key, it)
}

// remove notes that an item is there no more; last is what is told of that.
func (t *table) remove(key string, last func(state) state) {
	it := t.items[key]
	if it == nil || it.gone {
		return
	}
	it.before, it.known = it.state, it.number
	it.state, it.gone = last(it.state), true
	t.gone++
	t.note(key, it)
	t.forget()
}

// keys lists the items of a kind that are there.
func (t *table) keys(prefix string) (keys []string) {
	for key, it := range t.items {
		if !it.gone && strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

func (t *table) note(key string, it *item) {
	t.last++
	it.number = t.last
	t.log = append(t.log, logged{t.last, key})
	if len(t.log) > 2*len(t.items)+64 {
		t.log = slices.DeleteFunc(t.log, func(l logged) bool { return !t.current(l) })
	}
}

// current reports whether an entry of the log is the newest of its item.
func (t *table) current(l logged) bool {
	it := t.items[l.key]
	return it != nil && it.number == l.number
}

// forget drops what was removed longest ago when there is too much of it.
func (t *table) forget() {
	for i := 0; t.gone > maxGone && i < len(t.log); i++ {
		if l := t.log[i]; t.current(l) && t.items[l.key].gone {
			delete(t.items, l.key)
			t.gone--
			t.floor = l.number
		}
	}
}

// after calls fn for the items changed after a number, oldest change first, until
// it returns false.
func (t *table) after(number uint64, fn func(*item) bool) {
	from, _ := slices.BinarySearchFunc(t.log, number+1, func(l logged, n uint64) int {
		switch {
		case l.number < n:
			return -1
		case l.number > n:
			return 1
		}
		return 0
	})
	for _, l := range t.log[from:] {
		if t.current(l) && !fn(t.items[l.key]) {
			return
		}
	}
}

// place is how far a client is. It has been told the items up to number, oldest
// change first. What changed in the meantime has a higher number by now, so that
// it knows all versions up to full only, where nothing was left to tell.
type place struct{ number, full uint64 }

// id is how clients name a place.
func (t *table) id(p place) string {
	id := t.epoch + "-" + strconv.FormatUint(p.number, 10)
	if p.full != p.number {
		id += "-" + strconv.FormatUint(p.full, 10)
	}
	return id
}

// resume returns the place that a client names. ok is false when what happened
// since cannot be told.
func (t *table) resume(id string) (p place, ok bool) {
	epoch, text, _ := strings.Cut(id, "-")
	number, full, both := strings.Cut(text, "-")
	if !both {
		full = number
	}
	var errs [2]error
	p.number, errs[0] = strconv.ParseUint(number, 10, 64)
	p.full, errs[1] = strconv.ParseUint(full, 10, 64)
	if errs != [2]error{} || epoch != t.epoch || p.number < t.floor || p.number > t.last || p.full > p.number {
		return place{}, false
	}
	return p, true
}

// advance is where a client is that is told an item.
func (t *table) advance(p place, it *item) place {
	p.number = it.number
	if p.number == t.last {
		p.full = p.number
	}
	return p
}

// differs says how an item differs from what a client knows at a place.
func (it *item) differs(from place) change {
	switch {
	case it.gone:
		return removed
	case it.born > from.full:
		return created // as far as we can tell
	}
	return changed
}

// told reports whether such a client knows the state before the newest.
func (it *item) told(from place) bool { return it.before != nil && it.known <= from.full }
