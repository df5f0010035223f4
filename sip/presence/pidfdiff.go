package presence

import (
	"bytes"
	"strconv"

	"rollcall/internal/xmlpatch"
	"rollcall/internal/xmlscan"
)

// versioned is a document of RFC 5262 but for its version, which is that of a
// subscription.
type versioned struct{ before, after []byte }

func (v *versioned) size() int { return len(v.before) + len(v.after) }

// at returns the document with a version.
func (v *versioned) at(version uint32) []byte {
	b := make([]byte, 0, v.size()+10)
	b = strconv.AppendUint(append(b, v.before...), uint64(version), 10)
	return append(b, v.after...)
}

// pidfFull gives a presence document the root element pidf-full (RFC 5262 §3). All
// else stays as it is: later selectors count on it.
func pidfFull(d *xmlscan.Doc) *versioned {
	prefix := freePrefix(d)
	name := prefix + ":pidf-full"
	root := &d.Elements[0]
	written := int32(len(root.Local))
	if root.Prefix != "" {
		written += int32(len(root.Prefix)) + 1
	}
	tagEnd := root.StartEnd - 1
	if root.SelfClosing {
		tagEnd--
	}
	b := bytes.Clone(d.Src[:root.Start+1])
	b = append(b, name...)
	b = append(b, d.Src[root.Start+1+written:tagEnd]...)
	b = append(b, " xmlns:"+prefix+`="`+partialNamespace+`" version="`...)
	full := &versioned{before: b}
	full.after = append(full.after, `">`...)
	full.after = append(full.after, d.Src[root.StartEnd:max(root.StartEnd, root.EndStart)]...)
	full.after = append(full.after, "</"+name+">"...)
	full.after = append(full.after, d.Src[root.End:]...)
	return full
}

// pidfDiff makes a pidf-diff that turns an older document into d, nil when there is
// none that is much smaller than d.
func pidfDiff(old []byte, d *xmlscan.Doc) *versioned {
	ops, ok := xmlpatch.Diff(old, d.Src)
	if !ok {
		return nil
	}
	prefix := freePrefix(d)
	for bytes.Contains(old, []byte("xmlns:"+prefix)) {
		prefix += "p" // operations may name what is gone
	}
	around := append([]xmlscan.Binding{{Prefix: prefix, URI: partialNamespace}}, d.Scope(0)...)
	b := append([]byte(nil), `<?xml version="1.0" encoding="UTF-8"?>`+"\n<"+prefix+":pidf-diff"...)
	for _, n := range around {
		name := "xmlns"
		if n.Prefix != "" {
			name += ":" + n.Prefix
		}
		b = append(b, " "+name+`="`...)
		b = append(xmlscan.EscapeAttr(b, n.URI), '"')
	}
	if entity, ok := d.Attr(0, "", "entity"); ok {
		b = append(b, ` entity="`...)
		b = append(xmlscan.EscapeAttr(b, entity), '"')
	}
	diff := &versioned{before: append(b, ` version="`...)}
	diff.after = append(diff.after, "\">\n"...)
	for i := range ops {
		diff.after = append(ops[i].AppendIn(diff.after, prefix, around), '\n')
	}
	diff.after = append(diff.after, "</"+prefix+":pidf-diff>\n"...)
	return diff
}

// freePrefix returns a prefix that nothing in d declares.
func freePrefix(d *xmlscan.Doc) string {
	prefix := "p"
	for taken(d, prefix) {
		prefix += "p"
	}
	return prefix
}
