package registrar

import (
	"strconv"
	"strings"
	"time"

	"rollcall/internal/sipuri"
	"rollcall/sip/wire"
)

// contact is one Contact value of a REGISTER.
type contact struct {
	uri      sipuri.URI
	text     string // URI as sent
	params   string // header parameters as sent, without those the registrar sets
	instance string // URN of +sip.instance, without quotes and brackets
	regID    int    // 0: none that counts
	q        int    // thousandths
	lifetime time.Duration
}

// parseContact reads one Contact value; asked is the Expires header or -1.
func (r *Registrar) parseContact(n wire.NameAddr, aor string, asked int64) (contact, *refusal) {
	uri, err := sipuri.Parse(n.URI)
	if err != nil || (uri.Scheme != "sip" && uri.Scheme != "sips") {
		// RFC 4475 §3.3.4: odd schemes in the Contact of a REGISTER.
		return contact{}, refuse(400, "Bad Contact")
	}
	if who, err := sipuri.AOR(n.URI); err == nil && who == aor {
		// RFC 5627 §5.1 for contacts with an instance; from others it would loop too.
		return contact{}, refuse(403, "Contact is the Address of Record")
	}
	c := contact{uri: uri, text: n.URI, params: keptParams(n), q: 1000, lifetime: r.requested(n, asked)}
	if v, ok := n.Param("q"); ok {
		c.q = parseQ(v)
	}
	if v, ok := n.Param("+sip.instance"); ok {
		c.instance = strings.Trim(v, "<>")
	}
	if v, ok := n.Param("reg-id"); ok && c.instance != "" {
		// RFC 5626 §6: a reg-id without an instance is ignored.
		c.regID = parseRegID(v)
	}
	return c, nil
}

// requested returns the lifetime a contact asks for, RFC 3261 §10.3 step 7.
func (r *Registrar) requested(n wire.NameAddr, asked int64) time.Duration {
	if v, ok := n.Param("expires"); ok {
		asked = 3600 // RFC 3261 §10.2.1.1: malformed means 3600
		if s, err := strconv.ParseUint(v, 10, 32); err == nil {
			asked = int64(s)
		}
	}
	if asked < 0 {
		return r.cfg.DefaultExpires
	}
	return min(time.Duration(asked)*time.Second, r.cfg.MaxExpires)
}

// tooBrief reports what RFC 3261 §10.3 step 7 lets a registrar refuse with 423:
// less than the minimum and less than an hour.
func (r *Registrar) tooBrief(c contact) bool {
	return c.lifetime > 0 && c.lifetime < time.Hour && c.lifetime < r.cfg.MinExpires
}

// parseQ reads a qvalue (RFC 3261 §25.1) in thousandths; what is none counts as 1.
func parseQ(s string) int {
	whole, frac, _ := strings.Cut(s, ".")
	if (whole != "0" && whole != "1") || len(frac) > 3 {
		return 1000
	}
	n, err := strconv.ParseUint((whole + frac + "000")[:4], 10, 32)
	if err != nil || n > 1000 {
		return 1000
	}
	return int(n)
}

// parseRegID reads 1 .. 2^31-1 (RFC 5626 §4.2), else 0.
func parseRegID(s string) int {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0
	}
	return int(n)
}

// keptParams returns the parameters that come back in the answer, as they were
// sent (RFC 4475 §3.3.12). Expiry and GRUUs are the registrar's to set.
func keptParams(n wire.NameAddr) string {
	var b strings.Builder
	for rest := paramText(n.Raw); rest != ""; {
		end := paramEnd(rest)
		name, _, _ := strings.Cut(rest[1:end], "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "expires", "pub-gruu", "temp-gruu":
		default:
			b.WriteString(rest[:end])
		}
		rest = rest[end:]
	}
	return b.String()
}

// paramText returns what follows the URI of a valid Contact value, from its first
// semicolon on.
func paramText(raw string) string {
	quoted := false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '<':
			i += max(0, strings.IndexByte(raw[i:], '>'))
		case c == ';':
			return raw[i:]
		}
	}
	return ""
}

// paramEnd returns where the parameter at the start of s, a semicolon, ends.
func paramEnd(s string) int {
	quoted := false
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == ';' && !quoted:
			return i
		}
	}
	return len(s)
}
