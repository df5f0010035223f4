package xcap

import (
	"errors"
	"net/http"

	"rollcall/internal/store"
)

// authenticate finds out who sent the request.
func (s *server) authenticate(req *request) response {
	who, no := s.gate.Check(req.Request, req.target.XUI)
	if no.Status == 0 {
		req.who = who
		return response{}
	}
	resp := response{status: no.Status, challenges: no.Challenges, retryAfter: no.RetryAfter}
	if no.Text != "" {
		resp.say(no.Text)
	}
	return resp
}

// authorize finds usage and document owner and applies RFC 4825 §5.7: a user's
// tree is for the owner and whom the configuration lets in, the global tree is
// for everyone to read unless the usage says otherwise.
func (s *server) authorize(req *request) response {
	req.usage = s.usages[req.target.AUID]
	key, err := req.target.Key()
	if req.usage == nil || err != nil {
		return response{status: http.StatusNotFound}
	}
	req.key = key
	if req.target.Global {
		readable := req.usage.GlobalReadable
		switch {
		case req.usage.Global == nil:
			return response{status: http.StatusNotFound}
		case readable == nil || readable(req.who):
			return response{}
		case s.access.super[req.who.AOR]:
			req.delegated = true
			return response{}
		}
		return response{status: http.StatusNotFound}
	}
	switch _, err := s.Users.Get(req.Context(), key.XUI); {
	case errors.Is(err, store.ErrNotFound):
		return response{status: http.StatusNotFound}
	case err != nil:
		return failed(req, err)
	}
	if req.who.AOR == key.XUI {
		return response{}
	}
	if !s.access.allows(req.who.AOR, key.XUI, key.AUID, !readOnly(req.Method)) {
		return response{status: http.StatusForbidden}
	}
	req.delegated = true
	return response{}
}
