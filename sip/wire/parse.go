package wire

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// errResponse: the message is a response.
var errResponse = errors.New("a response where a request is expected")

// maxParsed bounds what the message parser is given; listeners set lower limits.
const maxParsed = 1 << 20

// parser is the message parser. It is given the start line and the body: the
// grammar of all headers is ours, because their text must survive, and the
// parser's cost is that of each line it sees.
var parser = newParser()

func newParser() *sip.Parser {
	p := sip.NewParser(sip.WithHeadersParsers(nil))
	p.MaxMessageLength = maxParsed
	return p
}

// scratch are buffers for messages on their way to the parser or to a socket.
var scratch = sync.Pool{New: func() any { return &buffer{b: make([]byte, 0, 2<<10)} }}

type buffer struct{ b []byte }

// release gives b back unless it has grown large.
func (b *buffer) release() {
	if cap(b.b) <= 64<<10 {
		scratch.Put(b)
	}
}

// ParseRequest reads one request from data, which it does not keep. A request
// that breaks the rules is returned together with the response it is owed; when
// nothing can be answered (no request, no Via, an ACK) request or response is nil.
func ParseRequest(data []byte, flow *Flow) (*Request, *Response, error) {
	m, err := split(data)
	if err != nil {
		return nil, nil, err
	}
	if strings.HasPrefix(m.start, "SIP/") {
		return nil, nil, errResponse
	}
	r := &Request{Flow: flow, Received: time.Now(), lines: m.lines, MaxForwards: 70, Expires: -1}
	r.Method, _, _ = strings.Cut(m.start, " ")
	err = r.read(&m)
	if err == nil {
		return r, nil, nil
	}
	if r.Header("Via") == "" || r.Method == "ACK" {
		return nil, nil, err
	}
	var refused *refusal
	if !errors.As(err, &refused) {
		refused = &refusal{400, err.Error()}
	}
	return r, &Response{Status: refused.status, Reason: refused.phrase()}, err
}

// read runs the filter's verdict, the rules of the start line, the framing, the
// message parser and the header rules, in this order.
func (r *Request) read(m *message) error {
	var s singles
	duplicate := s.collect(m.lines)
	badVia := r.readVia()
	if err := cmp.Or(m.problem, r.readStartLine(m.start), badVia, duplicate); err != nil {
		return err
	}
	length, err := bodyLength(&s, len(m.body), r.Flow.framed())
	if err != nil {
		return err
	}
	if err := r.checkScheme(); err != nil {
		return err
	}
	if r.Body, err = parseReduced(m.start, m.body[:length]); err != nil {
		return err
	}
	if err := r.readSingles(&s); err != nil {
		return err
	}
	return r.readContacts()
}

// parseReduced has the message parser check the start line and copy the body.
func parseReduced(start string, body []byte) ([]byte, error) {
	room := scratch.Get().(*buffer)
	defer room.release()
	room.b = append(append(append(room.b[:0], start...), "\r\n\r\n"...), body...)
	parsed, err := parser.ParseSIP(room.b)
	if err != nil {
		return nil, fmt.Errorf("message parser: %w", err)
	}
	return parsed.Body(), nil
}
