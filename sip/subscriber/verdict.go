package subscriber

import (
	"math/rand/v2"
	"time"

	"rollcall/sip/wire"
)

// verdict is what the end of a subscription, or a failed try to begin one, means.
type verdict struct {
	reason string // as of Subscription-State; what the resource shows
	retry  retry
	after  time.Duration // at least this long; as the peer wishes
}

// retry says when to subscribe anew.
type retry uint8

const (
	backOff retry = iota
	atOnce        // unless it ended soon after it began
	slowly
	never // until somebody new is interested
)

// Delays between tries.
const (
	firstDelay = 30 * time.Second
	lastDelay  = time.Hour
	// shortLived is a dialog whose end counts as a failure, whatever the reason.
	shortLived = time.Minute
)

// ended is the meaning of reasons, RFC 6665 §4.1.3. The second value says whether
// Retry-After has a meaning with it.
var ended = map[string]struct {
	retry      retry
	retryAfter bool
}{
	"deactivated": {atOnce, false},
	"probation":   {backOff, true},
	"rejected":    {never, false},
	"timeout":     {atOnce, false},
	"giveup":      {backOff, true},
	"noresource":  {never, false},
	"invariant":   {never, false},
	"badfilter":   {never, false}, // RFC 4660 §5.4
}

// verdictOf is the meaning of a NOTIFY that ends the subscription. One without
// reason, or with one that is not known, may be followed by another any time.
func verdictOf(s substate) verdict {
	rule, known := ended[s.reason]
	v := verdict{reason: s.reason, retry: rule.retry}
	if !known || rule.retryAfter {
		v.after = s.retryAfter
	}
	if v.reason == "" {
		v.reason = "probation"
	}
	return v
}

// refusals is the meaning of final responses to a first SUBSCRIBE.
var refusals = map[int]verdict{
	// There are no credentials for other domains.
	401: {"rejected", never, 0}, 407: {"rejected", never, 0},
	403: {"rejected", never, 0}, 603: {"rejected", never, 0},
	404: {"noresource", never, 0}, 410: {"noresource", never, 0}, 604: {"noresource", never, 0},
	405: {"noresource", slowly, 0}, 406: {"noresource", slowly, 0}, 415: {"noresource", slowly, 0},
	416: {"noresource", slowly, 0}, 420: {"noresource", slowly, 0}, 421: {"noresource", slowly, 0},
	489: {"noresource", slowly, 0}, 501: {"noresource", slowly, 0},
	408: {"probation", backOff, 0}, 480: {"probation", backOff, 0}, 481: {"probation", backOff, 0},
	486: {"probation", backOff, 0}, 491: {"probation", backOff, 0}, 600: {"probation", backOff, 0},
}

// refused is the meaning of the outcome of a first SUBSCRIBE that is not 2xx.
func refused(res wire.Result) verdict {
	v, known := refusals[res.Status]
	switch {
	case known:
	case res.Status == 0 || res.Status/100 == 5:
		v = verdict{reason: "probation", retry: backOff}
	default:
		v = verdict{reason: "giveup", retry: slowly}
	}
	v.after = res.RetryAfter
	return v
}

// destroys reports whether a response to a SUBSCRIBE in the dialog ends it,
// RFC 6665 §4.1.2.2.
func destroys(status int) bool {
	switch status {
	case 404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604:
		return true
	}
	return false
}

// delay returns how long to wait before the next try; ok=false: for good. fails
// is the number of failures in a row before this one.
func (v verdict) delay(fails int) (d time.Duration, ok bool) {
	switch v.retry {
	case never:
		return 0, false
	case slowly:
		d = lastDelay
	case atOnce:
		if fails > 0 {
			d = doubled(fails - 1)
		}
	default:
		d = doubled(fails)
	}
	if d < v.after {
		return v.after + jitter(v.after/10), true // not all at the same second
	}
	return d - d/4 + jitter(d/2), true
}

func doubled(n int) time.Duration { return min(firstDelay<<min(n, 16), lastDelay) }

func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d)
}
