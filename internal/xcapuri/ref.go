package xcapuri

import "strings"

// ParseRef takes a reference in a document apart: an absolute URL, whose host
// does not matter but whose path must lie under one of the roots, or a path
// relative to the first root. Clients write brackets and quotes raw or encode
// the whole reference, its scheme included; both are understood.
func ParseRef(ref string, roots []string) (Request, error) {
	ref = strings.TrimSpace(ref)
	if len(ref) > maxReference {
		return Request{}, malformed("reference too long")
	}
	if hasPrefixFold(ref, "http%3a%2f%2f") || hasPrefixFold(ref, "https%3a%2f%2f") {
		decoded, err := decode(ref)
		if err != nil {
			return Request{}, err
		}
		ref = decoded
	}
	ref, _, _ = strings.Cut(ref, "#")
	path, query, _ := strings.Cut(ref, "?")
	if absolute, ok := referencePath(path); ok {
		path = absolute
	}
	var root, rest string
	if strings.HasPrefix(path, "/") {
		var ok bool
		if root, rest, ok = cutRoot(path, roots); !ok {
			return Request{}, nothing("reference leaves this server's XCAP root")
		}
	} else {
		if len(roots) == 0 {
			return Request{}, nothing("no XCAP root")
		}
		root, rest = strings.TrimSuffix(RootPath(roots[0]), "/"), path
	}
	r, node, err := documentSelector(rest)
	r.Root = root
	if err != nil || node == nil {
		return r, err
	}
	text, encodedQuery := cutEncodedQuery(*node)
	if query == "" {
		query = encodedQuery
	}
	return r.withNode(text, query)
}

const maxReference = 8 << 10

// referencePath returns the path of an absolute URL whose colons may be encoded.
func referencePath(ref string) (string, bool) {
	first, rest, ok := strings.Cut(ref, "//")
	if !ok {
		return "", false
	}
	scheme, err := decode(first)
	if err != nil || !strings.HasSuffix(scheme, ":") || !isHTTP(scheme[:len(scheme)-1]) {
		return "", false
	}
	if _, path, ok := strings.Cut(rest, "/"); ok {
		return "/" + path, true
	}
	return "/", true
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// cutEncodedQuery splits a node selector whose question mark was encoded
// together with the rest, as long as it stands outside brackets.
func cutEncodedQuery(node string) (text, query string) {
	for at := 0; ; at += 3 {
		i := strings.Index(node[at:], "%3")
		if i < 0 {
			return node, ""
		}
		at += i
		if at+2 >= len(node) {
			return node, ""
		}
		if c := node[at+2]; c != 'f' && c != 'F' {
			continue
		}
		if before, err := decode(node[:at]); err == nil && balanced(before) {
			return node[:at], node[at+3:]
		}
	}
}
