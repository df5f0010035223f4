package xcap

import "rollcall/internal/store"

// origin is what the history remembers of who sent a request.
func (s *server) origin(req *request) store.Origin {
	peer := peerAddr(req.RemoteAddr)
	if s.trusts(peer) {
		peer = forwardedFor(req.Header, peer)
	}
	o := store.Origin{By: req.who.AOR, Client: req.UserAgent(), Method: req.Method}
	if peer.IsValid() {
		o.Address = peer.String()
	}
	return o.Cut()
}
