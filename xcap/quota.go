package xcap

import (
	"fmt"
	"math"
	"net/http"
	"sync"
	"time"

	"rollcall/internal/recent"
	"rollcall/internal/store"
	"rollcall/internal/xmlscan"
	"rollcall/xcap/usage"
)

// Quotas bound what each user may store and how often; a zero field bounds nothing.
type Quotas struct {
	Documents  int     // of one user; 0 stands for 256
	Bytes      int     // of all documents of one user together
	Entries    int     // of the lists in one document
	Writes     float64 // per second by one user, in the long run
	WriteBurst int     // writes at once
}

const (
	defaultMaxDocuments = 256
	quotaUsers          = 16384       // users remembered, per generation
	roomLifetime        = time.Minute // how long the room of a user is believed
)

// quotas holds what is known of the users that write. Its tables are bounded;
// who is forgotten starts afresh.
type quotas struct {
	Quotas

	mu     sync.Mutex
	writes recent.Map[string, bucket]
	rooms  recent.Map[string, int] // bytes that a user may add without another look
}

// bucket is filled by writes and leaks.
type bucket struct {
	level float64
	at    time.Time
}

func newQuotas(limits Quotas) *quotas {
	q := &quotas{Quotas: limits}
	if q.Documents <= 0 {
		q.Documents = defaultMaxDocuments
	}
	q.WriteBurst = max(q.WriteBurst, 1)
	var full time.Duration // until a full bucket is empty
	if q.Writes > 0 {
		full = time.Duration(min(float64(q.WriteBurst)/q.Writes, 24*3600) * float64(time.Second))
	}
	q.writes = recent.New[string, bucket](quotaUsers, max(full, time.Second))
	q.rooms = recent.New[string, int](quotaUsers, roomLifetime)
	return q
}

// write takes one write of the user's allowance, or says how long to wait for it.
func (q *quotas) write(user string) (wait time.Duration) {
	if q.Writes <= 0 {
		return 0
	}
	now := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	b, _ := q.writes.Get(user, now)
	level := max(0, b.level-now.Sub(b.at).Seconds()*q.Writes)
	if over := level + 1 - float64(q.WriteBurst); over > 0 {
		return time.Duration(math.Ceil(over/q.Writes)) * time.Second
	}
	q.writes.Put(user, bucket{level + 1, now}, now)
	return 0
}

// reserve takes growth from the room that a user is known to have.
func (q *quotas) reserve(user string, growth int) bool {
	now := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	room, known := q.rooms.Get(user, now)
	if !known || room < growth {
		return false
	}
	q.rooms.Put(user, room-growth, now)
	return true
}

// remember notes the room that was found. Half of it is left to other nodes.
func (q *quotas) remember(user string, room int) {
	now := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.rooms.Put(user, room/2, now)
}

// tooOften refuses a write that comes too soon after others. Super-users are
// programs that fill the trees of many.
func (s *server) tooOften(req *request) response {
	if s.access.super[req.who.AOR] {
		return response{}
	}
	wait := s.quotas.write(req.who.AOR)
	if wait == 0 {
		return response{}
	}
	resp := explained(http.StatusTooManyRequests,
		fmt.Sprintf("too many changes: %d at once and %g a second after that are allowed", s.quotas.WriteBurst, s.quotas.Writes))
	resp.retryAfter = wait
	return resp
}

// tooMuch refuses a document that goes beyond the owner's quota. What gets
// smaller is always accepted, so that a quota that was lowered can be kept.
func (s *server) tooMuch(req *request, current store.Document, d *xmlscan.Doc) (response, error) {
	if problem := s.quotas.overEntries(current, d); problem != "" {
		return overQuota(problem), nil
	}
	growth := len(d.Src) - len(current.Body)
	if s.quotas.Bytes <= 0 || growth <= 0 || s.quotas.reserve(req.key.XUI, growth) {
		return response{}, nil
	}
	docs, err := s.Store.ListDocuments(req.Context(), req.key.XUI, "")
	if err != nil {
		return response{}, err
	}
	room, problem := s.quotas.overBytes(docs, growth)
	if problem != "" {
		return overQuota(problem), nil
	}
	s.quotas.remember(req.key.XUI, room)
	return response{}, nil
}

func overQuota(problem string) response {
	return newConflict(usage.ConstraintFailure, problem).response()
}

// Refuse says why d may not take the place of current, whose owner has the other
// documents listed; empty when it may.
func (q Quotas) Refuse(owned []store.Document, current store.Document, d *xmlscan.Doc) string {
	if problem := q.overEntries(current, d); problem != "" {
		return problem
	}
	if current.ETag == "" {
		if problem := q.overDocuments(owned); problem != "" {
			return problem
		}
	}
	_, problem := q.overBytes(owned, len(d.Src)-len(current.Body))
	return problem
}

func (q Quotas) overEntries(current store.Document, d *xmlscan.Doc) string {
	if q.Entries > 0 {
		if n := usage.Entries(d); n > q.Entries && n > entriesOf(current) {
			return fmt.Sprintf("the lists of a document may have %d entries, these would have %d", q.Entries, n)
		}
	}
	return ""
}

func (q Quotas) overDocuments(owned []store.Document) string {
	if len(owned) >= q.Documents {
		return fmt.Sprintf("a user may have %d documents, no more", q.Documents)
	}
	return ""
}

// overBytes also tells the room that is left.
func (q Quotas) overBytes(owned []store.Document, growth int) (room int, problem string) {
	total := growth
	for _, doc := range owned {
		total += doc.Size
	}
	if q.Bytes > 0 && growth > 0 && total > q.Bytes {
		return 0, fmt.Sprintf("all documents of a user may have %d bytes, these would have %d", q.Bytes, total)
	}
	return q.Bytes - total, ""
}

// entriesOf is how many there are now.
func entriesOf(current store.Document) int {
	if current.ETag == "" {
		return 0
	}
	d, err := xmlscan.Scan(current.Body, xmlscan.Limits{Bytes: len(current.Body)})
	if err != nil {
		return 0
	}
	return usage.Entries(d)
}
