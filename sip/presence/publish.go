package presence

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"rollcall/internal/auth"
	"rollcall/internal/pidf"
	"rollcall/internal/shard"
	"rollcall/internal/xmlscan"
	"rollcall/sip/eventstate"
	"rollcall/sip/wire"
)

// publication is a stored publication with its parsed document.
type publication = eventstate.Publication[*pidf.Document]

// terms are what RFC 3856 §6 and RFC 3903 leave to the presence package.
func (s *Service) terms() eventstate.Terms[*pidf.Document] {
	return eventstate.Terms[*pidf.Document]{
		Event: Event, Accept: []string{pidf.ContentType, pidf.AliasType, partialType},
		Read: s.read, Supersedes: sameDevice,
	}
}

// Publish answers a PUBLISH of who for aor. It runs on the shard of aor.
func (s *Service) Publish(ctx context.Context, req *wire.Request, aor string, who auth.Identity) {
	var p *presentity
	refused := s.admission.Check(req, aor, Event, who, func() (err error) {
		p, err = s.known(ctx, aor)
		return err
	})
	if refused != nil {
		eventstate.Respond(req, aor, *refused)
		return
	}
	next, resp := s.desk.Publish(ctx, req, aor, p.publications)
	eventstate.Respond(req, aor, resp)
	if resp.Status != 200 {
		return
	}
	s.cfg.Metrics.Publications.Add(float64(len(next) - len(p.publications)))
	p.personsSince = personsSince(p.personsSince, p.publications, next)
	if len(next) > 0 {
		s.flows.Add(req.Flow, aor)
		s.sight(aor, PublicationExpired)
	} else if len(p.publications) > 0 {
		s.sight(aor, Left)
	}
	p.publications = next
	p.settle()
}

// read reads a published document.
func (s *Service) read(contentType string, body []byte, old *publication) (eventstate.Content[*pidf.Document], error) {
	if contentType == partialType {
		var err error
		if body, err = s.readPartial(body, old); err != nil {
			return eventstate.Content[*pidf.Document]{}, err
		}
	}
	doc, err := pidf.Parse(body, xmlscan.Limits{Bytes: s.cfg.MaxBody})
	if err != nil {
		return eventstate.Content[*pidf.Document]{}, err
	}
	doc.Compact()
	return eventstate.Content[*pidf.Document]{Type: pidf.ContentType, Body: body, Doc: doc}, nil
}

// flowClosed says that a connection over which aor published is gone.
func (s *Service) flowClosed(aor, ref string) {
	s.cfg.Pool.Post(shard.Index(aor), func() {
		p := s.find(aor)
		if p != nil && p.publications.FlowClosed(ref, time.Now().Add(s.cfg.FlowGrace)) {
			slog.Debug("connection of a publisher closed", "presentity", aor, "flow", ref)
			p.plan()
		}
	})
}

// back reports whether a device that published has registered anew: the registrar
// has dropped what came over the connection that closed.
func (p *presentity) back(pub *publication) bool {
	ids := pub.Doc.DeviceIDs()
	return slices.ContainsFunc(p.registrations, func(r pidf.Registration) bool {
		return r.Instance != "" && slices.Contains(ids, pidf.DeviceKey(r.Instance))
	})
}

// telling is the length from which on an id is taken to be of one device only.
// Shorter ones are what people and simple clients write: "t1", "a".
const telling = 8

// sameDevice reports whether a new publication is of the device that made old: it
// names the same devices or, when neither names any, the same tuples.
func sameDevice(next, old *pidf.Document) bool {
	after, before := next.DeviceIDs(), old.DeviceIDs()
	if len(after)+len(before) == 0 {
		after, before = tupleIDs(next), tupleIDs(old)
	}
	return len(before) > 0 && slices.Equal(before, after)
}

// tupleIDs are the ids of the tuples in order, none if one of them says little.
func tupleIDs(d *pidf.Document) []string {
	var ids []string
	for _, t := range d.Tuples {
		if len(t.ID) < telling {
			return nil
		}
		ids = append(ids, t.ID)
	}
	slices.Sort(ids)
	return ids
}
