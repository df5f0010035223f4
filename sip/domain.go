package sip

import (
	"strconv"
	"strings"

	"rollcall/internal/sipuri"
)

// canonical is sipuri.AOR, where an explicit port in one of our domains means
// nothing if we listen on it: clients that were given "host:port" as their
// server write addresses so.
func (s *Server) canonical(text string) (string, error) {
	aor, err := sipuri.AOR(text)
	if err != nil {
		return "", err
	}
	rest, ok := strings.CutPrefix(aor, "sip:")
	if !ok {
		return aor, nil
	}
	user, host, ok := strings.Cut(rest, "@")
	if !ok {
		user, host = "", rest
	}
	colon := strings.LastIndexByte(host, ':')
	if colon < 0 || strings.HasSuffix(host, "]") {
		return aor, nil
	}
	port, err := strconv.Atoi(host[colon+1:])
	if err != nil || !s.domains[host[:colon]] || !s.localPort(port) {
		return aor, nil
	}
	if user == "" {
		return "sip:" + host[:colon], nil
	}
	return "sip:" + user + "@" + host[:colon], nil
}

// ownDomain returns the domain of ours that a URI is in, or "".
func (s *Server) ownDomain(uri sipuri.URI) string {
	if s.domains[uri.Host] && (uri.Port == 0 || s.localPort(uri.Port)) {
		return uri.Host
	}
	return ""
}

// localPort reports whether requests to a port would come here: RFC 3261
// §19.1.2 has 5060 and 5061 by default.
func (s *Server) localPort(port int) bool {
	return port == 5060 || port == 5061 || s.cfg.LocalPort != nil && s.cfg.LocalPort(port)
}
