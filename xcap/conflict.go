package xcap

import (
	"errors"
	"net/http"

	"rollcall/internal/xmlscan"
	"rollcall/xcap/usage"
)

// Children of xcap-error besides those that a usage answers with (RFC 4825 §11).
const (
	notWellFormed = "not-well-formed"
	notXMLFrag    = "not-xml-frag"
	noParent      = "no-parent"
	notAttValue   = "not-xml-att-value"
	cannotInsert  = "cannot-insert"
	cannotDelete  = "cannot-delete"
	notUTF8       = "not-utf-8"
)

const (
	errorType      = "application/xcap-error+xml"
	errorNamespace = "urn:ietf:params:xml:ns:xcap-error"
)

// conflict says why a request that is right in itself cannot be done.
type conflict struct {
	usage.Conflict
	ancestor string // of a no-parent: URI of the nearest ancestor there is
}

func newConflict(element, phrase string) *conflict {
	return &conflict{Conflict: usage.Conflict{Element: element, Phrase: phrase}}
}

// response is a 409 with an xcap-error document.
func (c *conflict) response() response {
	b := append(make([]byte, 0, 512), `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+`<xcap-error xmlns="`+errorNamespace+`"><`...)
	b = append(b, c.Element...)
	if c.Phrase != "" {
		b = append(xmlscan.EscapeAttr(append(b, ` phrase="`...), c.Phrase), '"')
	}
	b = append(b, '>')
	if c.ancestor != "" {
		b = appendElement(b, "ancestor", c.ancestor)
	}
	for _, e := range c.Exists {
		b = append(xmlscan.EscapeAttr(append(b, `<exists field="`...), e.Field), `">`...)
		for _, v := range e.AltValues {
			b = appendElement(b, "alt-value", v)
		}
		b = append(b, `</exists>`...)
	}
	b = append(append(append(b, `</`...), c.Element...), `></xcap-error>`+"\n"...)
	return response{status: http.StatusConflict, contentType: errorType, body: b}
}

func appendElement(b []byte, name, text string) []byte {
	b = append(append(append(b, '<'), name...), '>')
	b = xmlscan.Escape(b, text)
	return append(append(append(b, `</`...), name...), '>')
}

// malformed is the conflict for a body, or for the document that it would make,
// that does not scan; element is what to call bad syntax.
func malformed(err error, element string) *conflict {
	var e *xmlscan.Error
	if !errors.As(err, &e) {
		return newConflict(element, err.Error())
	}
	switch e.Kind {
	case xmlscan.NotUTF8:
		element = notUTF8
	case xmlscan.TooLarge:
		element = usage.ConstraintFailure
	case xmlscan.UnboundPrefix:
		if element == notXMLFrag {
			// RFC 4825 does not name the case: the fragment is balanced, but the
			// document would not be namespace-well-formed.
			element = usage.SchemaValidationError
		}
	}
	return newConflict(element, e.Error())
}
