package sip

import (
	"strings"
	"time"

	"rollcall/internal/auth"
	"rollcall/sip/wire"
)

// agent is what must be done differently for one kind of client to let it in.
// Everyone else is held to the standard.
type agent struct {
	prefix string // of User-Agent
	// md5Only: fails on a 401 as soon as one of its challenges has an algorithm
	// other than MD5, although RFC 8760 §2.4 has clients pass over what they do
	// not know.
	md5Only bool
	// noSHA512: the same with SHA-512-256.
	noSHA512 bool
	// withoutQop: answers every challenge in the form of RFC 2069.
	withoutQop bool
	// oneByOne: handles one message each time it reads from a connection; what
	// came with it, a NOTIFY behind the 200 to SUBSCRIBE, lies until more arrives.
	oneByOne bool
}

// messageGap is how far apart messages to such a client are sent.
const messageGap = 50 * time.Millisecond

var agents = [...]agent{
	{prefix: "baresip v0.", md5Only: true},
	{prefix: "baresip v1.", md5Only: true},
	{prefix: "baresip ", noSHA512: true},
	{prefix: "SIPp", md5Only: true},                       // looks at the first challenge only
	{prefix: "Purple/", withoutQop: true, oneByOne: true}, // Pidgin, Finch
}

// agentOf returns what to do differently for the sender of req.
func agentOf(req *wire.Request) agent {
	name := req.Header("User-Agent")
	for _, a := range agents {
		if strings.HasPrefix(name, a.prefix) {
			return a
		}
	}
	return agent{}
}

// challengeOrder returns the algorithms to offer. Answers with the others are
// accepted from everyone.
func (a agent) challengeOrder() auth.Order {
	switch {
	case a.md5Only:
		return auth.MD5Only
	case a.noSHA512:
		return auth.SHA256AndMD5
	}
	return auth.SHA256First
}
