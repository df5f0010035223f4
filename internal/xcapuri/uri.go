package xcapuri

import (
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"rollcall/internal/sipuri"
	"rollcall/internal/store"
)

// Request is a request target or a reference, taken apart. What is in it is
// decoded and otherwise as written.
type Request struct {
	Root   string // path of the XCAP root, without trailing slash
	AUID   string
	Global bool
	XUI    string // empty in the global tree
	Path   string // of the document below the XUI or "global"
	Node   *NodeSelector
	Query  string
}

// Key returns the key of the document, with the canonical form of the XUI.
func (r Request) Key() (store.DocumentKey, error) {
	key := store.DocumentKey{AUID: r.AUID, Path: r.Path}
	if r.Global {
		return key, nil
	}
	aor, err := sipuri.AOR(r.XUI)
	if err != nil {
		return store.DocumentKey{}, fmt.Errorf("XUI %q: %w", r.XUI, err)
	}
	key.XUI = aor
	return key, nil
}

// DocumentURI is the absolute path of the document.
func (r Request) DocumentURI() string {
	if r.Global {
		return Encode(r.Root + "/" + r.AUID + "/global/" + r.Path)
	}
	xui := strings.ReplaceAll(Encode(r.XUI), "/", "%2F")
	return Encode(r.Root+"/"+r.AUID) + "/users/" + xui + "/" + Encode(r.Path)
}

// Error is a URI that cannot be followed; Status is the HTTP status that the
// request deserves: 400 when it is malformed, 404 when it names nothing that
// could exist.
type Error struct {
	Status int
	Msg    string
}

func (e *Error) Error() string { return e.Msg }

func malformed(format string, args ...any) error {
	return &Error{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

func nothing(format string, args ...any) error {
	return &Error{http.StatusNotFound, fmt.Sprintf(format, args...)}
}

// Parse takes a raw request target apart. Roots are root URIs or their paths.
// When only the node selector or the query is at fault the document selector is
// returned together with the error, so that the caller can check access first.
func Parse(rawTarget string, roots []string) (Request, error) {
	path, query, _ := strings.Cut(withoutAuthority(rawTarget), "?")
	root, rest, ok := cutRoot(path, roots)
	if !ok {
		return Request{}, nothing("not below an XCAP root")
	}
	r, node, err := documentSelector(rest)
	r.Root = root
	if err != nil || node == nil {
		return r, err
	}
	return r.withNode(*node, query)
}

// withNode adds what follows the separator, still encoded.
func (r Request) withNode(node, query string) (Request, error) {
	text, err := decode(node)
	if err != nil {
		return r, err
	}
	if r.Query, err = decode(query); err != nil {
		return r, err
	}
	r.Node, err = ParseNode(text, r.Query, "")
	return r, err
}

// withoutAuthority cuts scheme and authority off a target in absolute form.
func withoutAuthority(target string) string {
	if strings.HasPrefix(target, "/") {
		return target
	}
	scheme, rest, ok := strings.Cut(target, "://")
	if !ok || !isHTTP(scheme) {
		return target
	}
	if i := strings.IndexAny(rest, "/?"); i >= 0 && rest[i] == '/' {
		return rest[i:]
	}
	return "/"
}

func isHTTP(scheme string) bool {
	return strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")
}

// RootPath returns the path of an XCAP root that is given as URI or path.
func RootPath(root string) string {
	return "/" + strings.Trim(withoutAuthority(root), "/")
}

// cutRoot finds the longest root that path lies under. rest begins behind the
// slash that follows the root.
func cutRoot(path string, roots []string) (root, rest string, ok bool) {
	for _, candidate := range roots {
		candidate = RootPath(candidate)
		below, under := cutPath(path, candidate)
		if under && (!ok || len(candidate) > len(root)) {
			root, rest, ok = candidate, below, true
		}
	}
	return strings.TrimSuffix(root, "/"), rest, ok
}

// cutPath takes the segments of root, which path may have percent-encoded, off
// the front of path.
func cutPath(path, root string) (rest string, ok bool) {
	path, ok = strings.CutPrefix(path, "/")
	if !ok || root == "/" {
		return path, ok
	}
	for want := range strings.SplitSeq(root[1:], "/") {
		segment, rest, more := strings.Cut(path, "/")
		if segment != want {
			if got, err := decode(segment); err != nil || got != want {
				return "", false
			}
		}
		if !more {
			return "", false
		}
		path = rest
	}
	return path, true
}

// documentSelector reads AUID/users/XUI/path or AUID/global/path up to the
// separator. node is what follows the separator, nil without one.
func documentSelector(s string) (r Request, node *string, err error) {
	var segments []string
	for more := true; more; {
		var raw string
		raw, s, more = strings.Cut(s, "/")
		segment, err := decode(raw)
		if err != nil {
			return r, nil, err
		}
		// RFC 4825 §6: the first segment "~~", encoded or not, separates.
		if segment == "~~" {
			node = &s
			break
		}
		isXUI := len(segments) == 2 && segments[1] == "users"
		if segment == "" || segment == "." || segment == ".." || !isXUI && strings.ContainsAny(segment, "/\t\r\n") {
			return r, nil, nothing("no document has this path")
		}
		if len(segments) == maxSegments {
			return r, nil, nothing("path too long")
		}
		segments = append(segments, segment)
	}
	if len(segments) < 2 {
		return r, nil, nothing("no document selector")
	}
	r.AUID = segments[0]
	switch tree := segments[1]; {
	case tree == "global":
		r.Global, segments = true, segments[2:]
	case tree == "users" && len(segments) > 2:
		r.XUI, segments = segments[2], segments[3:]
	default:
		return r, nil, nothing("neither a user's tree nor the global one")
	}
	if len(segments) == 0 {
		return r, nil, nothing("a directory is not a document")
	}
	r.Path = strings.Join(segments, "/")
	return r, node, nil
}

// maxSegments bounds the depth of a document below the root.
const maxSegments = 16

// decode undoes percent-encoding once. What results must be UTF-8 without
// control characters.
func decode(s string) (string, error) {
	out := s
	if strings.IndexByte(s, '%') >= 0 {
		b := make([]byte, 0, len(s))
		for i := 0; i < len(s); i++ {
			if s[i] != '%' {
				b = append(b, s[i])
				continue
			}
			if i+2 >= len(s) || unhex(s[i+1]) > 15 || unhex(s[i+2]) > 15 {
				return "", malformed("bad percent-encoding")
			}
			b = append(b, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		}
		out = string(b)
	}
	if !utf8.ValidString(out) {
		return "", malformed("not UTF-8")
	}
	for i := range len(out) {
		if c := out[i]; c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0x7f {
			return "", malformed("control character")
		}
	}
	return out, nil
}

func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}

// Encode percent-encodes text for the path of a URI. Slashes stay.
func Encode(s string) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~!$&'()*+,;=:@/", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&15])
	}
	return b.String()
}
