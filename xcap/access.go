package xcap

import (
	"log/slog"
	"net/http"
	"slices"

	"rollcall/internal/hop"
	"rollcall/internal/store"
	"rollcall/xcap/usage"
)

// Delegate lets a user into the trees of others.
type Delegate struct {
	User  string   // canonical AOR
	For   []string // canonical AORs of the owners
	AUIDs []string // application usages; empty means all
	Write bool     // else read only
}

// access is who may use the documents of others, by configuration.
type access struct {
	super     map[string]bool
	delegates map[grant]bool // and whether for writing
}

// grant is one usage of one owner that a delegate may use; auid is empty for all.
type grant struct{ user, owner, auid string }

func newAccess(superUsers []string, delegates []Delegate) access {
	a := access{super: make(map[string]bool, len(superUsers)), delegates: map[grant]bool{}}
	for _, aor := range superUsers {
		a.super[aor] = true
	}
	for _, d := range delegates {
		auids := d.AUIDs
		if len(auids) == 0 {
			auids = []string{""}
		}
		for _, owner := range d.For {
			for _, auid := range auids {
				g := grant{d.User, owner, auid}
				a.delegates[g] = a.delegates[g] || d.Write
			}
		}
	}
	return a
}

// allows reports whether user may read, or write, the owner's documents of a usage.
func (a access) allows(user, owner, auid string, write bool) bool {
	if a.super[user] {
		return true
	}
	for _, g := range []grant{{user, owner, auid}, {user, owner, ""}} {
		if mayWrite, granted := a.delegates[g]; granted && (mayWrite || !write) {
			return true
		}
	}
	return false
}

// Readable returns what the server does in other words: whether a user may read a
// document that a user owns.
func Readable(usages []*usage.Usage, superUsers []string, delegates []Delegate) func(user string, key store.DocumentKey) bool {
	a := newAccess(superUsers, delegates)
	public := make(map[string]bool)
	for _, u := range usages {
		public[u.AUID] = u.PublicRead
	}
	return func(user string, key store.DocumentKey) bool {
		return user == key.XUI || public[key.AUID] || a.allows(user, key.XUI, key.AUID, false)
	}
}

// readOnly reports whether the method changes nothing (RFC 9110 §9.2.1).
func readOnly(method string) bool {
	return slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodOptions}, method)
}

// audit leaves a trace of a request by another than the owner.
func (s *server) audit(req *request, status int) {
	slog.Info("documents of another used", "by", req.who.AOR, "owner", req.key.XUI, "auid", req.key.AUID, "path", req.key.Path,
		"method", req.Method, "status", status, "address", hop.Trust(s.Trust).Client(req.Request).String())
}
