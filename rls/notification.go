package rls

import (
	"bytes"
	"strconv"
	"strings"

	"rollcall/internal/resourcelist"
	"rollcall/internal/sipuri"
	"rollcall/internal/xmlscan"
	"rollcall/sip/event"
)

// notification is the content of one NOTIFY: resources, and the documents of
// those that are active.
type notification struct {
	full      bool
	limit     int
	version   uint32 // of the NOTIFY
	title     resourcelist.Name
	size      int // upper bound of the body
	cidSize   int // upper bound of a Content-ID
	partSize  int // upper bound of what stands around a document
	documents int
	crowded   bool // another NOTIFY has more room
	resources []resource
	rest      []*member // did not fit
}

type resource struct {
	member *member
	state  state
	document
}

// maxDocuments bounds the parts of one NOTIFY: to take them apart is work for the
// client, and to make them for us.
const maxDocuments = 1000

// Upper bounds of what stands around resources and documents, besides Content-IDs
// and the boundary.
const (
	frameSize    = 320 // delimiters and header of the root part, the list element without uri and name
	partSize     = 144 // delimiter and header of a part, without the media type
	instanceSize = 80  // an instance without reason
)

func (l *list) newNotification(full bool, limit int, version uint32) *notification {
	const digits = len(".4294967295.4294967295") // as in render
	id := len(l.sub.ID) + digits
	n := &notification{full: full, limit: limit, version: version}
	n.cidSize = id + len("@") + max(len(l.at.resource), len(noDomain))
	n.partSize = partSize + id + n.cidSize
	n.size = frameSize + n.partSize + xmlscan.EscapedLen(l.at.resource)
	return n
}

// entitle tells the name of the list, as far as there is room.
func (n *notification) entitle(l *list) {
	l.sum.toggleTitle(l.title)
	l.title = l.name
	l.sum.toggleTitle(l.title)
	if size := nameSize(l.name); size <= n.limit/8 {
		n.title = l.name
		n.size += size
	}
}

// empty reports whether there is nothing to tell.
func (n *notification) empty() bool { return len(n.resources) == 0 && n.title == (resourcelist.Name{}) }

// add adds a resource if there is room for it and another reserve bytes.
func (n *notification) add(m *member, s state, doc document, reserve int) bool {
	size := m.briefSize()
	if s.instance {
		size += instanceSize + n.cidSize + xmlscan.EscapedLen(s.reason)
	}
	if doc.body != nil {
		size += n.partSize + len(doc.contentType) + len(doc.body)
	}
	if n.size+size+reserve > n.limit || doc.body != nil && n.documents == maxDocuments {
		return false
	}
	if doc.body != nil {
		n.documents++
	}
	n.size += size
	n.resources = append(n.resources, resource{m, s, doc})
	return true
}

// render writes the multipart body. RFC 4662 §5, RFC 2387 §3. version is that of
// the list, which in a NOTIFY with lists in the list need not be its own.
func (n *notification) render(l *list, version uint32) (contentType string, body []byte) {
	// Unique over all time: a subscription's id is, and no version comes twice.
	id := l.sub.ID
	stem := id + "." + strconv.FormatUint(uint64(n.version), 10)
	if l.in != nil {
		id += "." + strconv.Itoa(l.nest.number)
		stem += "." + strconv.Itoa(l.nest.number)
	}
	stem += "@" + idDomain(l.at.resource)
	root := "list." + stem
	cids := make([]string, len(n.resources))
	for i := range n.resources {
		if n.resources[i].state.state == event.Active && n.resources[i].state.instance {
			cids[i] = "m" + strconv.Itoa(i) + "." + stem
		}
	}
	rlmi := n.rlmi(l.at.resource, version, cids)
	boundary := n.boundary(rlmi, id)

	b := make([]byte, 0, n.size)
	b = appendPart(b, boundary, "Content-ID: <"+root+">", typeRLMI+charset, rlmi)
	for i := range n.resources {
		if cids[i] != "" {
			id := "Content-ID: <" + cids[i] + ">"
			if l.at.linphone {
				// It finds documents by a bare id, by this spelling of its name.
				id = "Content-Id: " + cids[i]
			}
			b = appendPart(b, boundary, id, withCharset(n.resources[i].contentType), n.resources[i].body)
		}
	}
	b = append(b, "--"...)
	b = append(b, boundary...)
	b = append(b, "--\r\n"...)
	// The boundary is a token, and stands without quotes: Linphone takes them to be
	// part of it.
	contentType = typeMultipart + `;type="` + typeRLMI + `";start="<` + root + `>";boundary=` + boundary
	return contentType, b
}

// rlmi writes the list element. RFC 4662 §5.1.
func (n *notification) rlmi(list string, version uint32, cids []string) []byte {
	b := make([]byte, 0, 256+192*len(n.resources))
	b = append(b, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+`<list xmlns="urn:ietf:params:xml:ns:rlmi" uri="`...)
	b = xmlscan.EscapeAttr(b, list)
	b = append(b, `" version="`...)
	b = strconv.AppendUint(b, uint64(version), 10)
	b = append(b, `" fullState="`...)
	b = strconv.AppendBool(b, n.full)
	b = append(b, "\">\n"...)
	b = appendName(b, n.title)
	for i := range n.resources {
		r := &n.resources[i]
		b = r.member.appendResource(b, r.state, cids[i])
	}
	return append(b, "</list>\n"...)
}

// boundary returns a delimiter that occurs in no part. RFC 2046 §5.1.1.
func (n *notification) boundary(rlmi []byte, id string) string {
	for i := 0; ; i++ {
		boundary := "b" + strconv.Itoa(i) + "." + id
		delimiter := []byte("--" + boundary)
		clash := bytes.Contains(rlmi, delimiter)
		for r := range n.resources {
			clash = clash || bytes.Contains(n.resources[r].body, delimiter)
		}
		if !clash {
			return boundary
		}
	}
}

// appendPart appends one part as it is: no transfer encoding but binary.
func appendPart(b []byte, boundary, id, mediaType string, body []byte) []byte {
	b = append(b, "--"...)
	b = append(b, boundary...)
	b = append(b, "\r\nContent-Transfer-Encoding: binary\r\n"...)
	b = append(b, id...)
	b = append(b, "\r\nContent-Type: "...)
	b = append(b, mediaType...)
	b = append(b, "\r\n\r\n"...)
	b = append(b, body...)
	return append(b, "\r\n"...)
}

const charset = `;charset="UTF-8"`

// withCharset says of XML documents what their media types leave open.
func withCharset(contentType string) string {
	if strings.HasSuffix(contentType, "+xml") {
		return contentType + charset
	}
	return contentType
}

// idDomain is the right-hand side of Content-IDs: the host of the list.
func idDomain(list string) string {
	_, host := sipuri.Split(list)
	if strings.ContainsAny(host, ":[]") {
		return noDomain
	}
	return host
}

// noDomain stands for an address literal, which is no domain.
const noDomain = "list.invalid"
