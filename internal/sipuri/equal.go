package sipuri

import "strings"

// Equal compares two URIs as RFC 3261 §19.1.4 says. It is not transitive, so it
// cannot be replaced by comparing a normal form.
func Equal(a, b URI) bool {
	if a.Scheme != b.Scheme || a.HasUser != b.HasUser || a.Host != b.Host || a.Port != b.Port {
		return false
	}
	switch a.Scheme {
	case "tel":
		return canonicalTel(a) == canonicalTel(b)
	case "sip", "sips", "pres", "im":
		return sameText(a.User, b.User) && sameText(a.Password, b.Password) &&
			paramsAgree(a, b) && paramsAgree(b, a) && sameHeaders(a.Headers, b.Headers)
	default:
		return a.User == b.User
	}
}

// sameText compares component text: an escape equals the character it stands for
// unless that is a reserved one.
func sameText(a, b string) bool {
	return a == b || foldEscapes(a) == foldEscapes(b)
}

func foldEscapes(s string) string { return normalEscapes(s, unreserved, userOrHeaderChar) }

// paramsAgree looks at the parameters of a: those in both must match, and some
// may not be in a alone.
func paramsAgree(a, b URI) bool {
	for _, p := range a.Params {
		v, ok := b.Param(p.Name)
		if !ok {
			switch p.Name {
			case "user", "ttl", "method", "maddr":
				return false
			case "transport":
				// §19.1.4: a URI omitting the transport does not match one that names the default.
				return false
			}
			continue
		}
		if v != p.Value && !strings.EqualFold(foldEscapes(v), foldEscapes(p.Value)) {
			return false
		}
	}
	return true
}

// sameHeaders: all header components must be in both and match, in any order.
func sameHeaders(a, b string) bool {
	if a == b {
		return true
	}
	as, bs := strings.Split(a, "&"), strings.Split(b, "&")
	if len(as) != len(bs) || len(as) > MaxParams {
		return false
	}
	taken := make([]bool, len(bs))
next:
	for _, x := range as {
		xn, xv, _ := strings.Cut(x, "=")
		for i, y := range bs {
			yn, yv, _ := strings.Cut(y, "=")
			if !taken[i] && strings.EqualFold(foldEscapes(xn), foldEscapes(yn)) && sameText(xv, yv) {
				taken[i] = true
				continue next
			}
		}
		return false
	}
	return true
}
