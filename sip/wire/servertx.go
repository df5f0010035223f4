package wire

import (
	"hash/maphash"
	"net/netip"
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

// serverTx is a request over UDP that was seen, and its answer once there is one.
type serverTx struct {
	key      txKey
	response []byte
	final    bool
	expires  int64 // second of the table's clock; also tells which ring list is in charge
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
	txs   map[txKey]*serverTx
	ring  [ringSeconds][]*serverTx // by second of expiry
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
		t.parts[i].txs = make(map[txKey]*serverTx)
	}
	return t
}

func (t *serverTable) now() int64 { return int64(time.Since(t.start) / time.Second) }

func (t *serverTable) part(k txKey) *serverPart { return &t.parts[k[0]%serverParts] }

// key: RFC 3261 §17.2.3. The source address is part of it: behind different NATs
// private sent-by addresses are the same, and not every branch is random.
func (t *serverTable) key(r *Request, method string) txKey {
	if cookie(r.top.branch) {
		return t.branchKey(method, &r.top, r.Flow.Remote().Addr())
	}
	// RFC 2543 matching; RFC 4475 §3.2.1 wants it for an empty branch too.
	return t.hash(r.Flow.Remote().Addr(), method, r.top.sentBy,
		r.RequestURI, r.To.Tag(), r.From.Tag(), r.CallID, r.Header("CSeq"), r.top.raw)
}

// branchKey is key for a branch that identifies the transaction by itself.
func (t *serverTable) branchKey(method string, top *via, source netip.Addr) txKey {
	return t.hash(source, method, top.sentBy, top.branch)
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
// response to repeat, nil while there is none. tx is nil when the table is full.
func (t *serverTable) begin(k txKey) (tx *serverTx, fresh bool, response []byte) {
	now := t.now()
	p := t.part(k)
	p.mu.Lock()
	defer p.mu.Unlock()
	if old := p.txs[k]; old != nil && old.expires > now {
		return old, false, old.response
	}
	if len(p.txs) >= t.maxEntries {
		return nil, true, nil
	}
	tx = &serverTx{key: k}
	p.txs[k] = tx
	p.file(tx, now+int64(inProgress/time.Second))
	return tx, true, nil
}

// repeated reports whether a request was seen before, and the response to repeat.
func (t *serverTable) repeated(k txKey) (response []byte, yes bool) {
	now := t.now()
	p := t.part(k)
	p.mu.Lock()
	defer p.mu.Unlock()
	if tx := p.txs[k]; tx != nil && tx.expires > now {
		return tx.response, true
	}
	return nil, false
}

// has reports whether a transaction of another method with the branch of r is known.
func (t *serverTable) has(r *Request, method string) bool {
	k := t.key(r, method)
	p := t.part(k)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.txs[k] != nil
}

// answer keeps the response that was sent.
func (t *serverTable) answer(tx *serverTx, response []byte, final bool) {
	now := t.now()
	p := t.part(tx.key)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.txs[tx.key] != tx || tx.final {
		return // expired before it was answered; or a provisional response too late
	}
	tx.final = final
	p.bytes += len(response) - len(tx.response)
	tx.response = response
	if final {
		p.file(tx, now+int64(timerJ/time.Second)+1)
	}
	for s := now + 1; p.bytes > t.maxBytes && s <= now+int64(timerJ/time.Second)+1; s++ {
		p.drop(s, s)
	}
}

// file puts tx on the list of the second of its expiry; where it was before is
// passed over.
func (p *serverPart) file(tx *serverTx, expires int64) {
	tx.expires = expires
	slot := &p.ring[expires%ringSeconds]
	*slot = append(*slot, tx)
}

// drop removes what the list of second s holds and is due at now.
func (p *serverPart) drop(s, now int64) {
	slot := &p.ring[s%ringSeconds]
	keep := (*slot)[:0]
	for _, tx := range *slot {
		switch {
		case tx.expires%ringSeconds != s%ringSeconds || p.txs[tx.key] != tx:
		case tx.expires > now:
			keep = append(keep, tx)
		default:
			delete(p.txs, tx.key)
			p.bytes -= len(tx.response)
		}
	}
	clear((*slot)[len(keep):])
	if *slot = keep; len(keep) == 0 {
		*slot = nil
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
