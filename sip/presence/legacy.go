package presence

import (
	"bytes"

	"rollcall/internal/pidf"
	"rollcall/sip/event"
)

// legacyNamespace is that of presence documents before RFC 3863; the structure was
// the same.
const legacyNamespace = "urn:ietf:params:xml:ns:cpim-pidf"

// spelled gives a notification the older type where the watcher wants that rather
// than the one of RFC 3863. It is another presentation, with a tag of its own (RFC
// 5839 §4).
func (src *source) spelled(ev event.View) event.View {
	older := src.sub.Prefers(pidf.AliasType, pidf.ContentType) && !src.sub.Prefers(pidf.ContentType, pidf.AliasType)
	if ev.ContentType != pidf.ContentType || len(ev.Body) == 0 || !older {
		return ev
	}
	ev.ContentType, ev.Tag = pidf.AliasType, ev.Tag+"c"
	ev.Body = bytes.ReplaceAll(ev.Body, []byte(`"`+pidf.Namespace+`"`), []byte(`"`+legacyNamespace+`"`))
	return ev
}
