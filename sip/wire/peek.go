package wire

import (
	"bytes"
	"strconv"
	"time"
)

// glance is what identifies the transaction of a request.
type glance struct {
	method string
	top    via
	cseq   uint32
}

// peekRequest finds it without reading the rest. It gives up (ok false) on all but
// the common form, a Via line that comes first, and on what has no transaction
// identifier of RFC 3261.
func peekRequest(data []byte) (g glance, ok bool) {
	line, rest, ok := cutCRLF(data)
	if !ok || len(rest) < 2 {
		return g, false
	}
	space := bytes.IndexByte(line, ' ')
	if space <= 0 {
		return g, false
	}
	next, rest, ok := cutCRLF(rest)
	if !ok || len(next) > maxLine || len(rest) > 0 && folded(rest[0]) {
		return g, false
	}
	name, value, found := bytes.Cut(next, []byte(":"))
	if !found || !isVia(bytes.TrimRight(name, " \t")) || bytes.IndexByte(value, ',') >= 0 {
		return g, false
	}
	top, err := parseVia(string(value))
	if err != nil || !cookie(top.branch) || !cleanLine(top.raw) {
		return g, false
	}
	cseq, ok := peekCSeq(rest)
	return glance{string(line[:space]), top, cseq}, ok
}

// peekCSeq finds the number of the first CSeq line.
func peekCSeq(rest []byte) (uint32, bool) {
	for {
		line, after, ok := cutCRLF(rest)
		if !ok || len(line) == 0 {
			return 0, false
		}
		const name = "CSeq:"
		if line[0]|0x20 == 'c' && len(line) > len(name) && bytes.EqualFold(line[:len(name)], []byte(name)) {
			number, _, _ := bytes.Cut(bytes.TrimLeft(line[len(name):], " \t"), []byte(" "))
			n, err := strconv.ParseUint(string(number), 10, 32)
			return uint32(n), err == nil
		}
		rest = after
	}
}

func isVia(name []byte) bool {
	return len(name) == 3 && bytes.EqualFold(name, []byte("Via")) || len(name) == 1 && name[0]|0x20 == 'v'
}

// brief is what matters of most responses.
type brief struct {
	status     int
	branch     uint64 // key of the client transaction
	method     []byte // of CSeq, within the response
	retryAfter time.Duration
}

// scanResponse reads a response to one of our requests without taking it apart.
// It gives up (ok false) on what is out of the ordinary, a body included: that is
// for parseResponse.
func scanResponse(data []byte) (b brief, ok bool) {
	line, rest, ok := cutCRLF(data[:min(len(data), maxHead)])
	if !ok || !b.readStatus(line) {
		return b, false
	}
	vias, cseqs := 0, 0
	for {
		if line, rest, ok = cutCRLF(rest); !ok {
			return b, false
		}
		if len(line) == 0 {
			return b, vias > 0 && cseqs == 1
		}
		name, value, found := bytes.Cut(line, []byte(":"))
		if !found || folded(line[0]) {
			return b, false
		}
		switch line[0] | 0x20 {
		case 'v':
			if vias++; vias == 1 && isVia(name) && !b.readBranch(value) {
				return b, false
			}
		case 'c':
			if bytes.EqualFold(name, []byte("CSeq")) {
				cseqs++
				if !b.readCSeq(value) {
					return b, false
				}
			} else if bytes.EqualFold(name, []byte("Content-Length")) && !isZero(value) {
				return b, false
			}
		case 'l':
			if !isZero(value) {
				return b, false
			}
		case 'r':
			if bytes.EqualFold(name, []byte("Retry-After")) {
				b.retryAfter = parseRetryAfter(trim(string(value)))
			}
		}
	}
}

func (b *brief) readStatus(line []byte) bool {
	const version = "SIP/2.0 "
	if len(line) < len(version)+3 || string(line[:len(version)]) != version {
		return false
	}
	n, err := strconv.ParseUint(string(line[len(version):len(version)+3]), 10, 16)
	after := line[len(version)+3:]
	b.status = int(n)
	// RFC 4475 §3.1.2.19
	return err == nil && n >= 100 && n <= 699 && (len(after) == 0 || after[0] == ' ')
}

// readBranch takes the branch of the first value of a Via line.
func (b *brief) readBranch(value []byte) bool {
	value, _, _ = bytes.Cut(value, []byte(","))
	_, after, found := bytes.Cut(value, []byte(";branch="+branchPrefix))
	if !found || len(after) < 16 || len(after) > 16 && tokenChar(after[16]) {
		return false
	}
	b.branch, found = decodeKey(after[:16])
	return found
}

func (b *brief) readCSeq(value []byte) bool {
	number, method, found := bytes.Cut(bytes.TrimSpace(value), []byte(" "))
	if _, err := strconv.ParseUint(string(number), 10, 32); err != nil || !found {
		return false
	}
	b.method = bytes.TrimLeft(method, " \t")
	return true
}

func isZero(value []byte) bool { return string(bytes.TrimSpace(value)) == "0" }

func folded(first byte) bool { return first == ' ' || first == '\t' }

// cutCRLF takes a line that ends in CR LF, and holds no other, off b.
func cutCRLF(b []byte) (line, rest []byte, ok bool) {
	i := bytes.IndexByte(b, '\n')
	if i < 1 || b[i-1] != '\r' {
		return nil, nil, false
	}
	return b[:i-1], b[i+1:], true
}
