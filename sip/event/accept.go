package event

import (
	"strconv"
	"strings"

	"rollcall/sip/wire"
)

// maxAccept bounds the media ranges kept of one SUBSCRIBE.
const maxAccept = 16

// parseAccept returns the media ranges that a request takes, or with quality 0 does
// not take, in lower case. A lower quality than 1 stays with its range. Strings that
// the package knows are shared.
func parseAccept(req *wire.Request, known []string) []string {
	var ranges []string
	for _, v := range req.Values("Accept") {
		media, params, _ := strings.Cut(v, ";")
		media = strings.ToLower(strings.TrimSpace(media))
		q := quality(params)
		if media == "" || len(ranges) == maxAccept {
			continue
		}
		if q < fullQuality {
			media += qualityParam + formatRate(float64(q)/fullQuality)
		}
		ranges = append(ranges, shared(media, known))
	}
	return ranges
}

const (
	fullQuality  = 1000 // q=1, in thousandths
	qualityParam = ";q="
)

// quality reads q of header parameters (RFC 3261 §25.1), in thousandths; what
// is absent or malformed is 1.
func quality(params string) int {
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(p, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil || !(q >= 0 && q < 1) {
			return fullQuality
		}
		if q > 0 {
			return max(int(q*fullQuality+0.5), 1)
		}
		return 0
	}
	return fullQuality
}

// unwanted reports whether header parameters say q=0.
func unwanted(params string) bool { return quality(params) == 0 }

// accepts reports whether one of the media ranges covers mediaType.
func accepts(ranges []string, mediaType string) bool {
	return wanted(ranges, mediaType) > 0
}

// wanted is the quality of the range that is closest to mediaType, 0 when none
// covers it (RFC 2616 §14.1).
func wanted(ranges []string, mediaType string) int {
	kind, _, _ := strings.Cut(mediaType, "/")
	closest, q := 0, 0
	for _, r := range ranges {
		media, value, lower := strings.Cut(r, qualityParam)
		match := 0
		switch prefix, any := strings.CutSuffix(media, "/*"); {
		case media == mediaType:
			match = 3
		case any && prefix == kind:
			match = 2
		case media == "*/*":
			match = 1
		}
		if match <= closest {
			continue
		}
		closest, q = match, fullQuality
		if lower {
			q = quality("q=" + value)
		}
	}
	return q
}

// names reports whether mediaType itself is one of the ranges.
func names(ranges []string, mediaType string) bool {
	for _, r := range ranges {
		if media, _, _ := strings.Cut(r, qualityParam); media == mediaType {
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
