package wire

import (
	"bytes"
	"errors"
	"strings"
)

// errFraming: the stream is out of step or not SIP; the connection must go.
var errFraming = errors.New("stream cannot be framed")

// framer cuts a byte stream into messages, RFC 3261 §18.3. Feed it with what was
// read and take frames until there is none.
type framer struct {
	max     int // bytes of a message
	buf     []byte
	start   int // of the current message within buf
	scanned int // bytes of it that hold no blank line
	total   int // its length, once the header section is complete
	crlfs   int // line ends seen between messages
}

// frame is what next found: a message, a keep-alive ping, or neither.
type frame struct {
	message []byte // valid until the next feed
	ping    bool
	// fatal: the end of message is unknown, because its length is missing, wrong or
	// too large. It is owed an answer; nothing after it can be read.
	fatal    bool
	tooLarge bool
}

// feed appends bytes from the stream.
func (f *framer) feed(b []byte) {
	if f.start > 0 {
		n := copy(f.buf, f.buf[f.start:])
		f.buf, f.start = f.buf[:n], 0
	}
	f.buf = append(f.buf, b...)
}

// partial reports whether a message is incomplete.
func (f *framer) partial() bool { return len(f.buf) > f.start }

// idle gives the buffer up when it is empty and large.
func (f *framer) idle() {
	if !f.partial() && cap(f.buf) > 16<<10 {
		f.buf, f.start = nil, 0
	}
}

// next returns the next frame; ok is false when more bytes are needed.
func (f *framer) next() (fr frame, ok bool, err error) {
	if f.total == 0 && f.scanned == 0 && f.keepAlive() {
		return frame{ping: true}, true, nil
	}
	data := f.buf[f.start:]
	if len(data) == 0 || len(data) == 1 && data[0] == '\r' && f.scanned == 0 {
		return frame{}, false, nil
	}
	if f.total == 0 {
		if fr, ok, err := f.head(data); ok || err != nil || f.total == 0 {
			return fr, ok, err
		}
	}
	if len(data) < f.total {
		return frame{}, false, nil
	}
	fr.message = data[:f.total]
	f.start += f.total
	f.total, f.scanned, f.crlfs = 0, 0, 0
	return fr, true, nil
}

// keepAlive skips line ends before a start line. Two in a row are a ping, RFC
// 5626 §4.4.1; it reports true once for each.
func (f *framer) keepAlive() bool {
	for len(f.buf) >= f.start+2 && f.buf[f.start] == '\r' && f.buf[f.start+1] == '\n' {
		f.start += 2
		if f.crlfs++; f.crlfs == 2 {
			f.crlfs = 0
			return true
		}
	}
	return false
}

// head looks for the end of the header section and from there for the length.
func (f *framer) head(data []byte) (fr frame, ok bool, err error) {
	if err := checkStart(data); err != nil {
		return frame{}, false, err
	}
	window := data[:min(len(data), maxHead+4)]
	from := max(f.scanned-3, 0)
	i := bytes.Index(window[from:], []byte("\r\n\r\n"))
	if i < 0 {
		f.scanned = len(window)
		if len(data) >= maxHead {
			f.start = len(f.buf)
			return frame{message: data, fatal: true}, true, nil
		}
		return frame{}, false, nil
	}
	head := from + i + 4
	length, valid := contentLength(data[:head])
	if !valid || length > f.max-head {
		f.start = len(f.buf)
		return frame{message: data[:head], fatal: true, tooLarge: valid}, true, nil
	}
	f.total = head + length
	return frame{}, false, nil
}

// checkStart gives up on what is no SIP (TLS, HTTP, noise) as soon as it shows.
func checkStart(data []byte) error {
	if !tokenChar(data[0]) {
		return errFraming
	}
	line, _, complete := bytes.Cut(data[:min(len(data), maxLine)], []byte("\r\n"))
	if complete && !plausibleStart(data) || !complete && len(line) == maxLine {
		return errFraming
	}
	return nil
}

// contentLength finds the one length of a header section. It is invalid when
// missing, malformed or stated differently twice.
func contentLength(head []byte) (n int, valid bool) {
	_, rest, _ := strings.Cut(string(head), "\r\n")
	for rest != "" {
		var line string
		line, rest = cutLine(rest)
		name, value, ok := strings.Cut(line, ":")
		if !ok || !sameName(longName(trim(name)), "Content-Length") {
			continue
		}
		if strings.IndexByte(value, '\r') >= 0 {
			value = unfold(value)
		}
		got, err := parseLength(trim(value))
		if err != nil || valid && got != n {
			return 0, false
		}
		n, valid = got, true
	}
	return n, valid
}
