package xcap

import (
	"net/http"

	"rollcall/xcap/usage"
)

// public returns the usage whose documents anyone may read, if the request does so.
func (s *server) public(req *request) *usage.Usage {
	u := s.usages[req.target.AUID]
	if u == nil || !u.PublicRead || req.target.Global || req.Method != http.MethodGet && req.Method != http.MethodHead {
		return nil
	}
	return u
}

// getPublic answers a reader who need not say who it is. What is missing is
// answered alike, be it the document or the user: nobody is to learn here who
// has an account.
func (s *server) getPublic(req *request, u *usage.Usage, parseErr error) response {
	key, err := req.target.Key()
	if parseErr != nil || req.target.Path == "" || err != nil {
		return refused(parseErr)
	}
	req.usage, req.key = u, key
	req.cond = parseConditions(req.Header)
	return s.read(req)
}
