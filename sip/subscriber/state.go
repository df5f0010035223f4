package subscriber

import (
	"strconv"
	"strings"
	"time"

	"rollcall/sip/event"
)

// substate is a Subscription-State header field value.
type substate struct {
	state      event.State
	reason     string        // of the end, in lower case
	expires    time.Duration // -1: not there
	retryAfter time.Duration // 0: not there
}

// longest bounds every time that a peer gives.
const longest = 366 * 24 * time.Hour

// parseState reads a Subscription-State header field, RFC 6665 §8.4. A state that
// is not known counts as pending, the one that shows least.
func parseState(value string) (substate, bool) {
	s := substate{expires: -1}
	name, params, more := strings.Cut(value, ";")
	name = strings.ToLower(trim(name))
	if !token(name) {
		return s, false
	}
	switch name {
	case "active":
		s.state = event.Active
	case "terminated":
		s.state = event.Terminated
	}
	for more {
		var param string
		param, params, more = cutParam(params)
		if !s.take(param) {
			return s, false
		}
	}
	return s, true
}

// take reads one parameter.
func (s *substate) take(param string) bool {
	name, value, given := strings.Cut(param, "=")
	name, value = strings.ToLower(trim(name)), trim(value)
	if !token(name) || given && value == "" {
		return false
	}
	ok := true
	switch name {
	case "reason":
		s.reason = strings.ToLower(value)
		ok = token(s.reason)
	case "expires":
		s.expires, ok = seconds(value)
	case "retry-after":
		s.retryAfter, ok = seconds(value)
	}
	return ok
}

// cutParam cuts at the next semicolon that is not within quotes.
func cutParam(s string) (param, rest string, more bool) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ';' && !quoted:
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// seconds reads delta-seconds; what is more than the longest time counts as that.
func seconds(s string) (time.Duration, bool) {
	if s == "" {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n > uint64(longest/time.Second) {
		return longest, true
	}
	return time.Duration(n) * time.Second, true
}

func trim(s string) string { return strings.Trim(s, " \t") }

// token reports whether s, in lower case, is one of RFC 3261 §25.1.
func token(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && strings.IndexByte("-.!%*_+`'~", c) < 0 {
			return false
		}
	}
	return s != "" && len(s) <= 64
}
