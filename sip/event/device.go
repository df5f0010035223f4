package event

import (
	"hash/maphash"
	"log/slog"
	"strings"

	"rollcall/internal/sipuri"
	"rollcall/sip/wire"
)

// deviceOf tells a watcher's devices apart, over their restarts and ours: by the
// instance of RFC 5626, which is in a public GRUU, too (RFC 5627 §3.1.1), else by
// the Contact. It is a hash: a subscription keeps eight octets of it.
func deviceOf(req *wire.Request, target string) uint64 {
	if len(req.Contacts) == 1 {
		if instance, ok := req.Contacts[0].Param("+sip.instance"); ok && instance != "" {
			return instanceHash(instance)
		}
	}
	if u, err := sipuri.Parse(target); err == nil {
		if instance, ok := u.Param("gr"); ok && instance != "" {
			return instanceHash(instance)
		}
	}
	return fnv1a(target)
}

func instanceHash(instance string) uint64 {
	return fnv1a(strings.ToLower(strings.Trim(instance, "<>")))
}

// fnv1a is FNV-1a, which is the same in every run.
func fnv1a(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(s); i++ {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// supersede ends what the device of a new subscription had before it lost its
// memory: nobody is there any more to be told.
func (n *Notifier) supersede(s *Subscription) {
	if s.Watcher == "" {
		return
	}
	old := n.rooms[s.Shard].byDevice[s.deviceKey()]
	if old == nil || old.device != s.device || old.Watcher != s.Watcher || old.Resource != s.Resource ||
		old.Event != s.Event || old.EventID != s.EventID || old.dialog.callID() == s.dialog.callID() {
		return
	}
	slog.Debug("subscription superseded", "id", old.ID, "by", s.ID, "resource", s.Resource, "watcher", s.Watcher)
	n.cfg.Store.Defer(n.remove(old, "deactivated"))
}

// deviceKey finds the subscription of the same device to the same thing.
func (s *Subscription) deviceKey() uint64 {
	return maphash.Comparable(hashSeed, struct {
		watcher, event, id, resource string
		device                       uint64
	}{s.Watcher, s.Event, s.EventID, s.Resource, s.device})
}
