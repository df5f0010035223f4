package explain

import (
	"fmt"
	"time"

	"rollcall/internal/pidf"
)

// Origin tells where a part of the composed document is from.
type Origin struct {
	Part      string    `json:"part"` // "service", "person", "activities of the person" ...
	ID        string    `json:"id,omitempty"`
	From      string    `json:"from"` // publication, hard state, override, registration, call or nobody
	UserAgent string    `json:"userAgent,omitempty"`
	Since     time.Time `json:"since,omitzero"`
}

var sources = [...]string{
	pidf.FromPublication: "publication", pidf.FromHard: "hard state", pidf.FromOverride: "override",
	pidf.FromRegistration: "registration", pidf.FromCall: "call", pidf.FromNobody: "nobody",
}

var parts = [...]string{pidf.Tuple: "service", pidf.Note: "note", pidf.Person: "person", pidf.Device: "device", pidf.Other: "extension"}

// origins names the sources of the composed document.
func (r *Report) origins(composed []pidf.Origin) {
	r.Origins = make([]Origin, 0, len(composed))
	for _, o := range composed {
		out := Origin{Part: parts[o.Kind], ID: o.ID, From: sources[o.Source], Since: o.Since}
		if o.Element != "" {
			out.Part = o.Element + " of the " + out.Part
		}
		for i := range r.Publications {
			if p := &r.Publications[i]; o.Source == pidf.FromPublication && p.Lineage == o.Lineage {
				out.UserAgent = p.UserAgent
			}
		}
		r.Origins = append(r.Origins, out)
	}
}

// where is the source of a part for a person.
func (o *Origin) where() string {
	switch o.From {
	case "publication":
		if o.UserAgent != "" {
			return "published by " + o.UserAgent
		}
		return "published"
	case "hard state":
		return "from the stored document (pidf-manipulation/index)"
	case "override":
		return "from the stored document that overrides devices (pidf-manipulation/override)"
	case "registration":
		return "made of a registration"
	case "call":
		return "made of a call in progress"
	}
	return "as there is nothing else"
}

// Reach says whether a user is there.
type Reach struct {
	// State is reachable; uncertain when the connections of all devices are gone;
	// offline when the last one said so; unreachable when it did not; and never-seen,
	// which is as far back as the server remembers: its start.
	State string    `json:"state"`
	Seen  time.Time `json:"seen,omitzero"`
	Until time.Time `json:"until,omitzero"` // of uncertain: then it is unreachable
}

// Ways in which a user who is not there has gone, for State.Ending.
const (
	Left    = "left"
	Expired = "expired"
	Dropped = "unregistered"
)

// reach finds out whether the presentity is there.
func (r *Report) reach(s *State) {
	out := Reach{State: "never-seen", Seen: s.Seen}
	consider := func(expires, ends time.Time) {
		switch {
		case !ends.Before(expires):
			out.State, out.Until = "reachable", time.Time{}
		case out.State != "reachable":
			out.State = "uncertain"
			if ends.After(out.Until) {
				out.Until = ends
			}
		}
	}
	for _, reg := range r.Registrations {
		consider(reg.Expires, reg.Ends)
	}
	for _, p := range r.Publications {
		consider(p.Expires, p.Ends)
	}
	if out.State == "never-seen" {
		switch s.Ending {
		case Left, Dropped:
			out.State = "offline"
		case Expired:
			out.State = "unreachable"
		}
	}
	r.Reach = &out
}

// reachable says whether the presentity is there.
func (t *text) reachable() {
	r := t.r.Reach
	if r == nil {
		return
	}
	switch r.State {
	case "uncertain":
		t.line("   Uncertain: the connections of all devices are gone. They count as unreachable %s unless one comes back.", t.in(r.Until))
	case "offline":
		t.line("   Offline: it went %s.", t.ago(r.Seen))
	case "unreachable":
		t.line("   Unreachable: it ended %s without having said so.", t.ago(r.Seen))
	case "never-seen":
		if t.r.Live {
			t.line("   Never seen since the server was started.")
		}
	}
}

// parts lists where each part of the composed document is from.
func (t *text) parts() {
	const most = 40
	for i := range t.r.Origins {
		o := &t.r.Origins[i]
		if o.From == "nobody" {
			continue
		}
		if i == most {
			t.line("     and %d more", len(t.r.Origins)-most)
			break
		}
		line := fmt.Sprintf("%s: %s", named(o), o.where())
		if !o.Since.IsZero() {
			line += ", " + t.ago(o.Since)
		}
		t.line("     %s", line)
	}
}

func named(o *Origin) string {
	if o.ID == "" {
		return o.Part
	}
	return fmt.Sprintf("%s %q", o.Part, o.ID)
}
