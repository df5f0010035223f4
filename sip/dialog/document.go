package dialog

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"rollcall/internal/xmlscan"
)

// ContentType is the media type of dialog information.
const ContentType = "application/dialog-info+xml"

const (
	namespace  = "urn:ietf:params:xml:ns:dialog-info"
	maxDialogs = 200 // of one document
)

// phase is the state of a dialog, in the order in which it can only go on (RFC
// 4235 §3.7.1).
type phase uint8

const (
	trying phase = iota
	proceeding
	early
	confirmed
	terminated
)

var phases = [...]string{"trying", "proceeding", "early", "confirmed", "terminated"}

// events are why a dialog came to its state (RFC 4235 §4.1.2).
var events = [...]string{"", "cancelled", "rejected", "replaced", "local-bye", "remote-bye", "error", "timeout"}

// party is one side of a dialog.
type party struct{ display, identity, target string }

// dialog is one dialog as far as we pass it on.
type dialog struct {
	id, callID, localTag, remoteTag, direction string

	phase         phase
	event         string
	code          int
	local, remote party
}

// document is dialog information as published.
type document struct {
	partial bool
	dialogs []dialog
}

// parse reads dialog information.
func parse(body []byte, limit int) (*document, error) {
	d, err := xmlscan.Scan(body, xmlscan.Limits{Bytes: limit})
	if err != nil {
		return nil, err
	}
	if !d.Is(0, namespace, "dialog-info") {
		return nil, errors.New("the root element is not dialog-info")
	}
	doc := &document{}
	switch state, _ := d.Attr(0, "", "state"); state {
	case "full":
	case "partial":
		doc.partial = true
	default:
		return nil, errors.New("state is neither full nor partial")
	}
	seen := map[string]bool{}
	for i := range d.Children(0) {
		if !d.Is(i, namespace, "dialog") {
			continue
		}
		one, err := parseDialog(d, i)
		switch {
		case err != nil:
			return nil, err
		case seen[one.id]:
			return nil, fmt.Errorf("two dialogs with id %q", one.id)
		case len(doc.dialogs) == maxDialogs:
			return nil, fmt.Errorf("more than %d dialogs", maxDialogs)
		}
		seen[one.id] = true
		doc.dialogs = append(doc.dialogs, one)
	}
	return doc, nil
}

func parseDialog(d *xmlscan.Doc, elem int) (dialog, error) {
	attr := func(name string) string {
		v, _ := d.Attr(elem, "", name)
		return strings.Clone(strings.TrimSpace(v))
	}
	one := dialog{id: attr("id"), callID: attr("call-id"), localTag: attr("local-tag"), remoteTag: attr("remote-tag"), direction: attr("direction")}
	if one.id == "" {
		return one, errors.New("a dialog without id")
	}
	if one.direction != "" && one.direction != "initiator" && one.direction != "recipient" {
		return one, fmt.Errorf("direction of dialog %q", one.id)
	}
	found := false
	for i := range d.Children(elem) {
		switch {
		case d.Is(i, namespace, "state"):
			if err := one.readState(d, i); err != nil {
				return one, err
			}
			found = true
		case d.Is(i, namespace, "local"):
			one.local = parseParty(d, i)
		case d.Is(i, namespace, "remote"):
			one.remote = parseParty(d, i)
		}
	}
	if !found {
		return one, fmt.Errorf("dialog %q has no state", one.id)
	}
	return one, nil
}

func (one *dialog) readState(d *xmlscan.Doc, elem int) error {
	text := strings.TrimSpace(d.Text(elem))
	for p, name := range phases {
		if name != text {
			continue
		}
		one.phase = phase(p)
		if e, _ := d.Attr(elem, "", "event"); e != "" {
			for _, known := range events {
				if known == e {
					one.event = known
				}
			}
		}
		if c, _ := d.Attr(elem, "", "code"); c != "" {
			if n, err := strconv.Atoi(c); err == nil && n >= 100 && n < 700 {
				one.code = n
			}
		}
		return nil
	}
	return fmt.Errorf("dialog %q is in no known state", one.id)
}

func parseParty(d *xmlscan.Doc, elem int) party {
	var p party
	for i := range d.Children(elem) {
		switch {
		case d.Is(i, namespace, "identity"):
			p.identity = strings.Clone(strings.TrimSpace(d.Text(i)))
			display, _ := d.Attr(i, "", "display")
			p.display = strings.Clone(display)
		case d.Is(i, namespace, "target"):
			uri, _ := d.Attr(i, "", "uri")
			p.target = strings.Clone(strings.TrimSpace(uri))
		}
	}
	return p
}

// write makes dialog information of the given dialogs.
func write(entity string, version uint32, partial bool, dialogs []dialog) []byte {
	b := make([]byte, 0, 256+400*len(dialogs))
	b = append(b, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+`<dialog-info xmlns="`+namespace+`" version="`...)
	b = strconv.AppendUint(b, uint64(version), 10)
	b = append(b, `" state="`...)
	if partial {
		b = append(b, "partial"...)
	} else {
		b = append(b, "full"...)
	}
	b = appendAttr(b, `" entity="`, entity)
	b = append(b, "\">\n"...)
	for i := range dialogs {
		b = dialogs[i].append(b)
	}
	return append(b, "</dialog-info>\n"...)
}

func appendAttr(b []byte, before, value string) []byte {
	return xmlscan.EscapeAttr(append(b, before...), value)
}

// append writes the dialog element.
func (one *dialog) append(b []byte) []byte {
	b = appendAttr(b, `<dialog id="`, one.id)
	for _, a := range [...]struct{ name, value string }{
		{"call-id", one.callID}, {"local-tag", one.localTag}, {"remote-tag", one.remoteTag}, {"direction", one.direction},
	} {
		if a.value != "" {
			b = appendAttr(b, `" `+a.name+`="`, a.value)
		}
	}
	b = append(b, `"><state`...)
	if one.event != "" {
		b = append(b, ` event="`+one.event+`"`...)
	}
	if one.code != 0 {
		b = append(b, ` code="`+strconv.Itoa(one.code)+`"`...)
	}
	b = append(b, ">"+phases[one.phase]+"</state>"...)
	b = one.local.append(b, "local")
	b = one.remote.append(b, "remote")
	return append(b, "</dialog>\n"...)
}

func (p *party) append(b []byte, name string) []byte {
	if *p == (party{}) {
		return b
	}
	b = append(b, "<"+name+">"...)
	if p.identity != "" {
		b = append(b, "<identity"...)
		if p.display != "" {
			b = append(appendAttr(b, ` display="`, p.display), '"')
		}
		b = append(xmlscan.Escape(append(b, '>'), p.identity), "</identity>"...)
	}
	if p.target != "" {
		b = append(appendAttr(b, `<target uri="`, p.target), `"/>`...)
	}
	return append(b, "</"+name+">"...)
}
