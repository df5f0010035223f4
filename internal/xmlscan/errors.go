package xmlscan

import (
	"fmt"
	"strings"
)

// Kind says in which way a document was refused.
type Kind int

// Kinds of refusal.
const (
	NotWellFormed Kind = iota // breaks the XML or Namespaces in XML grammar
	NotUTF8                   // invalid UTF-8, or another encoding is declared
	TooLarge                  // a limit is exceeded
	DTD                       // has a document type declaration
	UnboundPrefix             // uses a prefix that nothing declares
	NotFragment               // more or other than exactly one element
)

// String names the kind.
func (k Kind) String() string {
	switch k {
	case NotUTF8:
		return "not UTF-8"
	case TooLarge:
		return "too large"
	case DTD:
		return "document type declaration"
	case UnboundPrefix:
		return "unbound prefix"
	case NotFragment:
		return "not one element"
	default:
		return "not well-formed"
	}
}

// Error is why and where a document was refused.
type Error struct {
	Kind   Kind
	Offset int // in bytes
	Line   int // from 1
	Msg    string
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %s: %s", e.Line, e.Kind, e.Msg) }

func (sc *scanner) fail(kind Kind, offset int, msg string) error {
	offset = min(offset, len(sc.s))
	return &Error{Kind: kind, Offset: offset, Line: 1 + strings.Count(sc.s[:offset], "\n"), Msg: msg}
}

func (sc *scanner) malformed(offset int, msg string) error {
	return sc.fail(NotWellFormed, offset, msg)
}
