package wire

import (
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"rollcall/internal/sipuri"
)

// Handler takes the requests that are valid. ServeSIP is called on the goroutine
// that reads the flow, so requests of one connection come in order; it must
// not block.
type Handler interface{ ServeSIP(*Request) }

// Request is a valid SIP request. Its fields are not changed after parsing and
// share no memory with the receive buffer; all strings are parts of one copy of
// the header section, so clone what outlives the request by far.
type Request struct {
	Method      string
	RequestURI  string // as written
	URI         sipuri.URI
	From, To    NameAddr
	CallID      string
	CSeq        uint32
	MaxForwards int // 70 when absent

	Contacts    []NameAddr
	ContactStar bool  // "*" is among the contacts
	Expires     int64 // -1: absent; malformed: 3600, RFC 3261 §10.3
	Event       string
	EventParams []sipuri.Param

	ContentType    string // media type in lower case without parameters
	ContentTypeRaw string
	Body           []byte
	Flow           *Flow
	Received       time.Time

	lines    []Header
	top      via // zero when the top Via is malformed
	endpoint *Endpoint
	tx       txKey        // zero: none is kept
	answered atomic.Int32 // status of the final response
	watched  *watched     // nil until it is watched for being slow
}

// Header returns the value of a header, all its lines joined with commas, or ""
// when it is absent. name is the long form in any case. It must not be used for
// credentials and challenges, whose lines cannot be joined: see Each.
func (r *Request) Header(name string) string {
	return joinHeader(r.lines, name)
}

// Each returns the values of all lines of a header, unsplit.
func (r *Request) Each(name string) []string {
	var out []string
	for i := range r.lines {
		if sameName(longName(r.lines[i].Name), name) {
			out = append(out, r.lines[i].Value)
		}
	}
	return out
}

// Values returns the elements of a list header over all its lines, in order.
func (r *Request) Values(name string) []string {
	return listValues(r.lines, name)
}

// Lines returns every header line as received, unfolded, in order. The caller
// must not change it.
func (r *Request) Lines() []Header { return r.lines }

// EventID returns the id parameter of the Event header, or "".
func (r *Request) EventID() string {
	id, _ := findParam(r.EventParams, "id")
	return id
}

// HasOption reports whether a list header such as Supported contains option.
func (r *Request) HasOption(header, option string) bool {
	for i := range r.lines {
		if !sameName(longName(r.lines[i].Name), header) {
			continue
		}
		for v := range strings.SplitSeq(r.lines[i].Value, ",") {
			if strings.EqualFold(trim(v), option) {
				return true
			}
		}
	}
	return false
}

// Unsupported returns the option tags of Require that are not among known: what
// a 420 (Bad Extension) names, RFC 3261 §8.2.2.3.
func (r *Request) Unsupported(known ...string) []string {
	var out []string
	for _, tag := range r.Values("Require") {
		if !slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, tag) }) {
			out = append(out, tag)
		}
	}
	return out
}

// Branch returns the branch of the top Via: with it, another copy of the request
// is the same transaction; without, it took another way. "" when there is none.
func (r *Request) Branch() string { return r.top.branch }

// Marked reports whether an Outgoing with this Mark is where r comes from.
func (r *Request) Marked(mark string) bool {
	for _, line := range r.Values("Via") {
		v, err := parseVia(line)
		if err != nil {
			continue
		}
		if _, ours := parseBranch(v.branch); ours && v.branch[branchLen:] == "."+mark {
			return true
		}
	}
	return false
}

// Responded reports whether a final response was given.
func (r *Request) Responded() bool { return r.answered.Load() != 0 }

// Status returns the status of the final response that was given, 0 before.
func (r *Request) Status() int { return int(r.answered.Load()) }

func joinHeader(lines []Header, name string) string {
	value, more := "", false
	for i := range lines {
		if !sameName(longName(lines[i].Name), name) {
			continue
		}
		if more {
			value += ", " + lines[i].Value
		} else {
			value, more = lines[i].Value, true
		}
	}
	return value
}
