package winfo

import (
	"strconv"
	"time"

	"rollcall/internal/store"
	"rollcall/internal/xmlscan"
)

const namespace = "urn:ietf:params:xml:ns:watcherinfo"

// The values of the attributes status and event, RFC 3858 §4.
var (
	statuses = [...]string{Pending, Active, Waiting, Terminated}
	causes   = [...]string{"subscribe", "approved", "deactivated", "probation", "rejected", "timeout", "giveup", "noresource"}
)

// document collects the watcher elements of one document.
type document struct{ watchers []byte }

func newDocument() *document { return &document{} }

func (d *document) size() int { return len(d.watchers) }

// add writes one watcher element.
func (d *document) add(w *store.Watcher, now time.Time) {
	b := d.watchers
	b = append(b, "<watcher id=\""...)
	b = xmlscan.EscapeAttr(b, w.ID)
	b = append(b, "\" status=\""...)
	b = append(b, w.Status...)
	b = append(b, "\" event=\""...)
	b = append(b, w.Cause...)
	if w.DisplayName != "" {
		b = append(b, "\" display-name=\""...)
		b = xmlscan.EscapeAttr(b, w.DisplayName)
	}
	// A waiting watcher has no subscription that could expire.
	if left := w.Expires.Sub(now); left > 0 && w.Status != Waiting && w.Status != Terminated {
		b = append(b, "\" expiration=\""...)
		b = strconv.AppendInt(b, int64(left/time.Second), 10)
	}
	if age := now.Sub(w.Since); age >= 0 && !w.Since.IsZero() {
		b = append(b, "\" duration-subscribed=\""...)
		b = strconv.AppendInt(b, int64(age/time.Second), 10)
	}
	b = append(b, "\">"...)
	b = xmlscan.Escape(b, w.Watcher)
	d.watchers = append(b, "</watcher>\n"...)
}

// finish returns the whole document. The list is there even when it is empty:
// clients look for it.
func (d *document) finish(version uint32, full bool, resource, watched string) []byte {
	state := "partial"
	if full {
		state = "full"
	}
	b := make([]byte, 0, len(d.watchers)+len(resource)+256)
	b = append(b, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"...)
	b = append(b, `<watcherinfo xmlns="`+namespace+`" version="`...)
	b = strconv.AppendUint(b, uint64(version), 10)
	b = append(b, `" state="`...)
	b = append(b, state...)
	b = append(b, "\">\n<watcher-list resource=\""...)
	b = xmlscan.EscapeAttr(b, resource)
	b = append(b, `" package="`+watched+"\">\n"...)
	b = append(b, d.watchers...)
	return append(b, "</watcher-list>\n</watcherinfo>\n"...)
}
