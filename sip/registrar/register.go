package registrar

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"rollcall/internal/auth"
	"rollcall/internal/sipuri"
	"rollcall/internal/store"
	"rollcall/sip/wire"
)

// refusal is a final response that changes nothing.
type refusal struct {
	status  int
	reason  string
	headers []wire.Header
}

func refuse(status int, reason string) *refusal { return &refusal{status: status, reason: reason} }

func tooBrief(minimum time.Duration) *refusal {
	return &refusal{status: 423, headers: []wire.Header{{Name: "Min-Expires", Value: seconds(minimum)}}}
}

// Register answers a REGISTER of who for aor, RFC 3261 §10.3. It runs on the
// shard of aor.
func (r *Registrar) Register(ctx context.Context, req *wire.Request, aor string, who auth.Identity) {
	resp := wire.Response{Status: 200}
	bindings, no := r.register(ctx, req, aor, who)
	if no != nil {
		resp = wire.Response{Status: no.status, Reason: no.reason, Headers: no.headers}
	} else {
		resp.Headers = r.answer(req, bindings, time.Now())
		resp.KeepAlive = seconds(r.cfg.FlowTimer)
	}
	if err := req.Respond(resp); err != nil {
		slog.Debug("answer to REGISTER not sent", "aor", aor, "error", err)
	}
}

func (r *Registrar) register(ctx context.Context, req *wire.Request, aor string, who auth.Identity) ([]store.Binding, *refusal) {
	if who.AOR != aor {
		return nil, refuse(403, "")
	}
	if no := checkOptions(req); no != nil {
		return nil, no
	}
	now := time.Now()
	current := r.Bindings(aor)
	if len(req.Contacts) == 0 && !req.ContactStar {
		return current, nil
	}
	path, err := req.RouteSet("Path")
	if err != nil {
		return nil, refuse(400, "Bad Path")
	}
	p := &plan{
		r: r, req: req, aor: aor, now: now,
		path: path, all: slices.Clone(current), mine: map[string]bool{},
	}
	p.firstHop = len(p.path) == 0 && len(req.Values("Via")) == 1
	p.direct = p.firstHop && !who.Trusted
	if no := p.work(); no != nil {
		return nil, no
	}
	if len(p.batch.Bindings) > 0 || len(p.batch.DropBindings) > 0 {
		if err := r.cfg.Store.Commit(ctx, p.batch); err != nil {
			return nil, commitFailed(aor, err)
		}
	}
	r.replace(aor, p.all)
	if p.direct && len(p.mine) > 0 {
		r.flows.Add(req.Flow, aor) // after the state: the flow may be gone by now
	}
	return p.all, nil
}

// checkOptions refuses extensions that are not there (RFC 3261 §8.2.2.3) and a
// Path that the client would not understand in the answer (RFC 3327 §5.3).
func checkOptions(req *wire.Request) *refusal {
	unknown := req.Unsupported("path", "outbound", "gruu")
	if len(unknown) == 0 && req.Header("Path") != "" && !req.HasOption("Supported", "path") && !req.HasOption("Require", "path") {
		unknown = []string{"path"}
	}
	if len(unknown) == 0 {
		return nil
	}
	return &refusal{status: 420, headers: []wire.Header{{Name: "Unsupported", Value: strings.Join(unknown, ", ")}}}
}

func commitFailed(aor string, err error) *refusal {
	slog.Error("bindings not stored", "aor", aor, "error", err)
	if errors.Is(err, store.ErrUnavailable) {
		return &refusal{status: 503, headers: []wire.Header{{Name: "Retry-After", Value: "10"}}}
	}
	return refuse(500, "")
}

// answer makes the headers of the 200: every binding of the address, with what
// is left of its lifetime, and the Path as it came (RFC 3327 §5.3).
func (r *Registrar) answer(req *wire.Request, bindings []store.Binding, now time.Time) []wire.Header {
	h := make([]wire.Header, 0, len(bindings)+5)
	gruu := req.HasOption("Supported", "gruu") || req.HasOption("Require", "gruu")
	for _, b := range bindings {
		value := "<" + b.Contact + ">" + b.Params
		if gruu {
			value += r.gruuParams(b)
		}
		h = append(h, wire.Header{Name: "Contact", Value: value + ";expires=" + seconds(b.Expires.Sub(now))})
	}
	if path := req.Header("Path"); path != "" {
		h = append(h, wire.Header{Name: "Path", Value: path})
	}
	if servedOutbound(req) {
		// RFC 5626 §6: there only when outbound was processed.
		h = append(h, wire.Header{Name: "Require", Value: "outbound"})
		if r.cfg.FlowTimer > 0 {
			h = append(h, wire.Header{Name: "Flow-Timer", Value: seconds(r.cfg.FlowTimer)})
		}
	}
	if len(r.cfg.ServiceRoute) > 0 {
		h = append(h, wire.Header{Name: "Service-Route", Value: strings.Join(r.cfg.ServiceRoute, ", ")})
	}
	// RFC 3261 §10.3 step 8: clients without a clock set theirs by it.
	return append(h, wire.Header{Name: "Date", Value: now.UTC().Format(http.TimeFormat)})
}

// gruuParams are the Contact parameters of RFC 5627 §5.2.
func (r *Registrar) gruuParams(b store.Binding) string {
	public, temporary := PublicGRUU(b), r.TemporaryGRUU(b)
	if public == "" || temporary == "" {
		return ""
	}
	return `;pub-gruu="` + public + `";temp-gruu="` + temporary + `"`
}

// servedOutbound reports whether a REGISTER that was accepted got what RFC 5626
// §6 calls outbound processing: one that cannot have it is refused with 439.
func servedOutbound(req *wire.Request) bool {
	if !req.HasOption("Supported", "outbound") && !req.HasOption("Require", "outbound") {
		return false
	}
	for _, n := range req.Contacts {
		id, _ := n.Param("reg-id")
		_, instance := n.Param("+sip.instance")
		if expires, ok := n.Param("expires"); parseRegID(id) != 0 && instance && expires != "0" && (ok || req.Expires != 0) {
			return true
		}
	}
	return false
}

// seconds writes a duration in whole seconds, rounded up.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64(max(0, (d+time.Second-1)/time.Second)), 10)
}

// supportsOutbound reports whether a Path value has the URI parameter "ob".
func supportsOutbound(path string) bool {
	_, rest, ok := strings.Cut(path, "<")
	if !ok {
		return false
	}
	text, _, _ := strings.Cut(rest, ">")
	uri, err := sipuri.Parse(text)
	if err != nil {
		return false
	}
	_, ob := uri.Param("ob")
	return ob
}
