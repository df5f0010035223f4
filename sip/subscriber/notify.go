package subscriber

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"slices"
	"strings"
	"time"

	"rollcall/sip/event"
	"rollcall/sip/wire"
)

// Notify answers a NOTIFY. It may be called on any goroutine and does not block.
func (s *Subscriber) Notify(req *wire.Request) {
	// RFC 6665 §4.4.1: what matches no subscription gets 481. Our tag says where to look.
	i, ok := event.TagShard(req.To.Tag())
	if !ok {
		s.respond(req, wire.Response{Status: 481})
		return
	}
	if !s.cfg.Pool.TryKnown(i, func() { s.respond(req, s.serve(i, req)) }) {
		s.cfg.Metrics.Overload.Inc()
		s.respond(req, wire.Overloaded())
	}
}

func (s *Subscriber) respond(req *wire.Request, resp wire.Response) {
	if err := req.Respond(resp); err != nil {
		slog.Debug("answer to NOTIFY not sent", "error", err)
	}
}

// serve finds the subscription of a NOTIFY on its shard.
func (s *Subscriber) serve(shardIndex int, req *wire.Request) wire.Response {
	b := s.rooms[shardIndex].byTag[req.To.Tag()]
	if b == nil || b.callID != req.CallID {
		return wire.Response{Status: 481}
	}
	if _, known := s.cfg.Packages[req.Event]; !known {
		// RFC 6665 §4.1.3
		return wire.Response{Status: 489, Headers: []wire.Header{{Name: "Allow-Events", Value: s.allowEvents()}}}
	}
	if req.Event != b.key.Event || req.EventID() != "" {
		return wire.Response{Status: 481} // RFC 6665 §8.2.1: none of ours has an id
	}
	if missing := req.Unsupported(); len(missing) > 0 {
		unsupported := wire.Header{Name: "Unsupported", Value: strings.Join(missing, ", ")}
		return wire.Response{Status: 420, Headers: []wire.Header{unsupported}}
	}
	st, ok := parseState(req.Header("Subscription-State"))
	if !ok {
		return wire.Response{Status: 400, Reason: "Bad Subscription-State"}
	}
	resp := b.notified(req, st)
	b.arm()
	return resp
}

func (s *Subscriber) allowEvents() string {
	var events []string
	for e := range s.cfg.Packages {
		events = append(events, e)
	}
	slices.Sort(events)
	return strings.Join(events, ", ")
}

// notified takes a NOTIFY that may be for b.
func (b *subscription) notified(req *wire.Request, st substate) wire.Response {
	d := &b.dialog
	switch {
	case d.tag == "":
	case d.tag != req.From.Tag():
		// RFC 3856 §6.9, RFC 4662 §4.7: one dialog; a fork is told that it is not needed.
		return wire.Response{Status: 481}
	case req.CSeq < d.cseq:
		return wire.Response{Status: 500, Reason: "CSeq Out Of Order"} // RFC 3261 §12.2.2
	case req.CSeq == d.cseq:
		return wire.Response{Status: 200} // it was taken
	}
	resp := wire.Response{Status: 200}
	if st.state != event.Terminated {
		if no := b.establish(req, &resp); no != nil {
			return *no
		}
	}
	d.cseq, d.flow = req.CSeq, req.Flow
	b.confirm = time.Time{}
	switch {
	case b.phase == leaving && st.state == event.Terminated:
		b.drop()
	case b.phase == leaving:
		b.confirm = time.Now().Add(timerN)
	case st.state == event.Terminated:
		b.end(verdictOf(st))
	default:
		b.lasts(st)
		return b.state(req, st.state, resp)
	}
	return resp
}

// establish makes the dialog, or takes its new remote target.
func (b *subscription) establish(req *wire.Request, resp *wire.Response) *wire.Response {
	d := &b.dialog
	target, ok := "", false
	if len(req.Contacts) == 1 && !req.ContactStar {
		target, ok = targetOf(req.Contacts[0])
	}
	if d.tag != "" {
		if ok {
			d.target = target
		}
		return nil
	}
	if !ok || req.From.Tag() == "" {
		return &wire.Response{Status: 400, Reason: "Contact And From Tag Expected"}
	}
	early := d.routes // of the answer to SUBSCRIBE
	d.routes = nil
	if d.open(req, target); len(d.routes) == 0 {
		d.routes = early
	}
	b.phase, b.begun = live, time.Now()
	// RFC 3261 §12.1.1: what makes a dialog gets these back.
	for _, route := range req.Values("Record-Route") {
		resp.Headers = append(resp.Headers, wire.Header{Name: "Record-Route", Value: route})
	}
	resp.Headers = append(resp.Headers, wire.Header{Name: "Contact", Value: "<" + b.s.cfg.Sender.ContactURI(req.Flow) + ">"})
	return nil
}

// lasts takes the duration that a NOTIFY tells.
func (b *subscription) lasts(st substate) {
	switch {
	case st.expires >= 0:
		b.until(st.expires)
	case b.expires.IsZero():
		b.until(b.ask)
	}
}

// state takes the state that a NOTIFY tells. A body that cannot be taken is
// refused, and what was known is not true any more.
func (b *subscription) state(req *wire.Request, state event.State, resp wire.Response) wire.Response {
	v := &View{Known: true, State: state}
	if state != event.Active {
		b.show(v)
		return resp
	}
	if len(req.Body) == 0 {
		if old := b.view.Load(); old.State == event.Active {
			return resp // RFC 5839 §6.2, and others who leave out what is known
		}
		b.show(v)
		return resp
	}
	if no := b.refuse(req); no != nil {
		b.show(v)
		return *no
	}
	if old := b.view.Load(); old.State == event.Active && old.ContentType == req.ContentTypeRaw && bytes.Equal(old.Body, req.Body) {
		return resp
	}
	sum := sha256.Sum256(req.Body)
	v.ContentType, v.Body, v.Tag = strings.Clone(req.ContentTypeRaw), bytes.Clone(req.Body), hex.EncodeToString(sum[:16])
	b.show(v)
	return resp
}

// refuse says what is wrong with a body; nil: nothing.
func (b *subscription) refuse(req *wire.Request) *wire.Response {
	p := b.s.cfg.Packages[b.key.Event]
	if len(req.Body) > b.s.cfg.MaxBody {
		return &wire.Response{Status: 413}
	}
	if !slices.Contains(p.Accept, req.ContentType) {
		return &wire.Response{Status: 415, Headers: []wire.Header{{Name: "Accept", Value: strings.Join(p.Accept, ", ")}}}
	}
	if coding := req.Header("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return &wire.Response{Status: 415, Headers: []wire.Header{{Name: "Accept-Encoding", Value: "identity"}}}
	}
	if p.Check != nil {
		if err := p.Check(req.Body); err != nil {
			slog.Info("document of another domain cannot be read", "resource", b.key.Resource, "error", err)
			return &wire.Response{Status: 400, Reason: "Malformed Document"}
		}
	}
	return nil
}
