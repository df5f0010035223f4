package relay

import (
	"errors"
	"log/slog"
	"strings"

	"rollcall/internal/sipdns"
	"rollcall/sip/wire"
)

// Answer passes the outcome of a forwarded request back: RFC 3261 §16.7.
func Answer(req *wire.Request, result *wire.Result) {
	switch {
	case result.Status == 0:
		respond(req, unanswered(req, result.Err))
	case result.Status == 408:
		// RFC 4320 §4.2: never to a non-INVITE.
		respond(req, wire.Response{Status: 480, Reason: "Domain Not Reached"})
	case result.Status == 503:
		// RFC 3261 §16.7 step 6: that one server is overloaded does not mean we are.
		respond(req, wire.Response{Status: 500})
	default:
		respond(req, passed(result))
	}
}

// unanswered is the response to a request that got none.
func unanswered(req *wire.Request, err error) wire.Response {
	slog.Info("request to another domain not answered", "method", req.Method, "uri", req.RequestURI, "error", err)
	switch {
	case errors.Is(err, sipdns.ErrNoTarget):
		return wire.Response{Status: 404, Reason: "Domain Not Found"}
	case errors.Is(err, wire.ErrBusy), errors.Is(err, wire.ErrTooMany), errors.Is(err, wire.ErrClosed):
		return wire.Overloaded()
	case req.Method == "NOTIFY" && errors.Is(err, wire.ErrFlowClosed):
		return wire.Response{Status: 430} // RFC 5626 §5.3.1
	}
	return wire.Response{Status: 480, Reason: "Domain Not Reached"}
}

// passed is a response as it goes back, without what is written anew.
func passed(result *wire.Result) wire.Response {
	resp := wire.Response{Status: result.Status, Reason: result.Reason, Body: result.Body}
	for _, h := range result.Headers {
		switch strings.ToLower(h.Name) {
		case "via", "v", "from", "f", "call-id", "i", "cseq", "content-length", "l",
			"p-asserted-identity": // RFC 3325 §5: nobody has vouched for it
		case "to", "t":
			if to, err := wire.ParseNameAddr(h.Value); err == nil {
				resp.ToTag = to.Tag()
			}
		case "content-type", "c":
			resp.ContentType = h.Value
		default:
			resp.Headers = append(resp.Headers, h)
		}
	}
	return resp
}

func respond(req *wire.Request, resp wire.Response) {
	if err := req.Respond(resp); err != nil {
		slog.Debug("answer not sent", "method", req.Method, "error", err)
	}
}
