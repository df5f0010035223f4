package wire

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// via is a parsed Via value, RFC 3261 §20.42.
type via struct {
	raw    string
	sentBy string // host[:port] as written, without blanks
	host   string
	port   int // 0: absent
	branch string
	rport  bool
	keep   bool // offers keep-alives (RFC 6223 §4.3)
	// ours are the spans within raw, each with its leading ";", in order, of what is
	// for us to fill in: received, rport and keep.
	ours [3][2]int
}

// parseVia reads one Via value: "SIP" / "2.0" / transport LWS sent-by *(; param).
func parseVia(s string) (via, error) {
	s = trim(s)
	v := via{raw: s}
	rest, err := v.parseProtocol(s)
	if err != nil {
		return via{}, err
	}
	sentBy, params, more := cutAt(rest, ';')
	if err := v.parseSentBy(trim(sentBy)); err != nil {
		return via{}, err
	}
	addresses := 0
	for more {
		at := len(s) - len(params) - 1
		name, value, left, err := viaParam(params)
		if err != nil {
			return via{}, err
		}
		switch {
		case strings.EqualFold(name, "branch"):
			v.branch = value
		case strings.EqualFold(name, "rport"), strings.EqualFold(name, "received"):
			v.rport = v.rport || len(name) == len("rport")
			if addresses++; addresses > 2 {
				return via{}, fmt.Errorf("%w: repeated Via parameter", errGrammar)
			}
			v.claim(at, len(s)-len(left))
		case strings.EqualFold(name, "keep") && value == "":
			if v.keep {
				return via{}, fmt.Errorf("%w: repeated Via parameter", errGrammar)
			}
			v.keep = true
			v.claim(at, len(s)-len(left))
		}
		if left == "" {
			break
		}
		if left[0] != ';' {
			return via{}, fmt.Errorf("%w: bad Via parameter", errGrammar)
		}
		params = left[1:]
	}
	return v, nil
}

// claim makes a span of raw one of ours.
func (v *via) claim(from, to int) {
	for i := range v.ours {
		if v.ours[i][1] == 0 {
			v.ours[i] = [2]int{from, to}
			return
		}
	}
}

func viaParam(s string) (name, value, rest string, err error) {
	p, rest, err := cutParam(trim(s))
	return p.Name, p.Value, rest, err
}

func (v *via) parseProtocol(s string) (rest string, err error) {
	for i, want := range [...]string{"SIP", "2.0", ""} {
		s = trim(s)
		n := tokenLen(s)
		if n == 0 || want != "" && !strings.EqualFold(s[:n], want) {
			return "", fmt.Errorf("%w: bad protocol in Via", errGrammar)
		}
		s = s[n:]
		if i == 2 {
			break
		}
		if s = trim(s); s == "" || s[0] != '/' {
			return "", fmt.Errorf("%w: bad protocol in Via", errGrammar)
		}
		s = s[1:]
	}
	if s == "" || s[0] != ' ' && s[0] != '\t' {
		return "", fmt.Errorf("%w: no sent-by in Via", errGrammar)
	}
	return s, nil
}

func (v *via) parseSentBy(s string) error {
	host, port := s, ""
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, ']') {
		host, port = trim(s[:i]), trim(s[i+1:])
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("%w: bad port in Via", errGrammar)
		}
		v.port = int(n)
	}
	if host == "" || len(host) > 255 || !isHostText(host) {
		return fmt.Errorf("%w: bad sent-by in Via", errGrammar)
	}
	v.host, v.sentBy = host, s
	return nil
}

func isHostText(s string) bool {
	if s[0] == '[' {
		_, err := netip.ParseAddr(strings.TrimSuffix(s[1:], "]"))
		return err == nil && strings.HasSuffix(s, "]")
	}
	for i := 0; i < len(s); i++ {
		if !tokenChar(s[i]) {
			return false
		}
	}
	return true
}

// isAddr reports whether sent-by names the address a.
func (v *via) isAddr(a netip.Addr) bool {
	host := v.host
	if host[0] == '[' {
		host = host[1 : len(host)-1]
	}
	got, err := netip.ParseAddr(host)
	return err == nil && got == a
}

// appendTo writes the Via value for a response to a request that came from
// source: RFC 3261 §18.2.1, RFC 3581 §4. keepAlive is the value of keep, if the
// sender wrote one without. Everything else is as the sender wrote it.
func (v *via) appendTo(b []byte, source netip.AddrPort, keepAlive string) []byte {
	at := 0
	for _, span := range v.ours {
		if span[1] > 0 {
			b = append(b, v.raw[at:span[0]]...)
			at = span[1]
		}
	}
	b = append(b, v.raw[at:]...)
	if v.keep {
		b = append(b, ";keep"...)
		if keepAlive != "" {
			b = append(append(b, '='), keepAlive...)
		}
	}
	if !source.IsValid() {
		return b
	}
	if v.rport {
		b = append(b, ";rport="...)
		b = strconv.AppendUint(b, uint64(source.Port()), 10)
	}
	if v.rport || !v.isAddr(source.Addr()) {
		b = append(b, ";received="...)
		b = source.Addr().AppendTo(b)
	}
	return b
}

func cutAt(s string, c byte) (before, after string, found bool) {
	if i := strings.IndexByte(s, c); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}
