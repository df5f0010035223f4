package wire

import (
	"encoding/hex"
	"errors"
	"hash/maphash"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// ErrAnswered: a final response was given before; the first one stands.
var ErrAnswered = errors.New("request already answered")

// Response is the answer to a request. Via, Record-Route, From, To, Call-ID and
// CSeq come from the request.
type Response struct {
	Status      int
	Reason      string // "": the standard phrase
	ToTag       string // "": a tag derived from the request
	Headers     []Header
	Body        []byte
	ContentType string
	// KeepAlive says, in seconds, how often the next hop should send the keep-alives
	// that it has offered (RFC 6223 §4.4); "0": as it likes; "": they are not wanted.
	KeepAlive string
}

// Respond sends the response and keeps it for retransmissions of the request.
// The first final response wins; later ones are ErrAnswered.
func (r *Request) Respond(resp Response) error {
	if r.Method == "ACK" {
		return nil
	}
	if resp.Status >= 200 && !r.answered.CompareAndSwap(0, int32(resp.Status)) || resp.Status < 200 && r.Responded() {
		return ErrAnswered
	}
	if resp.Status >= 200 && r.watched != nil {
		r.watched.request.Store(nil)
	}
	room := scratch.Get().(*buffer)
	defer room.release()
	room.b = r.render(room.b[:0], resp)
	if r.tx != (txKey{}) {
		r.endpoint.server.answer(r.tx, room.b, resp.Status >= 200)
	}
	if r.endpoint != nil && resp.Status >= 200 {
		r.endpoint.answered.count(r.Method, resp.Status)
		r.endpoint.metrics.SIPSeconds.Observe(time.Since(r.Received).Seconds())
	}
	return r.Flow.out.send(room.b, r.replyTo())
}

// replyTo: RFC 3261 §18.2.2 and RFC 3581 §4. A maddr in the Via is not followed:
// it serves multicast, where we never listen, and would send answers to third parties.
func (r *Request) replyTo() netip.AddrPort {
	if r.Flow.Reliable() {
		return r.Flow.Remote()
	}
	return r.top.replyTo(r.Flow.Remote())
}

// replyTo returns where a response to a request over UDP goes.
func (v *via) replyTo(to netip.AddrPort) netip.AddrPort {
	if v.rport || v.raw == "" {
		return to
	}
	port := v.port
	if port == 0 {
		port = 5060
	}
	return netip.AddrPortFrom(to.Addr(), uint16(port))
}

// Overloaded is the answer to what there is no room for now. It spreads the retries
// of those that are turned away over some seconds (RFC 3261 §21.5.4).
func Overloaded() Response {
	return Response{Status: 503, Headers: []Header{{"Retry-After", strconv.Itoa(2 + rand.IntN(13))}}}
}

// render appends the response to b.
func (r *Request) render(b []byte, resp Response) []byte {
	b = append(b, "SIP/2.0 "...)
	b = strconv.AppendInt(b, int64(resp.Status), 10)
	b = append(b, ' ')
	if resp.Reason == "" || !cleanLine(resp.Reason) {
		resp.Reason = Phrase(resp.Status)
	}
	b = append(b, resp.Reason...)
	b = append(b, "\r\n"...)
	b = r.appendEchoed(b, &resp)
	for _, h := range resp.Headers {
		if !isToken(h.Name) || !cleanLine(h.Value) {
			slog.Error("response header with forbidden characters left out", "name", h.Name)
			continue
		}
		b = appendHeader(b, h.Name, h.Value)
	}
	if len(resp.Body) > 0 && cleanLine(resp.ContentType) {
		b = appendHeader(b, "Content-Type", resp.ContentType)
	}
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, int64(len(resp.Body)), 10)
	b = append(b, "\r\n\r\n"...)
	return append(b, resp.Body...)
}

// appendEchoed copies what RFC 3261 §8.2.6.2 and §12.1.1 want copied. A header
// the request lacks, or had twice, is echoed as far as it is there.
func (r *Request) appendEchoed(b []byte, resp *Response) []byte {
	var once [4]bool
	dialog := r.formsDialog(resp)
	firstVia := true
	for i := range r.lines {
		name, value := longName(r.lines[i].Name), r.lines[i].Value
		switch {
		case sameName(name, "Via"):
			if firstVia {
				b = r.appendTopVia(b, value, resp.KeepAlive)
				firstVia = false
			} else {
				b = appendHeader(b, "Via", value)
			}
		case sameName(name, "From") && !once[0]:
			once[0] = true
			b = appendHeader(b, "From", value)
		case sameName(name, "To") && !once[1]:
			once[1] = true
			b = r.appendTo(b, value, resp)
		case sameName(name, "Call-ID") && !once[2]:
			once[2] = true
			b = appendHeader(b, "Call-ID", value)
		case sameName(name, "CSeq") && !once[3]:
			once[3] = true
			b = appendHeader(b, "CSeq", value)
		case dialog && sameName(name, "Record-Route"):
			b = appendHeader(b, "Record-Route", value)
		}
	}
	return b
}

// formsDialog: RFC 3261 §12.1.1: Record-Route is copied into responses that
// establish a dialog, unless the caller does it.
func (r *Request) formsDialog(resp *Response) bool {
	if resp.Status <= 100 || resp.Status >= 300 || r.Method != "SUBSCRIBE" {
		return false
	}
	for _, h := range resp.Headers {
		if sameName(h.Name, "Record-Route") {
			return false
		}
	}
	return true
}

// appendTopVia writes the line that has the top Via, which may hold further ones.
func (r *Request) appendTopVia(b []byte, line, keepAlive string) []byte {
	if r.top.raw == "" {
		return appendHeader(b, "Via", line)
	}
	b = append(b, "Via: "...)
	b = r.top.appendTo(b, r.Flow.Remote(), keepAlive)
	if i := strings.Index(line, r.top.raw); i >= 0 {
		b = append(b, line[i+len(r.top.raw):]...)
	}
	return append(b, "\r\n"...)
}

func (r *Request) appendTo(b []byte, value string, resp *Response) []byte {
	b = append(b, "To: "...)
	b = append(b, value...)
	if resp.Status > 100 && !r.hasToTag(value) {
		b = append(b, ";tag="...)
		if resp.ToTag != "" && isToken(resp.ToTag) {
			b = append(b, resp.ToTag...)
		} else {
			b = r.appendStatelessTag(b)
		}
	}
	return append(b, "\r\n"...)
}

// hasToTag goes by the text when To could not be read.
func (r *Request) hasToTag(value string) bool {
	if r.To.Raw == "" {
		return strings.Contains(strings.ToLower(value), ";tag=")
	}
	return r.To.Tag() != ""
}

// tagSeed makes stateless tags unpredictable and the same for retransmissions.
var tagSeed = maphash.MakeSeed()

// appendStatelessTag derives a To tag from the request, RFC 3261 §8.2.7.
func (r *Request) appendStatelessTag(b []byte) []byte {
	var h maphash.Hash
	h.SetSeed(tagSeed)
	for _, s := range [...]string{r.Header("Call-ID"), r.Header("From"), r.Header("CSeq")} {
		h.WriteString(s)
		h.WriteByte(0)
	}
	var sum [8]byte
	return hex.AppendEncode(b, h.Sum(sum[:0]))
}

func appendHeader(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, "\r\n"...)
}
