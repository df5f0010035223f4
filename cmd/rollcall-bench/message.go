package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxMessage bounds one SIP message.
const maxMessage = 1 << 20

// message is a SIP request or response as received.
type message struct {
	status  int    // of a response
	method  string // of a request
	headers []header
	body    []byte
}

type header struct{ name, value string } // name in lower case, long form

// compactForms are the header names with a short form that a server may use.
var compactForms = map[string]string{
	"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length",
	"c": "content-type", "o": "event", "k": "supported", "u": "allow-events",
}

var errMessage = errors.New("not a SIP message")

// parseMessage reads one message that is all of data.
func parseMessage(data []byte) (*message, error) {
	text := string(data)
	head, body, ok := strings.Cut(text, "\r\n\r\n")
	if !ok {
		return nil, fmt.Errorf("%w: no end of headers", errMessage)
	}
	m, err := parseHead(head)
	if err != nil {
		return nil, err
	}
	m.body = data[len(text)-len(body):]
	if n, ok, err := m.contentLength(); err != nil {
		return nil, err
	} else if ok {
		if n > len(m.body) {
			return nil, fmt.Errorf("%w: body is %d bytes short", errMessage, n-len(m.body))
		}
		m.body = m.body[:n]
	}
	return m, nil
}

func parseHead(head string) (*message, error) {
	start, rest, _ := strings.Cut(head, "\r\n")
	m := &message{headers: make([]header, 0, 16)}
	first, second, ok := strings.Cut(start, " ")
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: start line %q", errMessage, start)
	case first == "SIP/2.0":
		code, _, _ := strings.Cut(second, " ")
		status, err := strconv.Atoi(code)
		if err != nil || status < 100 || status > 699 {
			return nil, fmt.Errorf("%w: status %q", errMessage, code)
		}
		m.status = status
	case first != "" && strings.HasSuffix(second, " SIP/2.0"):
		m.method = first
	default:
		return nil, fmt.Errorf("%w: start line %q", errMessage, start)
	}
	for line := range strings.SplitSeq(rest, "\r\n") {
		if line == "" {
			continue
		}
		if line[0] == ' ' || line[0] == '\t' { // folded
			if n := len(m.headers); n > 0 {
				m.headers[n-1].value += " " + strings.TrimSpace(line)
			}
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("%w: header line %q", errMessage, line)
		}
		name = strings.ToLower(strings.TrimSpace(name))
		if long := compactForms[name]; long != "" {
			name = long
		}
		m.headers = append(m.headers, header{name, strings.TrimSpace(value)})
	}
	return m, nil
}

func (m *message) contentLength() (n int, ok bool, err error) {
	value := m.get("content-length")
	if value == "" {
		return 0, false, nil
	}
	n, err = strconv.Atoi(value)
	if err != nil || n < 0 || n > maxMessage {
		return 0, false, fmt.Errorf("%w: Content-Length %q", errMessage, value)
	}
	return n, true, nil
}

// get returns the first header of that name.
func (m *message) get(name string) string {
	for i := range m.headers {
		if m.headers[i].name == name {
			return m.headers[i].value
		}
	}
	return ""
}

// values returns all header lines of that name.
func (m *message) values(name string) []string {
	var list []string
	for i := range m.headers {
		if m.headers[i].name == name {
			list = append(list, m.headers[i].value)
		}
	}
	return list
}

// cseq returns the number and the method of CSeq.
func (m *message) cseq() (uint32, string) {
	number, method, _ := strings.Cut(m.get("cseq"), " ")
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return 0, ""
	}
	return uint32(n), strings.TrimSpace(method)
}

// param returns a parameter of a header value, outside of angle brackets.
func param(value, name string) string {
	if i := strings.LastIndexByte(value, '>'); i >= 0 {
		value = value[i+1:]
	}
	_, params, _ := strings.Cut(value, ";")
	for p := range strings.SplitSeq(params, ";") {
		k, v, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.TrimSpace(k), name) {
			return strings.Trim(strings.TrimSpace(v), `"`)
		}
	}
	return ""
}

// addrSpec returns the URI of a name-addr.
func addrSpec(value string) string {
	if _, rest, ok := strings.Cut(value, "<"); ok {
		uri, _, _ := strings.Cut(rest, ">")
		return uri
	}
	uri, _, _ := strings.Cut(value, ";")
	return strings.TrimSpace(uri)
}

// readMessage reads the next message of a stream (RFC 3261 §18.3).
func readMessage(r *bufio.Reader) (*message, error) {
	var head strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return nil, err
		}
		if line == "\r\n" {
			if head.Len() == 0 {
				continue // keep-alive between messages
			}
			break
		}
		if head.Len()+len(line) > maxMessage {
			return nil, fmt.Errorf("%w: endless head", errMessage)
		}
		head.WriteString(line)
	}
	m, err := parseHead(head.String())
	if err != nil {
		return nil, err
	}
	n, _, err := m.contentLength()
	if err != nil {
		return nil, err
	}
	m.body = make([]byte, n)
	_, err = io.ReadFull(r, m.body)
	return m, err
}
