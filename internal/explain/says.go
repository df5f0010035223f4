package explain

import (
	"fmt"
	"slices"
	"strings"

	"rollcall/internal/pidf"
	"rollcall/internal/xmlscan"
)

// Says is the gist of a presence document in a few words.
func Says(body []byte) string {
	limits := xmlscan.DefaultLimits()
	limits.Bytes = max(limits.Bytes, len(body))
	doc, err := xmlscan.Scan(body, limits)
	if err != nil {
		return "a document that cannot be read: " + err.Error()
	}
	var g gist
	for i := range doc.Elements {
		g.element(doc, i)
	}
	return g.String()
}

// gist collects what a document says.
type gist struct {
	open, closed int
	activities   []string
	moods        []string
	notes        []string
}

const maxNote = 100

func (g *gist) element(doc *xmlscan.Doc, i int) {
	e := &doc.Elements[i]
	switch {
	case doc.Is(i, pidf.Namespace, "basic"):
		if strings.TrimSpace(doc.Text(i)) == "open" {
			g.open++
		} else {
			g.closed++
		}
	case e.Local == "note" && strings.TrimSpace(doc.Text(i)) != "":
		note := []rune(strings.Join(strings.Fields(doc.Text(i)), " "))
		if len(note) > maxNote {
			note = append(note[:maxNote-3], []rune("...")...)
		}
		g.notes = add(g.notes, fmt.Sprintf("%q", string(note)))
	case e.Parent >= 0 && doc.Is(int(e.Parent), pidf.RPID, "activities"):
		g.activities = add(g.activities, e.Local)
	case e.Parent >= 0 && doc.Is(int(e.Parent), pidf.RPID, "mood"):
		g.moods = add(g.moods, e.Local)
	}
}

// add keeps the first few different ones.
func add(list []string, s string) []string {
	const most = 5
	if len(list) >= most || slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

func (g *gist) String() string {
	var parts []string
	switch {
	case g.open > 1:
		parts = append(parts, fmt.Sprintf("online (%d ways to be reached)", g.open))
	case g.open == 1:
		parts = append(parts, "online")
	case g.closed > 0:
		parts = append(parts, "offline")
	default:
		parts = append(parts, "neither online nor offline")
	}
	if len(g.activities) > 0 {
		parts = append(parts, "activity "+strings.Join(g.activities, ", "))
	}
	if len(g.moods) > 0 {
		parts = append(parts, "mood "+strings.Join(g.moods, ", "))
	}
	if len(g.notes) > 0 {
		parts = append(parts, "note "+strings.Join(g.notes, ", "))
	}
	return strings.Join(parts, "; ")
}
