package reg

import (
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"rollcall/internal/xmlscan"
	"rollcall/sip/wire"
)

const (
	namespace     = "urn:ietf:params:xml:ns:reginfo"
	gruuNamespace = "urn:ietf:params:xml:ns:gruuinfo"
)

// document collects the contact elements of one document.
type document struct {
	now      time.Time
	contacts []byte
}

// contact writes one contact element.
func (d *document) contact(c *Contact, state, what string) {
	b := d.contacts
	b = attr(append(b, "<contact"...), "id", hash(c.ID))
	b = attr(b, "state", state)
	b = attr(b, "event", what)
	if left := c.Ends.Sub(d.now); state == "active" {
		b = attr(b, "expires", seconds(left))
	}
	if !c.Registered.IsZero() && c.Registered.Before(d.now) {
		b = attr(b, "duration-registered", seconds(d.now.Sub(c.Registered)))
	}
	if c.Q != 1000 {
		b = attr(b, "q", strconv.FormatFloat(float64(c.Q)/1000, 'f', -1, 64))
	}
	b = attr(b, "callid", c.CallID)
	b = attr(b, "cseq", strconv.FormatUint(uint64(c.CSeq), 10))
	b = append(b, ">\n<uri>"...)
	b = xmlscan.Escape(b, c.Contact)
	b = append(b, "</uri>\n"...)
	b = unknownParams(b, c)
	if state == "active" {
		b = gruus(b, c)
	}
	d.contacts = append(b, "</contact>\n"...)
}

// unknownParams writes the Contact parameters that RFC 3261 does not define, as
// they were sent, quotes included (RFC 5628 §4).
func unknownParams(b []byte, c *Contact) []byte {
	n, err := wire.ParseNameAddr("<" + c.Contact + ">" + c.Params)
	if err != nil {
		return b
	}
	for _, p := range n.Params {
		if p.Name == "q" || p.Name == "expires" {
			continue
		}
		b = attr(append(b, "<unknown-param"...), "name", p.Name)
		b = append(b, '>')
		value := p.Value
		if needsQuotes(value) {
			value = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
		}
		b = xmlscan.Escape(b, value)
		b = append(b, "</unknown-param>\n"...)
	}
	return b
}

// needsQuotes reports whether a parameter value is no token.
func needsQuotes(value string) bool {
	for i := range len(value) {
		c := value[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && strings.IndexByte("-.!%*_+`'~", c) < 0 {
			return true
		}
	}
	return false
}

// gruus writes the extension of RFC 5628 §3.
func gruus(b []byte, c *Contact) []byte {
	if c.PublicGRUU != "" {
		b = append(attr(append(b, "<gr:pub-gruu"...), "uri", c.PublicGRUU), "/>\n"...)
	}
	if c.TemporaryGRUU != "" {
		b = attr(append(b, "<gr:temp-gruu"...), "uri", c.TemporaryGRUU)
		b = append(attr(b, "first-cseq", strconv.FormatUint(uint64(c.EraCSeq), 10)), "/>\n"...)
	}
	return b
}

// finish returns the whole document.
func (d *document) finish(version uint32, full bool, aor, state string) []byte {
	extent := "partial"
	if full {
		extent = "full"
	}
	b := make([]byte, 0, len(d.contacts)+2*len(aor)+320)
	b = append(b, `<?xml version="1.0" encoding="UTF-8"?>`+"\n<reginfo"+` xmlns="`+namespace+`" xmlns:gr="`+gruuNamespace+`"`...)
	b = attr(b, "version", strconv.FormatUint(uint64(version), 10))
	b = attr(b, "state", extent)
	b = attr(append(b, ">\n<registration"...), "aor", aor)
	b = attr(b, "id", hash(aor))
	b = attr(b, "state", state)
	b = append(b, ">\n"...)
	b = append(b, d.contacts...)
	return append(b, "</registration>\n</reginfo>\n"...)
}

// attr writes one attribute.
func attr(b []byte, name, value string) []byte {
	b = append(b, ' ')
	b = append(b, name...)
	b = append(b, '=', '"')
	b = xmlscan.EscapeAttr(b, value)
	return append(b, '"')
}

// hash makes an identifier without characters that a reader may not expect.
func hash(s string) string {
	h := fnv.New64a()
	h.Write([]byte(s))
	return "r" + strconv.FormatUint(h.Sum64(), 36)
}

// seconds writes a duration in whole seconds, rounded up.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64(max(0, (d+time.Second-1)/time.Second)), 10)
}
