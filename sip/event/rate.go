package event

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"rollcall/internal/sipuri"
)

// rates are the limits of RFC 6446 that a watcher asked for and got, in
// notifications per second; 0 = none.
type rates struct {
	max, min, adaptive float64
}

const (
	// fastestMinRate is the highest rate at which news is sent that is none.
	fastestMinRate = 1
	// adaptivePeriods is how many intervals of adaptive-min-rate the rolling
	// average of RFC 6446 §7.4 covers.
	adaptivePeriods = 10
	// maxHistory bounds the notifications counted in that time.
	maxHistory = 64
)

// ratesOf reads the parameters of an Event header field. What is malformed is
// not adopted, which the watcher sees from its absence (RFC 6446 §4.2).
func ratesOf(params []sipuri.Param) (r rates) {
	for _, p := range params {
		switch p.Name {
		case "max-rate":
			r.max = parseRate(p.Value)
		case "min-rate":
			r.min = parseRate(p.Value)
		case "adaptive-min-rate":
			r.adaptive = parseRate(p.Value)
		}
	}
	return r
}

// parseRate reads 1*2DIGIT ["." 1*10DIGIT] above zero (RFC 6446 §9.2).
func parseRate(s string) float64 {
	whole, fraction, dot := strings.Cut(s, ".")
	if len(whole) == 0 || len(whole) > 2 || dot && (len(fraction) == 0 || len(fraction) > 10) ||
		!digits(whole) || !digits(fraction) {
		return 0
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0
	}
	return v
}

func digits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}

// adopted settles what contradicts itself (RFC 6446 §8) or the time that is left.
func (r rates) adopted(left time.Duration) rates {
	if r.max > 0 && left > 0 {
		r.max = max(r.max, 1/left.Seconds()) // RFC 6446 §5.3: one still fits in
	}
	limit := float64(fastestMinRate)
	if r.max > 0 {
		limit = min(limit, r.max)
	}
	r.adaptive = min(r.adaptive, limit)
	r.min = min(r.min, limit)
	if r.adaptive > 0 && r.min > r.adaptive {
		r.min = 0
	}
	return r
}

// appendTo appends the parameters of Subscription-State, or of a stored row.
func (r rates) appendTo(b []byte) []byte {
	for _, p := range [...]struct {
		name string
		rate float64
	}{{";max-rate=", r.max}, {";min-rate=", r.min}, {";adaptive-min-rate=", r.adaptive}} {
		if p.rate > 0 {
			b = append(append(b, p.name...), formatRate(p.rate)...)
		}
	}
	return b
}

func formatRate(rate float64) string {
	text := strings.TrimRight(strconv.FormatFloat(rate, 'f', 10, 64), "0")
	return strings.TrimSuffix(text, ".")
}

// parseParams reads what appendTo wrote, or the parameters of a header field.
func parseParams(s string) []sipuri.Param {
	var params []sipuri.Param
	for part := range strings.SplitSeq(s, ";") {
		name, value, has := strings.Cut(part, "=")
		params = append(params, sipuri.Param{
			Name: strings.ToLower(strings.TrimSpace(name)), Value: strings.TrimSpace(value), HasValue: has,
		})
	}
	return params
}

func interval(rate float64) time.Duration {
	return time.Duration(min(float64(time.Second)/rate, math.MaxInt64/4))
}

// special is what few subscriptions have.
type special struct {
	wishes
	last    time.Time
	history []time.Time // of notifications, for adaptive-min-rate
}

// wishes are what a SUBSCRIBE may ask for besides the usual.
type wishes struct {
	rates
	condition string // Suppress-If-Match, while it holds
	params    string // of Event, for the package: ";name=value"
}

// wishesOf reads what a SUBSCRIBE says.
func (e *entry) wishesOf(params []sipuri.Param, granted time.Duration, condition string) wishes {
	w := wishes{rates: ratesOf(params).adopted(granted), condition: strings.Clone(condition)}
	for _, p := range params {
		if slices.Contains(e.terms.Params, p.Name) && isToken(p.Value) {
			w.params += ";" + p.Name + "=" + p.Value
		}
	}
	return w
}

// setSpecial takes over what the newest SUBSCRIBE says.
func (s *Subscription) setSpecial(w wishes) {
	if w == (wishes{}) {
		s.special = nil
		return
	}
	now := time.Now()
	x := &special{wishes: w, last: now}
	if old := s.special; old != nil {
		x.last = old.last
		if old.adaptive == w.adaptive {
			x.history = old.history
		}
	}
	r := w.rates
	if r.adaptive > 0 && x.history == nil {
		// RFC 6446 §7.3: as if the rate had been kept up to now.
		for i := range adaptivePeriods {
			x.history = append(x.history, now.Add(-time.Duration(adaptivePeriods-1-i)*interval(r.adaptive)))
		}
	}
	s.special = x
}

// acceptsDeflate is how it is stored among the parameters of Event that a watcher
// takes deflated bodies. No package has a parameter of this name.
const acceptsDeflate = ";accept-encoding=deflate"

// paramsText is the durable form of the parameters of Event, and of other wishes.
func (s *Subscription) paramsText() string {
	var text string
	if s.special != nil {
		text = string(s.special.rates.appendTo(nil)) + s.special.params
	}
	if s.Simple {
		text += isSimple
	}
	if s.Deflate {
		text += acceptsDeflate
	}
	return text
}

// EventParam returns a parameter of Event in the newest SUBSCRIBE, if it is one
// of Terms.Params.
func (s *Subscription) EventParam(name string) string {
	if s.special == nil {
		return ""
	}
	for _, p := range parseParams(s.special.params) {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

func (s *Subscription) condition() string {
	if s.special == nil {
		return ""
	}
	return s.special.condition
}

// counted notes a notification sent now.
func (x *special) counted(now time.Time) {
	x.last = now
	if x.adaptive > 0 {
		if len(x.history) == maxHistory {
			x.history = x.history[:copy(x.history, x.history[1:])]
		}
		x.history = append(x.history, now)
	}
}

// heartbeat returns when a notification is due though nothing has changed; zero:
// never.
func (x *special) heartbeat(now time.Time) (at time.Time) {
	if x.condition != "" || x.min == 0 && x.adaptive == 0 {
		return at
	}
	wait := time.Duration(math.MaxInt64)
	if x.min > 0 {
		wait = interval(x.min)
	}
	if x.adaptive > 0 {
		wait = min(wait, x.adaptiveTimeout(now))
	}
	return x.last.Add(wait)
}

// adaptiveTimeout is equation (2) of RFC 6446 §7.4.
func (x *special) adaptiveTimeout(now time.Time) time.Duration {
	period := adaptivePeriods / x.adaptive
	since := now.Add(-time.Duration(period * float64(time.Second)))
	count := 0
	for _, at := range x.history {
		if at.After(since) {
			count++
		}
	}
	timeout := time.Duration(max(count, 1)) * interval(x.adaptive*x.adaptive*period)
	if x.max > 0 {
		timeout = max(timeout, interval(x.max))
	}
	return timeout
}
