package wire

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// response is a response to one of our requests.
type response struct {
	status int
	reason string
	lines  []Header
	body   []byte
	branch string // of the top Via
	method string // of CSeq
}

// parseResponse reads a response. What is wrong with it does not matter: nobody
// is owed an answer, so any error means that it is dropped.
func parseResponse(data []byte, stream bool) (*response, error) {
	m, err := split(data)
	if err != nil {
		return nil, err
	}
	if m.problem != nil {
		return nil, m.problem
	}
	r := &response{lines: m.lines}
	version, rest, _ := strings.Cut(m.start, " ")
	code, reason, _ := strings.Cut(rest, " ")
	r.reason = reason
	// RFC 4475 §3.1.2.19: a status above 699 is dropped.
	if r.status, err = strconv.Atoi(code); err != nil || r.status < 100 || r.status > 699 || version != "SIP/2.0" {
		return nil, fmt.Errorf("malformed status line")
	}
	var s singles
	if err := s.collect(m.lines); err != nil {
		return nil, err
	}
	length, err := bodyLength(&s, len(m.body), stream)
	if err != nil {
		return nil, err
	}
	r.body = bytes.Clone(m.body[:length])
	return r, r.readTransaction(s.value[hCSeq])
}

func (r *response) readTransaction(cseq string) error {
	i := strings.IndexAny(cseq, " \t")
	if i < 0 {
		return fmt.Errorf("malformed CSeq")
	}
	// RFC 4475 §3.1.2.5
	if _, err := strconv.ParseUint(cseq[:i], 10, 32); err != nil {
		return fmt.Errorf("CSeq out of range")
	}
	r.method = trim(cseq[i:])
	var values [4]string
	for l := range r.lines {
		if sameName(longName(r.lines[l].Name), "Via") {
			vias := splitList(values[:0], r.lines[l].Value)
			if len(vias) == 0 {
				continue
			}
			v, err := parseVia(vias[0])
			r.branch = v.branch
			return err
		}
	}
	return fmt.Errorf("no Via")
}
