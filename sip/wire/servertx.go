package wire

import (
	"hash/maphash"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	timerJ     = 64 * t1          // how long a final response is kept, RFC 3261 §17.2.2
	inProgress = 60 * time.Second // how long an unanswered request absorbs retransmissions

	serverParts = 16
	ringSeconds = 128 // more than any of the two above
	magicCookie = "z9hG4bK"
)

// txKey identifies a transaction. It is a 128-bit keyed hash, so that a table of
// hundreds of thousands holds no strings.
type txKey [2]uint64

// serverTx is a request over UDP that was seen, and where its answer is once there
// is one. It holds no pointer: the garbage collector passes over the table.
type serverTx struct {
	response span
	final    bool
	expires  int64 // second of the table's clock; also tells which cohort is in charge
}

// serverTable absorbs retransmissions of requests and repeats the answers. It is
// bounded in entries and in bytes of responses: over the former requests are no
// longer tracked, over the latter the oldest answers go first.
type serverTable struct {
	seeds      [2]maphash.Seed
	start      time.Time
	maxEntries int
	maxBytes   int
	parts      [serverParts]serverPart
}

type serverPart struct {
	mu    sync.Mutex
	txs   map[txKey]serverTx
	ring  [ringSeconds]cohort // by second of expiry
	swept int64
	bytes int
}

func newServerTable(maxEntries, maxBytes int) *serverTable {
	t := &serverTable{
		seeds:      [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		start:      time.Now(),
		maxEntries: maxEntries / serverParts,
		maxBytes:   maxBytes / serverParts,
	}
	for i := range t.parts {
		t.parts[i].txs = make(map[txKey]serverTx)
	}
	return t
}

func (t *serverTable) now() int64 { return int64(time.Since(t.start) / time.Second) }

func (t *serverTable) part(k txKey) *serverPart { return &t.parts[k[0]%serverParts] }

// key: RFC 3261 §17.2.3. The source address is part of it: behind different NATs
// private sent-by addresses are the same, and not every branch is random.
func (t *serverTable) key(r *Request, method string) txKey {
	if cookie(r.top.branch) {
		return t.branchKey(glance{method, r.top, r.CSeq}, r.Flow.Remote().Addr())
	}
	// RFC 2543 matching; RFC 4475 §3.2.1 wants it for an empty branch too.
	return t.hash(r.Flow.Remote().Addr(), method, r.top.sentBy,
		r.RequestURI, r.To.Tag(), r.From.Tag(), r.CallID, r.Header("CSeq"), r.top.raw)
}

// branchKey is key for a branch that should identify the transaction by itself.
// libpurple answers challenges under the branch of the first request, and would be
// challenged for ever if the number did not count.
func (t *serverTable) branchKey(g glance, source netip.Addr) txKey {
	var number [10]byte
	return t.hash(source, g.method, g.top.sentBy, g.top.branch, string(strconv.AppendUint(number[:0], uint64(g.cseq), 10)))
}

func (t *serverTable) hash(source netip.Addr, parts ...string) txKey {
	var room [512]byte
	b := source.AppendTo(room[:0])
	for _, s := range parts {
		b = append(append(b, 0), s...)
	}
	return txKey{maphash.Bytes(t.seeds[0], b), maphash.Bytes(t.seeds[1], b)}
}

func cookie(branch string) bool {
	return len(branch) > len(magicCookie) && strings.EqualFold(branch[:len(magicCookie)], magicCookie)
}

// begin enters a request. For a retransmission it returns fresh false and the
// response to repeat, nil while there is none. tracked is false when the table is
// full.
func (t *serverTable) begin(k txKey) (fresh, tracked bool, response []byte) {
	now := t.now()
	p := t.part(k)
	p.mu.Lock()
	defer p.mu.Unlock()
	old, ok := p.txs[k]
	if ok && old.expires > now {
		return false, true, p.response(old)
	}
	if len(p.txs) >= t.maxEntries {
		return true, false, nil
	}
	p.bytes -= old.response.length
	p.file(k, serverTx{expires: now + int64(inProgress/time.Second)})
	return true, true, nil
}

// repeated reports whether a request was seen before, and the response to repeat.
func (t *serverTable) repeated(k txKey) (response []byte, yes bool) {
	now := t.now()
	p := t.part(k)
	p.mu.Lock()
	defer p.mu.Unlock()
	if tx, ok := p.txs[k]; ok && tx.expires > now {
		return p.response(tx), true
	}
	return nil, false
}

// has reports whether a transaction of another method with the branch of r is known.
func (t *serverTable) has(r *Request, method string) bool {
	k := t.key(r, method)
	p := t.part(k)
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.txs[k]
	return ok
}

// answer keeps a copy of the response that is sent.
func (t *serverTable) answer(k txKey, response []byte, final bool) {
	now := t.now()
	p := t.part(k)
	p.mu.Lock()
	defer p.mu.Unlock()
	tx, ok := p.txs[k]
	if !ok || tx.final {
		return // expired before it was answered; or a provisional response too late
	}
	p.bytes += len(response) - tx.response.length
	tx.final = final
	if final {
		tx.expires = now + int64(timerJ/time.Second) + 1
	}
	tx.response = p.cohort(tx.expires).keep(response)
	if final {
		p.file(k, tx)
	} else {
		p.txs[k] = tx
	}
	for s := now + 1; p.bytes > t.maxBytes && s <= now+int64(timerJ/time.Second)+1; s++ {
		p.drop(s, s)
	}
}

func (p *serverPart) cohort(second int64) *cohort { return &p.ring[second%ringSeconds] }

// response returns the answer of tx, nil while there is none. It is never changed.
func (p *serverPart) response(tx serverTx) []byte { return p.cohort(tx.expires).at(tx.response) }

// file enters tx into the cohort of the second of its expiry; where it was before
// it is passed over.
func (p *serverPart) file(k txKey, tx serverTx) {
	p.txs[k] = tx
	c := p.cohort(tx.expires)
	c.keys = append(c.keys, k)
}

// drop removes what the cohort of second s holds and is due at now.
func (p *serverPart) drop(s, now int64) {
	c := p.cohort(s)
	keep := c.keys[:0]
	for _, k := range c.keys {
		tx, ok := p.txs[k]
		switch {
		case !ok || p.cohort(tx.expires) != c:
		case tx.expires > now:
			keep = append(keep, k)
		default:
			delete(p.txs, k)
			p.bytes -= tx.response.length
		}
	}
	if c.keys = keep; len(keep) == 0 {
		*c = cohort{}
	}
}

// sweep removes what has expired. It is called every second.
func (t *serverTable) sweep() {
	now := t.now()
	for i := range t.parts {
		p := &t.parts[i]
		p.mu.Lock()
		for p.swept = max(p.swept, now-ringSeconds); p.swept <= now; p.swept++ {
			p.drop(p.swept, now)
		}
		p.mu.Unlock()
	}
}
