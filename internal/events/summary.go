package events

import (
	"strings"

	"rollcall/internal/xmlscan"
)

// Namespaces of presence documents.
const (
	pidfNS   = "urn:ietf:params:xml:ns:pidf"
	personNS = "urn:ietf:params:xml:ns:pidf:data-model"
	rpidNS   = "urn:ietf:params:xml:ns:pidf:rpid"
)

// summary is the gist of a presence document, for clients that read no XML.
type summary struct {
	Basic      string   `json:"basic,omitempty"`      // open if any service is (RFC 3863 §4.1.4)
	Activities []string `json:"activities,omitempty"` // RFC 4480 §3.2
	Note       string   `json:"note,omitempty"`       // the first
}

// summarize reads a presence document; what cannot be read has no summary.
func summarize(pidf []byte) (s summary) {
	d, err := xmlscan.Scan(pidf, xmlscan.DefaultLimits())
	if err != nil || !d.Is(0, pidfNS, "presence") {
		return s
	}
	s.Basic = "closed"
	for i := range d.Elements {
		switch {
		case d.Is(i, pidfNS, "basic"):
			if strings.TrimSpace(d.Text(i)) == "open" {
				s.Basic = "open"
			}
		case d.Is(i, pidfNS, "note"), d.Is(i, personNS, "note"):
			if s.Note == "" {
				s.Note = strings.TrimSpace(d.Text(i))
			}
		case d.Is(i, rpidNS, "activities"):
			for child := range d.Children(i) {
				if e := &d.Elements[child]; e.Local != "note" {
					s.Activities = append(s.Activities, strings.Clone(e.Local))
				}
			}
		}
	}
	s.Note = strings.Clone(s.Note)
	return s
}
