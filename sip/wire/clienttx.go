package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"rollcall/internal/metrics"
	"rollcall/internal/wheel"
)

// RFC 3261 §17, table 4.
const (
	t1     = 500 * time.Millisecond
	t2     = 4 * time.Second
	timerF = 64 * t1
)

// Errors of client transactions.
var (
	// ErrTimeout: no final response within 64*T1.
	ErrTimeout = errors.New("no response")
	// ErrTooMany: the bound on pending client transactions is reached.
	ErrTooMany = errors.New("too many pending requests")
	// ErrClosed: the endpoint is closed.
	ErrClosed = errors.New("endpoint closed")
	// ErrForbidden: text that may not stand in a message.
	ErrForbidden = errors.New("forbidden character in a request")
)

// Outgoing is a non-INVITE request to send.
type Outgoing struct {
	Method      string
	RequestURI  string
	CSeq        uint32
	MaxForwards int // 0: 70; negative: 0, for a request relayed on its last hop
	// Head is every other header line, each with its CRLF: From, To, Call-ID,
	// Route, Event and so on. For a proxied request it begins with the Vias.
	Head []byte
	// Body is not copied: it must not change until the transaction is over.
	Body []byte
	Flow *Flow
	// Detail asks for reason, headers and body of the response. Without it most
	// responses are recognised by a scan and never parsed.
	Detail bool
	// Mark, a token, ends the branch: for Request.Marked to find, should the request
	// come back.
	Mark string
	// Patience is how long to wait for a final response; 0, and at most: 64*T1.
	Patience time.Duration
}

func (o *Outgoing) patience() time.Duration {
	if o.Patience <= 0 {
		return timerF
	}
	return min(o.Patience, timerF)
}

// Result is the outcome of a request: a final response, or Err with Status 0.
type Result struct {
	Status     int
	Err        error // ErrTimeout, ErrFlowClosed, ErrFlowFull, ErrTooMany, ErrClosed, ErrUnreachable, ErrBusy
	RetryAfter time.Duration

	// Only with Outgoing.Detail.
	Reason  string
	Headers []Header
	Body    []byte
}

// First returns the first line of a header, or "". name is the long form.
func (r *Result) First(name string) string {
	for i := range r.Headers {
		if sameName(longName(r.Headers[i].Name), name) {
			return r.Headers[i].Value
		}
	}
	return ""
}

// Values returns the elements of a list header over all its lines, in order.
func (r *Result) Values(name string) []string { return listValues(r.Headers, name) }

// clientTx is one pending request. Without a response it lives for timer F.
type clientTx struct {
	key      uint64
	method   string
	flow     *Flow
	detail   bool
	head     []byte // up to the blank line, to send again; nil on reliable transports
	body     []byte
	done     func(Result)
	timer    wheel.Timer
	onTimer  func()
	interval time.Duration
	deadline time.Time
	unhook   func() // withdraws the close callback of the flow
}

const (
	clientParts  = 64
	branchPrefix = magicCookie + "rc"
	branchLen    = len(branchPrefix) + 16
	resendQueue  = 4096
)

// clientTable holds the pending client transactions. It has no goroutine per
// transaction: deadlines are on the wheel, retransmissions go through one
// goroutine with a bounded queue (what does not fit counts as lost on the way).
type clientTable struct {
	wheel   *wheel.Wheel
	metrics *metrics.Metrics
	results tally
	max     int // per part
	resend  chan *clientTx
	parts   [clientParts]clientPart
}

type clientPart struct {
	mu     sync.Mutex
	txs    map[uint64]*clientTx
	closed bool
}

func newClientTable(w *wheel.Wheel, m *metrics.Metrics, limit int) *clientTable {
	t := &clientTable{wheel: w, metrics: m, results: tally{vec: m.SIPResponses}, max: max(limit/clientParts, 1), resend: make(chan *clientTx, resendQueue)}
	for i := range t.parts {
		t.parts[i].txs = make(map[uint64]*clientTx)
	}
	return t
}

func (t *clientTable) part(key uint64) *clientPart { return &t.parts[key%clientParts] }

// do starts a transaction. done is called exactly once, on another goroutine.
func (t *clientTable) do(out *Outgoing, sentBy string, done func(Result)) {
	if out.Flow == nil {
		go done(Result{Err: ErrFlowClosed})
		return
	}
	if !isToken(out.Method) || !cleanLine(out.RequestURI) || out.Mark != "" && !isToken(out.Mark) {
		go done(Result{Err: ErrForbidden})
		return
	}
	tx := &clientTx{method: out.Method, flow: out.Flow, detail: out.Detail, done: done, interval: t1, deadline: time.Now().Add(out.patience())}
	if err := t.enter(tx); err != nil {
		go done(Result{Err: err})
		return
	}
	room := scratch.Get().(*buffer)
	defer room.release()
	head := appendRequest(room.b[:0], out, tx.key, sentBy)
	t.arm(tx, out, head)
	room.b = append(head, out.Body...)
	if err := out.Flow.Send(room.b); err != nil {
		if t.remove(tx) {
			go done(Result{Err: err})
		}
	}
}

// enter gives tx a fresh key and puts it in the table.
func (t *clientTable) enter(tx *clientTx) error {
	for {
		tx.key = rand.Uint64()
		p := t.part(tx.key)
		p.mu.Lock()
		_, taken := p.txs[tx.key]
		closed, full := p.closed, len(p.txs) >= t.max
		if !taken && !closed && !full {
			p.txs[tx.key] = tx
		}
		p.mu.Unlock()
		switch {
		case closed:
			return ErrClosed
		case full:
			return ErrTooMany
		case !taken:
			return nil
		}
	}
}

// arm starts timers E and F, and watches the connection.
func (t *clientTable) arm(tx *clientTx, out *Outgoing, head []byte) {
	var unhook func()
	if tx.flow.Reliable() {
		// On its own goroutine, because a flow that is closed calls back at once.
		unhook = tx.flow.OnClose(func() { go t.finish(tx, Result{Err: ErrFlowClosed}) })
	}
	p := t.part(tx.key)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.txs[tx.key] != tx {
		if unhook != nil {
			unhook()
		}
		return // the connection is gone already
	}
	tx.unhook = unhook
	at := tx.deadline
	if !tx.flow.Reliable() {
		tx.head, tx.body = bytes.Clone(head), out.Body
		at = time.Now().Add(min(tx.interval, out.patience()))
	}
	tx.onTimer = func() { t.fire(tx) }
	t.wheel.Set(&tx.timer, at, tx.onTimer)
}

// fire runs on the wheel: timer F ends the transaction, timer E sends again.
func (t *clientTable) fire(tx *clientTx) {
	now := time.Now()
	if !now.Before(tx.deadline) {
		t.finish(tx, Result{Err: ErrTimeout})
		return
	}
	p := t.part(tx.key)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.txs[tx.key] != tx {
		return
	}
	select {
	case t.resend <- tx:
	default:
	}
	tx.interval = min(2*tx.interval, t2)
	at := now.Add(tx.interval)
	if at.After(tx.deadline) {
		at = tx.deadline
	}
	t.wheel.Set(&tx.timer, at, tx.onTimer)
}

// retransmit is the goroutine that sends again what fire asks for.
func (t *clientTable) retransmit(stop <-chan struct{}) {
	for {
		select {
		case tx := <-t.resend:
			if t.pending(tx) && t.again(tx) == nil {
				t.metrics.Retransmits.Inc()
			}
		case <-stop:
			return
		}
	}
}

func (t *clientTable) again(tx *clientTx) error {
	room := scratch.Get().(*buffer)
	defer room.release()
	room.b = append(append(room.b[:0], tx.head...), tx.body...)
	return tx.flow.Send(room.b)
}

func (t *clientTable) pending(tx *clientTx) bool {
	p := t.part(tx.key)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.txs[tx.key] == tx
}

// remove takes tx out of the table; who succeeds calls done.
func (t *clientTable) remove(tx *clientTx) bool {
	p := t.part(tx.key)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.txs[tx.key] != tx {
		return false
	}
	delete(p.txs, tx.key)
	t.wheel.Cancel(&tx.timer)
	return true
}

func (t *clientTable) finish(tx *clientTx, res Result) {
	if !t.remove(tx) {
		return
	}
	if tx.unhook != nil {
		tx.unhook()
	}
	if res.Status != 0 {
		t.results.count(tx.method, res.Status)
	}
	tx.done(res)
}

// receive takes a response. Strays are found out by a scan for the branch,
// before anything is parsed, and dropped.
func (t *clientTable) receive(data []byte, stream bool) error {
	if b, ok := scanResponse(data); ok {
		tx := t.find(b.branch)
		switch {
		case tx == nil || tx.method != string(b.method):
			return nil
		case !tx.detail:
			t.response(tx, Result{Status: b.status, RetryAfter: b.retryAfter})
			return nil
		}
	}
	key, ok := scanBranch(data)
	if !ok {
		return nil
	}
	tx := t.find(key)
	if tx == nil {
		return nil
	}
	r, err := parseResponse(data, stream)
	if err != nil {
		return err
	}
	// RFC 3261 §17.1.3
	if branch, ok := parseBranch(r.branch); !ok || branch != key || r.method != tx.method {
		return nil
	}
	res := Result{Status: r.status, RetryAfter: parseRetryAfter(joinHeader(r.lines, "Retry-After"))}
	if tx.detail {
		res.Reason, res.Headers, res.Body = r.reason, r.lines, r.body
	}
	t.response(tx, res)
	return nil
}

func (t *clientTable) find(key uint64) *clientTx {
	p := t.part(key)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.txs[key]
}

func (t *clientTable) response(tx *clientTx, res Result) {
	if res.Status >= 200 {
		t.finish(tx, res)
		return
	}
	p := t.part(tx.key)
	p.mu.Lock()
	defer p.mu.Unlock()
	tx.interval = t2 // RFC 3261 §17.1.2.2: in Proceeding timer E is T2
}

// close ends all transactions with ErrClosed and refuses new ones.
func (t *clientTable) close() {
	for i := range t.parts {
		p := &t.parts[i]
		p.mu.Lock()
		p.closed = true
		left := make([]*clientTx, 0, len(p.txs))
		for _, tx := range p.txs {
			left = append(left, tx)
		}
		p.mu.Unlock()
		for _, tx := range left {
			t.finish(tx, Result{Err: ErrClosed})
		}
	}
}

// scanBranch finds one of our branches in the head of a response.
func scanBranch(data []byte) (uint64, bool) {
	data = data[:min(len(data), maxHead)]
	i := bytes.Index(data, []byte(branchPrefix))
	if i < 0 || len(data) < i+branchLen {
		return 0, false
	}
	return decodeKey(data[i+len(branchPrefix) : i+branchLen])
}

func parseBranch(s string) (uint64, bool) {
	if len(s) < branchLen || s[:len(branchPrefix)] != branchPrefix || len(s) > branchLen && s[branchLen] != '.' {
		return 0, false
	}
	return decodeKey([]byte(s[len(branchPrefix):branchLen]))
}

func decodeKey(digits []byte) (uint64, bool) {
	var key [8]byte
	if _, err := hex.Decode(key[:], digits); err != nil {
		return 0, false
	}
	return binary.BigEndian.Uint64(key[:]), true
}

// appendRequest writes the request up to its body.
func appendRequest(b []byte, out *Outgoing, key uint64, sentBy string) []byte {
	b = append(b, out.Method...)
	b = append(b, ' ')
	b = append(b, out.RequestURI...)
	b = append(b, " SIP/2.0\r\nVia: SIP/2.0/"...)
	b = append(b, out.Flow.Transport()...)
	b = append(b, ' ')
	b = append(b, sentBy...)
	b = append(b, ";rport;branch="+branchPrefix...)
	var raw [8]byte
	binary.BigEndian.PutUint64(raw[:], key)
	b = hex.AppendEncode(b, raw[:])
	if out.Mark != "" {
		b = append(b, '.')
		b = append(b, out.Mark...)
	}
	b = append(b, "\r\nMax-Forwards: "...)
	hops := out.MaxForwards
	if hops == 0 {
		hops = 70
	}
	b = strconv.AppendInt(b, int64(max(hops, 0)), 10)
	b = append(b, "\r\n"...)
	b = append(b, out.Head...)
	b = append(b, "CSeq: "...)
	b = strconv.AppendUint(b, uint64(out.CSeq), 10)
	b = append(b, ' ')
	b = append(b, out.Method...)
	b = append(b, "\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(out.Body)), 10)
	return append(b, "\r\n\r\n"...)
}

// parseRetryAfter reads the seconds of RFC 3261 §20.33; a comment and parameters
// may follow. What is more than a day counts as a day.
func parseRetryAfter(s string) time.Duration {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	seconds, err := strconv.ParseUint(s[:n], 10, 32)
	if err != nil {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, 24*time.Hour)
}
