package xmlpatch

import (
	"errors"

	"rollcall/internal/xmlscan"
)

// Names of errors (RFC 5261 §5.1).
const (
	invalidAttributeValue      = "invalid-attribute-value"
	invalidCharacterSet        = "invalid-character-set"
	invalidDiffFormat          = "invalid-diff-format"
	invalidNamespacePrefix     = "invalid-namespace-prefix"
	invalidNamespaceURI        = "invalid-namespace-uri"
	invalidNodeTypes           = "invalid-node-types"
	invalidPatchDirective      = "invalid-patch-directive"
	invalidRootElement         = "invalid-root-element-operation"
	invalidProlog              = "invalid-xml-prolog-operation"
	invalidWhitespaceDirective = "invalid-whitespace-directive"
	unlocatedNode              = "unlocated-node"
	unsupportedID              = "unsupported-id-function"
)

// ErrorType is the media type of Error.Document.
const ErrorType = "application/patch-ops-error+xml"

// Error is why a patch cannot be applied.
type Error struct {
	Element string // child of patch-ops-error
	Phrase  string // for a person to read
	cause   error
}

func (e *Error) Error() string { return e.Element + ": " + e.Phrase }

// Unwrap returns the *xmlscan.Error of a result that is no document, if any.
func (e *Error) Unwrap() error { return e.cause }

// Document is the error as an XML document (RFC 5261 §5).
func (e *Error) Document() []byte {
	b := []byte(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<patch-ops-error xmlns="urn:ietf:params:xml:ns:patch-ops-error"><` + e.Element + ` phrase="`)
	return append(xmlscan.EscapeAttr(b, e.Phrase), "\"/></patch-ops-error>\n"...)
}

func fail(element, phrase string) error { return &Error{Element: element, Phrase: phrase} }

// unscannable is the error for content or for a result that does not scan.
func unscannable(err error) error {
	element := invalidDiffFormat
	var e *xmlscan.Error
	if errors.As(err, &e) {
		switch e.Kind {
		case xmlscan.NotUTF8:
			element = invalidCharacterSet
		case xmlscan.UnboundPrefix:
			element = invalidNamespacePrefix
		case xmlscan.NotFragment:
			element = invalidRootElement
		}
	}
	return &Error{Element: element, Phrase: err.Error(), cause: err}
}
