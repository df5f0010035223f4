package presence

import (
	"errors"
	"slices"

	"rollcall/internal/pidf"
	"rollcall/internal/xmlpatch"
	"rollcall/internal/xmlscan"
	"rollcall/sip/eventstate"
	"rollcall/sip/wire"
)

// Partial publication (RFC 5264) in the format of RFC 5262.
const (
	partialType      = "application/pidf-diff+xml"
	partialNamespace = "urn:ietf:params:xml:ns:pidf-diff"
)

// readPartial makes the whole document that a partial publication leads to.
func (s *Service) readPartial(body []byte, old *publication) ([]byte, error) {
	limits := xmlscan.Limits{Bytes: s.cfg.MaxBody}
	d, err := xmlscan.Scan(body, limits)
	if err != nil {
		return nil, err
	}
	switch {
	case d.Is(0, partialNamespace, "pidf-full"):
		return whole(d), nil
	case !d.Is(0, partialNamespace, "pidf-diff"):
		return nil, errors.New("the root element is neither pidf-full nor pidf-diff")
	case old == nil:
		// RFC 5264 §4.3.2: there is nothing it could be applied to.
		return nil, errors.New("a difference to nothing")
	}
	ops, err := xmlpatch.Parse(d, 0, partialNamespace)
	if err != nil {
		return nil, unpatchable(err)
	}
	patched, err := xmlpatch.Apply(old.Doc.Src, ops, limits)
	if err != nil {
		return nil, unpatchable(err)
	}
	return patched.Src, nil
}

// unpatchable is the answer to a patch that cannot be applied (RFC 5264 §4.3.2,
// RFC 5261 §5).
func unpatchable(err error) error {
	var e *xmlpatch.Error
	if !errors.As(err, &e) {
		return err
	}
	return &eventstate.Refusal{Response: wire.Response{
		Status: 400, Reason: "Patch Not Applicable", ContentType: xmlpatch.ErrorType, Body: e.Document(),
	}}
}

// whole gives a pidf-full document the root element of RFC 3863, which is what
// the selectors of later differences are written for (RFC 5262 §4).
func whole(d *xmlscan.Doc) []byte {
	root := &d.Elements[0]
	name, declaration := "presence", ""
	if prefix, ok := prefixOf(d, pidf.Namespace); !ok {
		prefix = "pidf"
		for taken(d, prefix) {
			prefix += "-"
		}
		name, declaration = prefix+":presence", ` xmlns:`+prefix+`="`+pidf.Namespace+`"`
	} else if prefix != "" {
		name = prefix + ":presence"
	}
	written := len(root.Local)
	if root.Prefix != "" {
		written += len(root.Prefix) + 1
	}
	out := slices.Clone(d.Src[:root.Start+1])
	out = append(out, name...)
	out = append(out, declaration...)
	out = append(out, d.Src[int(root.Start)+1+written:root.EndStart]...)
	if root.SelfClosing {
		return append(out, d.Src[root.End:]...)
	}
	out = append(out, "</"+name+">"...)
	return append(out, d.Src[root.End:]...)
}

// prefixOf returns a prefix that is bound to a namespace at the root.
func prefixOf(d *xmlscan.Doc, space string) (string, bool) {
	for _, b := range d.Scope(0) {
		if b.URI == space {
			return b.Prefix, true
		}
	}
	return "", false
}

// taken reports whether an element anywhere declares a prefix.
func taken(d *xmlscan.Doc, prefix string) bool {
	for i := range d.Elements {
		for _, b := range d.Declared(i) {
			if b.Prefix == prefix {
				return true
			}
		}
	}
	return false
}
