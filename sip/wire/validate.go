package wire

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"rollcall/internal/sipuri"
)

// refusal is a violation that is owed another status than 400.
type refusal struct {
	status int
	text   string
}

func (e *refusal) Error() string { return e.text }

// phrase: 400 says what is wrong (RFC 3261 §21.4.1), others use their own phrase.
func (e *refusal) phrase() string {
	if e.status == 400 {
		return "Bad Request: " + e.text
	}
	return ""
}

// The headers of which a request may have one line only.
const (
	hFrom = iota
	hTo
	hCallID
	hCSeq
	hMaxForwards
	hContentLength
	hContentType
	hExpires
	hEvent
	hIfMatch
	singleCount
)

var singleNames = [singleCount]string{
	"From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length", "Content-Type", "Expires", "Event", "SIP-If-Match",
}

type singles struct {
	value [singleCount]string
	seen  [singleCount]bool
}

// collect finds the single headers. RFC 4475 §3.3.8: a repeated one is an error,
// even when the values agree.
func (s *singles) collect(lines []Header) error {
	var err error
	for i := range lines {
		name := longName(lines[i].Name)
		for h, single := range singleNames {
			if !sameName(name, single) {
				continue
			}
			if s.seen[h] && err == nil {
				err = fmt.Errorf("repeated %s", single)
			}
			if !s.seen[h] {
				s.seen[h], s.value[h] = true, lines[i].Value
			}
			break
		}
	}
	return err
}

// readVia checks every Via value; the first one says where the response goes.
func (r *Request) readVia() error {
	found := false
	for i := range r.lines {
		if !sameName(longName(r.lines[i].Name), "Via") {
			continue
		}
		var room [4]string
		values := splitList(room[:0], r.lines[i].Value)
		if len(values) == 0 {
			return fmt.Errorf("empty Via")
		}
		for _, value := range values {
			v, err := parseVia(value)
			if err != nil {
				return err
			}
			if !found {
				r.top, found = v, true
			}
		}
	}
	if !found {
		return fmt.Errorf("no Via")
	}
	return nil
}

func (r *Request) readStartLine(line string) error {
	method, rest, ok1 := strings.Cut(line, " ")
	uri, version, ok2 := strings.Cut(rest, " ")
	if !ok1 || !ok2 || !isToken(method) {
		return fmt.Errorf("malformed request line")
	}
	if !strings.EqualFold(version, "SIP/2.0") {
		major, minor, dot := strings.Cut(version[min(len(version), 4):], ".")
		if dot && isDigits(major) && isDigits(minor) {
			return &refusal{505, "version not supported"}
		}
		return fmt.Errorf("malformed request line")
	}
	r.RequestURI = uri
	u, err := sipuri.Parse(uri)
	if err != nil {
		return fmt.Errorf("in the Request-URI: %w", err)
	}
	// RFC 3261 §19.1.1, table: headers are not allowed in a Request-URI.
	if u.Headers != "" {
		return fmt.Errorf("headers in the Request-URI")
	}
	r.URI = u
	return nil
}

// checkScheme: RFC 3261 §8.2.2.1. It comes before the message parser, which knows
// fewer schemes than there are.
func (r *Request) checkScheme() error {
	switch r.URI.Scheme {
	case "sip", "sips", "pres":
		return nil
	}
	return &refusal{416, "unsupported URI scheme"}
}

// bodyLength holds Content-Length against the body, RFC 3261 §18.3: in a datagram
// what follows the body is ignored, on a stream the length is required.
func bodyLength(s *singles, body int, stream bool) (int, error) {
	if !s.seen[hContentLength] {
		if stream {
			return 0, errors.New("no Content-Length")
		}
		return body, nil
	}
	n, err := parseLength(s.value[hContentLength])
	if err != nil {
		return 0, err
	}
	if n > body {
		return 0, errors.New("body shorter than Content-Length")
	}
	return n, nil
}

func parseLength(s string) (int, error) {
	if !isDigits(s) {
		return 0, fmt.Errorf("malformed Content-Length")
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("malformed Content-Length")
	}
	return int(n), nil
}

func (r *Request) readSingles(s *singles) error {
	for _, h := range [...]int{hFrom, hTo, hCallID, hCSeq} {
		if s.value[h] == "" {
			return fmt.Errorf("no %s", singleNames[h])
		}
	}
	var err error
	if r.From, err = ParseNameAddr(s.value[hFrom]); err != nil {
		return fmt.Errorf("in From: %w", err)
	}
	if r.To, err = ParseNameAddr(s.value[hTo]); err != nil {
		return fmt.Errorf("in To: %w", err)
	}
	r.CallID = s.value[hCallID]
	if strings.ContainsAny(r.CallID, " \t") {
		return fmt.Errorf("malformed Call-ID")
	}
	if err := r.readCSeq(s.value[hCSeq]); err != nil {
		return err
	}
	if s.seen[hMaxForwards] {
		n, err := strconv.ParseUint(s.value[hMaxForwards], 10, 8)
		if err != nil {
			return fmt.Errorf("malformed Max-Forwards")
		}
		r.MaxForwards = int(n)
	}
	if s.seen[hExpires] {
		r.Expires = parseExpires(s.value[hExpires])
	}
	return r.readTypes(s)
}

// readCSeq: RFC 3261 §8.1.1.5, RFC 4475 §3.1.2.4, §3.1.2.17 and §3.1.2.18.
func (r *Request) readCSeq(value string) error {
	i := strings.IndexAny(value, " \t")
	if i < 0 || !isDigits(value[:i]) {
		return fmt.Errorf("malformed CSeq")
	}
	n, err := strconv.ParseUint(value[:i], 10, 32)
	if err != nil {
		return fmt.Errorf("CSeq out of range")
	}
	r.CSeq = uint32(n)
	if trim(value[i:]) == r.Method {
		return nil
	}
	if methodIndex(r.Method) == otherMethod {
		return &refusal{501, "unknown method that does not match CSeq"}
	}
	return fmt.Errorf("CSeq does not match the method")
}

// parseExpires: RFC 3261 §20.19 and §10.3: a malformed value counts as 3600.
func parseExpires(s string) int64 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || !isDigits(s) {
		return 3600
	}
	return int64(n)
}

func (r *Request) readTypes(s *singles) error {
	if s.seen[hEvent] {
		v := s.value[hEvent]
		n := tokenLen(v)
		params, err := parseParams(v[n:])
		if err != nil || n == 0 {
			return fmt.Errorf("malformed Event")
		}
		r.Event, r.EventParams = v[:n], params
	}
	if s.seen[hContentType] {
		r.ContentTypeRaw = s.value[hContentType]
		t, ok := mediaType(r.ContentTypeRaw)
		if !ok {
			return fmt.Errorf("malformed Content-Type")
		}
		r.ContentType = t
	}
	return nil
}

// mediaType returns type "/" subtype of a Content-Type value in lower case.
func mediaType(s string) (string, bool) {
	t, _, _ := strings.Cut(s, ";")
	major, minor, ok := strings.Cut(t, "/")
	major, minor = trim(major), trim(minor)
	if !ok || !isToken(major) || !isToken(minor) {
		return "", false
	}
	return strings.ToLower(major + "/" + minor), true
}

func (r *Request) readContacts() error {
	for i := range r.lines {
		if !sameName(longName(r.lines[i].Name), "Contact") {
			continue
		}
		var values [4]string
		for _, v := range splitList(values[:0], r.lines[i].Value) {
			if v == "*" {
				r.ContactStar = true
				continue
			}
			n, err := ParseNameAddr(v)
			if err != nil {
				return fmt.Errorf("in Contact: %w", err)
			}
			r.Contacts = append(r.Contacts, n)
		}
	}
	return nil
}

func isDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
