package event

import "slices"

// A device behind a NAT is reached over its own connections only. When the one that
// its SUBSCRIBE came over is gone, any other will do that it registers over: whoever
// routed a request to that device would take it (RFC 5626 §7, RFC 5627 §6.1). Until
// there is one, what has something to say waits in the room.

// Registered says that a device of watcher may be reachable again. It may be called
// on any goroutine.
func (n *Notifier) Registered(watcher string) {
	for i := range n.rooms {
		r := &n.rooms[i]
		if r.waiting.Load() == 0 {
			continue
		}
		n.cfg.Pool.Post(i, func() {
			for _, s := range r.called(watcher) {
				n.pump(s)
			}
		})
	}
}

// reach moves s to the connection that its device has registered over, if it has.
func (n *Notifier) reach(s *Subscription) bool {
	if n.cfg.Reach == nil || s.Watcher == "" {
		return false
	}
	f := n.cfg.Reach(s.Watcher, func(instance string) bool { return instanceHash(instance) == s.device })
	if f == nil || !f.Reliable() || !f.Alive() {
		return false
	}
	s.Flow, s.out = f, f
	s.dialog.contact = n.contact(f)
	n.saveLater(s)
	return true
}

// wait keeps s until its watcher is heard of.
func (r *room) wait(s *Subscription) {
	if s.sending.astray || s.Watcher == "" || !s.live() {
		return
	}
	s.sending.astray = true
	r.astray[s.Watcher] = append(r.astray[s.Watcher], s)
	r.waiting.Add(1)
}

// called takes out what waits for watcher.
func (r *room) called(watcher string) []*Subscription {
	list := r.astray[watcher]
	delete(r.astray, watcher)
	r.waiting.Add(-int32(len(list)))
	for _, s := range list {
		s.sending.astray = false
	}
	return list
}

// found has s wait no longer.
func (r *room) found(s *Subscription) {
	if !s.sending.astray {
		return
	}
	s.sending.astray = false
	r.waiting.Add(-1)
	list := r.astray[s.Watcher]
	if len(list) == 1 {
		delete(r.astray, s.Watcher)
		return
	}
	r.astray[s.Watcher] = slices.DeleteFunc(list, func(x *Subscription) bool { return x == s })
}
