package row

import "rollcall/internal/store"

// Publications describes the publications table.
func Publications() Table[store.Publication, store.PublicationKey] {
	return Table[store.Publication, store.PublicationKey]{
		Name:    "publications",
		Key:     []string{"aor", "event", "lineage"},
		Columns: []string{"aor", "event", "lineage", "expires", "published", "etag", "content_type", "body", "flow"},
		KeyValues: func(k store.PublicationKey) []any {
			return []any{k.AOR, k.Event, k.Lineage}
		},
		Values: func(p *store.Publication) []any {
			return []any{p.AOR, p.Event, p.Lineage, Time(p.Expires), Time(p.Published), p.ETag, p.ContentType, Bytes(p.Body), p.Flow}
		},
		Targets: func(p *store.Publication) []any {
			return []any{&p.AOR, &p.Event, &p.Lineage, ScanTime{&p.Expires}, ScanTime{&p.Published}, &p.ETag, &p.ContentType, &p.Body, &p.Flow}
		},
	}
}

// Bindings describes the bindings table.
func Bindings() Table[store.Binding, store.BindingKey] {
	return Table[store.Binding, store.BindingKey]{
		Name: "bindings",
		Key:  []string{"aor", "id"},
		Columns: []string{"aor", "id", "expires", "updated", "contact", "params", "instance", "reg_id", "q",
			"call_id", "cseq", "path", "user_agent", "flow", "direct", "era", "era_cseq", "registered"},
		KeyValues: func(k store.BindingKey) []any {
			return []any{k.AOR, k.ID}
		},
		Values: func(b *store.Binding) []any {
			return []any{b.AOR, b.ID, Time(b.Expires), Time(b.Updated), b.Contact, b.Params, b.Instance,
				int64(b.RegID), int64(b.Q), b.CallID, int64(b.CSeq), Strings(b.Path), b.UserAgent, b.Flow,
				Bool(b.Direct), b.Era, int64(b.EraCSeq), Time(b.Registered)}
		},
		Targets: func(b *store.Binding) []any {
			return []any{&b.AOR, &b.ID, ScanTime{&b.Expires}, ScanTime{&b.Updated}, &b.Contact, &b.Params, &b.Instance,
				&b.RegID, &b.Q, &b.CallID, &b.CSeq, ScanStrings{&b.Path}, &b.UserAgent, &b.Flow,
				ScanBool{&b.Direct}, &b.Era, &b.EraCSeq, ScanTime{&b.Registered}}
		},
	}
}

// Subscriptions describes the subscriptions table.
func Subscriptions() Table[store.Subscription, string] {
	return Table[store.Subscription, string]{
		Name: "subscriptions",
		Key:  []string{"id"},
		Columns: []string{"id", "expires", "created", "event", "event_id", "resource", "watcher", "display_name",
			"call_id", "local_uri", "remote_uri", "remote_tag", "remote_target", "route_set", "contact",
			"remote_cseq", "cseq_lease", "version_lease", "state", "sent", "accept", "supported",
			"content_type", "body", "flow", "device", "rates"},
		KeyValues: func(id string) []any { return []any{id} },
		Values: func(s *store.Subscription) []any {
			return []any{s.ID, Time(s.Expires), Time(s.Created), s.Event, s.EventID, s.Resource, s.Watcher, s.DisplayName,
				s.CallID, s.LocalURI, s.RemoteURI, s.RemoteTag, s.RemoteTarget, Strings(s.RouteSet), s.Contact,
				int64(s.RemoteCSeq), int64(s.CSeqLease), int64(s.VersionLease), s.State, s.Sent, s.Accept, s.Supported,
				s.ContentType, Bytes(s.Body), s.Flow, s.Device, s.Rates}
		},
		Targets: func(s *store.Subscription) []any {
			return []any{&s.ID, ScanTime{&s.Expires}, ScanTime{&s.Created}, &s.Event, &s.EventID, &s.Resource, &s.Watcher, &s.DisplayName,
				&s.CallID, &s.LocalURI, &s.RemoteURI, &s.RemoteTag, &s.RemoteTarget, ScanStrings{&s.RouteSet}, &s.Contact,
				&s.RemoteCSeq, &s.CSeqLease, &s.VersionLease, &s.State, &s.Sent, &s.Accept, &s.Supported,
				&s.ContentType, &s.Body, &s.Flow, &s.Device, &s.Rates}
		},
	}
}

// Watchers describes the watchers table.
func Watchers() Table[store.Watcher, store.WatcherKey] {
	return Table[store.Watcher, store.WatcherKey]{
		Name:    "watchers",
		Key:     []string{"presentity", "event", "id"},
		Columns: []string{"presentity", "event", "id", "expires", "since", "watcher", "display_name", "status", "cause"},
		KeyValues: func(k store.WatcherKey) []any {
			return []any{k.Presentity, k.Event, k.ID}
		},
		Values: func(w *store.Watcher) []any {
			return []any{w.Presentity, w.Event, w.ID, Time(w.Expires), Time(w.Since), w.Watcher, w.DisplayName, w.Status, w.Cause}
		},
		Targets: func(w *store.Watcher) []any {
			return []any{&w.Presentity, &w.Event, &w.ID, ScanTime{&w.Expires}, ScanTime{&w.Since}, &w.Watcher, &w.DisplayName, &w.Status, &w.Cause}
		},
	}
}
