package main

import (
	"context"

	"rollcall/internal/auth"
	"rollcall/internal/store"
	"rollcall/sip/xcapdiff"
	"rollcall/xcap"
	"rollcall/xcap/usage"
)

// newDiff makes the event package xcap-diff. Who may read what is as for GET.
func (n *node) newDiff(usages []*usage.Usage) *xcapdiff.Service {
	env := usage.Env{Documents: n.store, Users: n.users, Roots: n.cfg.XCAPRoot, Domains: n.cfg.Domain, Usages: usages, Watchers: n.watching}
	known := make(map[string]xcapdiff.Usage, len(usages))
	for _, u := range usages {
		k := xcapdiff.Usage{Namespaces: append([]string{u.DefaultNS}, u.AltNS...)}
		if u.Global != nil {
			k.Global = func(ctx context.Context, who, path string) (store.Document, bool, error) {
				if u.GlobalReadable != nil && !u.GlobalReadable(auth.Identity{AOR: who}) {
					return store.Document{}, false, nil
				}
				key := store.DocumentKey{AUID: u.AUID, Path: path}
				body, etag, ok, err := u.Global(ctx, env, key)
				return store.Document{DocumentKey: key, Body: body, ETag: etag}, ok, err
			}
		}
		if u.Personal != nil {
			k.Personal = func(ctx context.Context, key store.DocumentKey) (store.Document, bool, error) {
				body, etag, ok, err := u.Personal(ctx, env, key)
				return store.Document{DocumentKey: key, Body: body, ETag: etag}, ok, err
			}
		}
		known[u.AUID] = k
	}
	return xcapdiff.New(xcapdiff.Config{
		Documents: n.store, History: n.store, Usages: known, Wheel: n.wheel, Roots: n.cfg.XCAPRoot,
		Readable: xcap.Readable(usages, n.cfg.SuperUsers, delegates(n.cfg)),
		Root:     func() string { return n.xcapURL() + "/" },
	})
}
