package event

import (
	"strings"

	"rollcall/sip/wire"
)

// maxAccept bounds the media ranges kept of one SUBSCRIBE.
const maxAccept = 16

// parseAccept returns the media ranges that a request takes, in lower case and
// without those of quality 0. Strings that the package knows are shared.
func parseAccept(req *wire.Request, known []string) []string {
	var ranges []string
	for _, v := range req.Values("Accept") {
		media, params, _ := strings.Cut(v, ";")
		media = strings.ToLower(strings.TrimSpace(media))
		if media == "" || unwanted(params) || len(ranges) == maxAccept {
			continue
		}
		ranges = append(ranges, shared(media, known))
	}
	return ranges
}

// unwanted reports whether header parameters say q=0.
func unwanted(params string) bool {
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.TrimSpace(name), "q") {
			value = strings.TrimSpace(value)
			return value != "" && strings.Trim(value, "0.") == ""
		}
	}
	return false
}

// accepts reports whether one of the media ranges covers mediaType.
func accepts(ranges []string, mediaType string) bool {
	kind, _, _ := strings.Cut(mediaType, "/")
	for _, r := range ranges {
		if r == mediaType || r == "*/*" {
			return true
		}
		if prefix, ok := strings.CutSuffix(r, "/*"); ok && prefix == kind {
			return true
		}
	}
	return false
}

// acceptable reports whether a package can produce something for the ranges.
func acceptable(ranges, types []string) bool {
	if len(ranges) == 0 {
		return true
	}
	for _, t := range types {
		if accepts(ranges, t) {
			return true
		}
	}
	return false
}

// parseSupported returns those of the request's option-tags that mean something
// to a package. What is required is supported as well.
func parseSupported(req *wire.Request, known []string) []string {
	var options []string
	for _, o := range known {
		if req.HasOption("Supported", o) || req.HasOption("Require", o) {
			options = append(options, o)
		}
	}
	return options
}

// shared returns the equal string of known, or a copy that does not keep the
// whole message in memory.
func shared(s string, known []string) string {
	for _, k := range known {
		if k == s {
			return k
		}
	}
	return strings.Clone(s)
}

func joinList(list []string) string { return strings.Join(list, ",") }

func splitList(list string, known []string) []string {
	if list == "" {
		return nil
	}
	parts := strings.Split(list, ",")
	for i, part := range parts {
		parts[i] = shared(part, known)
	}
	return parts
}
