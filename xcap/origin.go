package xcap

import (
	"rollcall/internal/hop"
	"rollcall/internal/store"
)

// origin is what the history remembers of who sent a request.
func (s *server) origin(req *request) store.Origin {
	o := store.Origin{By: req.who.AOR, Client: req.UserAgent(), Method: req.Method}
	if from := hop.Trust(s.Trust).Client(req.Request); from.IsValid() {
		o.Address = from.String()
	}
	return o.Cut()
}
