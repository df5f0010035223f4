package main

import (
	"rollcall/internal/config"
	"rollcall/xcap"
	"rollcall/xcap/usage"
)

// quotas are what the configuration allows each user to store.
func quotas(q *config.Quota) xcap.Quotas {
	return xcap.Quotas{Documents: q.MaxDocuments, Bytes: q.MaxTotalBytes, Entries: q.MaxEntries}
}

// xcapQuotas also bound how often users write over XCAP.
func xcapQuotas(cfg *config.XCAP) xcap.Quotas {
	q := quotas(&cfg.Quota)
	q.Writes, q.WriteBurst = cfg.WriteRate, cfg.WriteBurst
	return q
}

// delegates are the users that the configuration lets into others' documents.
func delegates(cfg *config.Config) []xcap.Delegate {
	grants, _ := cfg.Grants(cfg.Domain[0]) // checked by Normalize
	out := make([]xcap.Delegate, len(grants))
	for i, g := range grants {
		out[i] = xcap.Delegate{User: g.User, For: []string{g.Owner}, Write: g.Write}
		if g.AUID != "" {
			out[i].AUIDs = []string{g.AUID}
		}
	}
	return out
}

// mayRead tells who may read the documents of another in one application usage, by
// the configuration.
func mayRead(cfg *config.Config, auid string) func(user, owner string) bool {
	grants, _ := cfg.Grants(cfg.Domain[0]) // checked by Normalize
	type pair struct{ user, owner string }
	may := make(map[pair]bool)
	for _, g := range grants {
		if g.AUID == "" || g.AUID == auid {
			may[pair{g.User, g.Owner}] = true
		}
	}
	return func(user, owner string) bool { return may[pair{user, owner}] }
}

// watching gives XCAP what presence knows of the watchers of a presentity.
func (n *node) watching(presentity string) []usage.Watcher {
	known := n.presence.Watchers(presentity)
	out := make([]usage.Watcher, len(known))
	for i, w := range known {
		out[i] = usage.Watcher(w)
	}
	return out
}
