package xcap

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"rollcall/internal/store"
	"rollcall/internal/xcapuri"
)

// response is what to answer; the zero value says that nothing is decided yet.
type response struct {
	status      int
	etag        string // without quotes
	contentType string
	body        []byte
	encoding    string // of the body, when it is not as it was stored
	vary        string
	allow       string
	acceptPatch string
	challenges  []string
	retryAfter  time.Duration
}

// write sends the response. The length is always given: clients exist that
// cannot read chunks. Names are spelled as the standards do, which http.Header
// does not by itself, for clients that compare letter by letter.
func (p response) write(w http.ResponseWriter, head bool) {
	h := fields{w.Header(), make([]string, 0, 8)}
	if p.etag != "" {
		h.set("ETag", `"`+p.etag+`"`)
	}
	if p.contentType != "" {
		h.set("Content-Type", p.contentType)
		h.set("X-Content-Type-Options", "nosniff")
	}
	if p.encoding != "" {
		h.set("Content-Encoding", p.encoding)
	}
	if p.vary != "" {
		h.Add("Vary", p.vary)
	}
	if p.allow != "" {
		h.set("Allow", p.allow)
	}
	if p.acceptPatch != "" {
		h.set("Accept-Patch", p.acceptPatch)
	}
	if len(p.challenges) > 0 {
		h.Header["WWW-Authenticate"] = p.challenges
	}
	if p.retryAfter > 0 {
		h.set("Retry-After", strconv.Itoa(int((p.retryAfter+time.Second-1)/time.Second)))
	}
	// RFC 4825 §9: caches cannot see how documents depend on each other.
	h.set("Cache-Control", "no-cache")
	if p.status != http.StatusNotModified && p.status != http.StatusNoContent {
		h.set("Content-Length", strconv.Itoa(len(p.body)))
	}
	w.WriteHeader(p.status)
	if !head && len(p.body) > 0 {
		_, _ = w.Write(p.body) // nobody is left to tell
	}
}

// fields are a header whose values lie in one piece of memory.
type fields struct {
	http.Header
	values []string
}

// set sets a field whose name is spelled as it is to be sent.
func (f *fields) set(name, value string) {
	n := len(f.values)
	f.values = append(f.values, value)
	f.Header[name] = f.values[n : n+1 : n+1]
}

// refused answers a request whose target cannot be followed.
func refused(err error) response {
	var e *xcapuri.Error
	if errors.As(err, &e) && e.Status == http.StatusBadRequest {
		return explained(e.Status, e.Msg)
	}
	return response{status: http.StatusNotFound}
}

// explained is an error with a line for the person who reads it.
func explained(status int, text string) response {
	resp := response{status: status}
	resp.say(text)
	return resp
}

// say adds a line for the person who reads the answer.
func (p *response) say(text string) {
	p.contentType, p.body = "text/plain; charset=utf-8", []byte(text+"\n")
}

// failed answers for a store that did not do as asked.
func failed(req *request, err error) response {
	if errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return busy("the database does not answer; try again later")
	}
	slog.Error("xcap request failed", "method", req.Method, "target", req.RequestURI, "error", err)
	return response{status: http.StatusInternalServerError}
}

func busy(why string) response {
	resp := explained(http.StatusServiceUnavailable, why)
	resp.retryAfter = 5 * time.Second
	return resp
}
