package usage

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"rollcall/internal/store"
)

const nsWatchers = "http://openxcap.org/ns/watchers"

// Watchers is the usage org.openxcap.watchers: the document index of each user
// tells who watches the user's presence and how that was decided.
func Watchers() *Usage {
	return &Usage{
		AUID:           "org.openxcap.watchers",
		MIMEType:       "application/xml",
		DefaultNS:      nsWatchers,
		Namespaces:     []string{nsWatchers},
		FixedDocuments: func(string) bool { return false },
		ReadOnly:       true,
		Personal: func(_ context.Context, env Env, key store.DocumentKey) ([]byte, string, bool, error) {
			if key.Path != "index" {
				return nil, "", false, nil
			}
			var known []Watcher
			if env.Watchers != nil {
				known = env.Watchers(key.XUI)
			}
			body := watcherList(known)
			return body, contentTag(body), true, nil
		},
	}
}

// watcherEntry sums up the subscriptions of one watcher.
type watcherEntry struct {
	id     string
	status watcherStatus
	online bool // some subscription is live
}

// watcherStatus is the decision about a watcher, the most favourable last.
type watcherStatus int

const (
	denied watcherStatus = iota
	unconfirmed
	allowed
)

func (s watcherStatus) String() string { return [...]string{"deny", "confirm", "allow"}[s] }

func statusOf(w *Watcher) watcherStatus {
	switch {
	case w.Terminated:
		return denied
	case w.Status == "active":
		return allowed
	}
	return unconfirmed
}

// watcherList writes one element for each watcher, in order of address. RFC 3857
// §4.7.1: of the states, pending and waiting ask for a decision.
func watcherList(known []Watcher) []byte {
	entries := map[string]*watcherEntry{}
	for i := range known {
		w := &known[i]
		id := strings.TrimPrefix(w.Watcher.Watcher, "sip:")
		if id == "" || w.Terminated && w.Cause != "rejected" {
			continue // anonymous, or gone by itself
		}
		e := entries[id]
		if e == nil {
			e = &watcherEntry{id: id}
			entries[id] = e
		}
		e.status = max(e.status, statusOf(w))
		e.online = e.online || !w.Terminated && w.Status != "waiting"
	}
	list := make([]*watcherEntry, 0, len(entries))
	for _, e := range entries {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b *watcherEntry) int { return cmp.Compare(a.id, b.id) })

	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<watchers xmlns="` + nsWatchers + `">` + "\n")
	for _, e := range list {
		b.WriteString(" <watcher>\n")
		writeItem(&b, "id", e.id)
		writeItem(&b, "status", e.status.String())
		writeItem(&b, "online", strconv.FormatBool(e.online))
		b.WriteString(" </watcher>\n")
	}
	b.WriteString("</watchers>\n")
	return b.Bytes()
}
