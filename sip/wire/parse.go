package wire

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// errResponse: the message is a response.
var errResponse = errors.New("a response where a request is expected")

// maxParsed bounds what the message parser is given; listeners set lower limits.
const maxParsed = 1 << 20

// parser is the message parser. Only the header that delimits the body is typed
// by it: the grammar of all others is ours, because their text must survive.
var parser = newParser()

func newParser() *sip.Parser {
	all := sip.DefaultHeadersParser()
	p := sip.NewParser(sip.WithHeadersParsers(sip.HeadersParser{
		"content-length": all["content-length"],
		"l":              all["l"],
	}))
	p.MaxMessageLength = maxParsed
	return p
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
	err = r.read(m, data)
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
func (r *Request) read(m *message, data []byte) error {
	var s singles
	duplicate := s.collect(m.lines)
	badVia := r.readVia()
	if err := cmp.Or(m.problem, r.readStartLine(m.start), badVia, duplicate); err != nil {
		return err
	}
	if err := checkLength(&s, len(m.body), r.Flow.Reliable()); err != nil {
		return err
	}
	if err := r.checkScheme(); err != nil {
		return err
	}
	parsed, err := parser.ParseSIP(data)
	if err != nil {
		return fmt.Errorf("message parser: %w", err)
	}
	r.Body = parsed.Body()
	if err := r.readSingles(&s); err != nil {
		return err
	}
	return r.readContacts()
}
