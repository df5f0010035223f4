package events

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"rollcall/internal/httpauth"
	"rollcall/internal/httpd"
	"rollcall/internal/store"
)

const allow = "GET, HEAD, OPTIONS"

// busyFor is when a client that was turned away is to try again.
const busyFor = 10 * time.Second

// ServeHTTP answers one request, for as long as the client wants.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	who, no := h.cfg.Gate.Check(r, "")
	httpd.SetUser(r.Context(), who.AOR)
	if no.Status != 0 {
		refuse(w, no)
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		w.Header().Set("Allow", allow)
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		w.Header().Set("Allow", allow)
		refuse(w, httpauth.Refusal{Status: http.StatusMethodNotAllowed, Text: "this is only to be read"})
		return
	}
	account, err := h.cfg.Users.Get(r.Context(), who.AOR)
	switch {
	case errors.Is(err, store.ErrNotFound):
		refuse(w, httpauth.Refusal{Status: http.StatusForbidden, Text: "there is no such account here"})
		return
	case err != nil:
		refuse(w, httpauth.Refusal{Status: http.StatusServiceUnavailable, RetryAfter: busyFor, Text: "the database does not answer; try again later"})
		return
	}
	shown, err := parseKinds(r.URL.RawQuery)
	if err != nil {
		refuse(w, httpauth.Refusal{Status: http.StatusBadRequest, Text: err.Error()})
		return
	}
	if r.Method == http.MethodHead {
		begin(w)
		return
	}
	st := &stream{account: account, trusted: who.Trusted, wake: make(chan struct{}, 1), w: w, rc: http.NewResponseController(w)}
	if st.feed, err = h.enter(who.AOR, shown, st); err != nil {
		refuse(w, turnedAway(err))
		return
	}
	defer h.leave(st.feed, st)
	// The deadline is for the request, which is here; a connection without
	// deadlines is one under test.
	_ = st.rc.SetReadDeadline(time.Time{})
	begin(w)
	st.run(r.Context(), r.Header.Get("Last-Event-ID"))
}

// begin writes the head of the stream. Front ends must not keep events back.
func begin(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
}

func turnedAway(err error) httpauth.Refusal {
	no := httpauth.Refusal{Status: http.StatusServiceUnavailable, RetryAfter: busyFor, Text: err.Error()}
	if errors.Is(err, errTooMany) {
		no.Status = http.StatusTooManyRequests
	}
	return no
}

// parseKinds reads what the client wants to be shown: show=documents,watchers.
// Everything when it does not say.
func parseKinds(query string) (shown kinds, err error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return 0, errors.New("malformed query")
	}
	if !values.Has("show") {
		return showAll, nil
	}
	for _, list := range values["show"] {
		for name := range strings.SplitSeq(list, ",") {
			k, ok := names[name]
			if !ok {
				return 0, fmt.Errorf("show: %.32q is none of documents, watchers and presence", name)
			}
			shown |= k
		}
	}
	return shown, nil
}

// refuse writes an answer that is no stream.
func refuse(w http.ResponseWriter, no httpauth.Refusal) {
	h := w.Header()
	if len(no.Challenges) > 0 {
		h["WWW-Authenticate"] = no.Challenges
	}
	if no.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((no.RetryAfter+time.Second-1)/time.Second)))
	}
	h.Set("Cache-Control", "no-cache")
	text := no.Text
	if text != "" {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("X-Content-Type-Options", "nosniff")
		text += "\n"
	}
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(no.Status)
	_, _ = w.Write([]byte(text)) // nobody is left to tell
}
