package events

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

const memberPrefix = "p "

// member is an entry of the user's lists.
type member struct {
	Member
	watched bool
}

// memberState is what the user is shown of a member.
type memberState struct {
	URI    string `json:"uri"`
	Name   string `json:"name,omitempty"`
	State  string `json:"state,omitempty"`
	Reason string `json:"reason,omitempty"`
	summary
	PIDF string `json:"pidf,omitempty"`

	tag string
}

func (m memberState) same(other state) bool {
	o, ok := other.(memberState)
	return ok && m.Name == o.Name && m.State == o.State && m.Reason == o.Reason && m.tag == o.tag
}

func (m memberState) event(c change) (string, any) {
	if c == removed {
		return "presence", struct {
			URI     string `json:"uri"`
			Removed bool   `json:"removed"`
		}{m.URI, true}
	}
	return "presence", m
}

// lookAtRoster finds who is on the lists now, and what there is to see of who is
// new or has another name.
func (f *feed) lookAtRoster(ctx context.Context) error {
	list, err := f.hub.cfg.Members(ctx, f.key.user)
	if err != nil {
		return fmt.Errorf("lists of %s: %w", f.key.user, err)
	}
	listed := make(map[string]bool, len(list))
	for _, entry := range list {
		listed[entry.URI] = true
		m := f.members[entry.URI]
		if m == nil {
			m = &member{}
			f.members[entry.URI] = m
		}
		m.Member = entry
		if entry.Problem == "" && !m.watched {
			f.watch(entry.URI, m)
		}
		f.lookAt(ctx, entry.URI)
	}
	for uri, m := range f.members {
		if !listed[uri] {
			f.unwatch(uri, m)
			delete(f.members, uri)
			f.table.remove(memberPrefix+uri, func(s state) state { return s })
		}
	}
	return nil
}

// lookAt finds what is to be seen of a member now.
func (f *feed) lookAt(ctx context.Context, uri string) {
	m := f.members[uri]
	if m == nil {
		return
	}
	now := memberState{URI: uri, Name: m.Name}
	if m.Problem != "" {
		now.State, now.Reason = terminated, m.Problem
	} else {
		v := f.hub.cfg.Presence.View(ctx, uri, f.key.user)
		now.State, now.Reason, now.tag = v.State, v.Reason, v.Tag
		if v.State == "active" {
			now.PIDF = string(v.Body)
			now.summary = summarize(v.Body)
		}
	}
	f.table.set(memberPrefix+uri, now)
}

// watch makes the user a watcher of a member, or one for longer.
func (f *feed) watch(uri string, m *member) {
	if f.closed {
		return
	}
	m.watched = true
	f.hub.cfg.Presence.Watch(Watch{
		ID: f.watchID(uri), Presentity: uri, Watcher: f.key.user, Expires: time.Now().Add(watchFor),
		Changed: func() {
			f.mark(func(n *news) {
				if n.members == nil {
					n.members = make(map[string]struct{})
				}
				n.members[uri] = struct{}{}
			})
		},
	})
}

func (f *feed) unwatch(uri string, m *member) {
	if m.watched {
		m.watched = false
		f.hub.cfg.Presence.Unwatch(uri, f.watchID(uri))
	}
}

// watchID is the same after a restart: who waits for a decision still does.
func (f *feed) watchID(uri string) string {
	return "events " + strconv.Itoa(int(f.key.kinds)) + " " + f.key.user + " " + uri
}

// renew keeps watching while there are streams, and lists of other servers in use.
func (f *feed) renew() {
	now := time.Now()
	switch {
	case f.renewed.IsZero():
		f.renewed = now
	case now.Sub(f.renewed) >= renewEvery:
		f.renewed = now
		for uri, m := range f.members {
			if m.watched {
				f.watch(uri, m)
			}
		}
		f.mark(func(n *news) { n.roster = true })
	}
}
