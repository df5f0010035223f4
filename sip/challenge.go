package sip

import (
	"strings"

	"rollcall/internal/auth"
	"rollcall/sip/wire"
)

// md5Agents are the User-Agent prefixes of clients that fail on a 401 as soon as
// one of its challenges has an algorithm other than MD5, although RFC 8760 §2.4
// has them pass over what they do not know.
var md5Agents = [...]string{"baresip v0.", "baresip v1."}

// challengeOrder returns the algorithms to offer to the sender of req. Answers
// with SHA-256 are accepted from everyone.
func challengeOrder(req *wire.Request) auth.Order {
	agent := req.Header("User-Agent")
	for _, prefix := range md5Agents {
		if strings.HasPrefix(agent, prefix) {
			return auth.MD5Only
		}
	}
	return auth.SHA256First
}
