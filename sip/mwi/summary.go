package mwi

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ContentType is the media type of message summaries.
const ContentType = "application/simple-message-summary"

// maxLines bounds a summary.
const maxLines = 100

// classes are the message context classes of RFC 3458 §6.2, in the order shown.
var classes = [...]string{"voice-message", "fax-message", "pager-message", "multimedia-message", "text-message", "none"}

// counts are the numbers of one class: new and old messages, urgent ones in brackets.
type counts struct {
	fresh, old             uint32
	urgentFresh, urgentOld uint32
	urgent                 bool // the urgent ones were told
}

// summary is a message summary, RFC 3842 §5.2.
type summary struct {
	body    []byte
	waiting bool
	account string
	classes [len(classes)]*counts
}

// parse reads a summary. Header fields about single messages, behind the first
// empty line, are not looked at.
func parse(body []byte) (*summary, error) {
	s := &summary{body: body}
	seen := false
	head, _, _ := strings.Cut(strings.ReplaceAll(string(body), "\r\n", "\n"), "\n\n")
	lines := strings.Split(strings.TrimRight(head, "\n"), "\n")
	if len(lines) > maxLines {
		return nil, errors.New("too many lines")
	}
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("line %q has no colon", line)
		}
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		if !printable(value) {
			return nil, errors.New("control characters")
		}
		switch name {
		case "messages-waiting":
			switch strings.ToLower(value) {
			case "yes":
				s.waiting = true
			case "no":
			default:
				return nil, errors.New("Messages-Waiting is neither yes nor no")
			}
			seen = true
		case "message-account":
			s.account = value
		default:
			i := slices.Index(classes[:], name)
			if i < 0 {
				continue
			}
			c, err := parseCounts(value)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			s.classes[i] = c
		}
	}
	if !seen {
		return nil, errors.New("no Messages-Waiting")
	}
	return s, nil
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// parseCounts reads "2/8 (0/2)".
func parseCounts(value string) (*counts, error) {
	all, urgent, hasUrgent := strings.Cut(value, "(")
	var c counts
	var err error
	if c.fresh, c.old, err = pair(all); err != nil || !hasUrgent {
		return &c, err
	}
	inner, rest, closed := strings.Cut(urgent, ")")
	if !closed || strings.TrimSpace(rest) != "" {
		return nil, errors.New("unbalanced bracket")
	}
	c.urgent = true
	c.urgentFresh, c.urgentOld, err = pair(inner)
	return &c, err
}

func pair(s string) (a, b uint32, err error) {
	x, y, ok := strings.Cut(s, "/")
	if !ok {
		return 0, 0, errors.New("counts are not of the form new/old")
	}
	m, err := strconv.ParseUint(strings.TrimSpace(x), 10, 32)
	if err != nil {
		return 0, 0, errors.New("bad count of new messages")
	}
	n, err := strconv.ParseUint(strings.TrimSpace(y), 10, 32)
	if err != nil {
		return 0, 0, errors.New("bad count of old messages")
	}
	return uint32(m), uint32(n), nil
}

// merge makes one body of the summaries of all mailboxes: a single one passes as
// it is, of several the numbers are added.
func merge(all []*summary) []byte {
	switch len(all) {
	case 0:
		return []byte("Messages-Waiting: no\r\n")
	case 1:
		return all[0].body
	}
	var sum summary
	for _, s := range all {
		sum.waiting = sum.waiting || s.waiting
		if sum.account == "" {
			sum.account = s.account
		}
		for i, c := range s.classes {
			if c != nil {
				sum.classes[i] = sum.classes[i].plus(c)
			}
		}
	}
	return sum.append(nil)
}

func (c *counts) plus(d *counts) *counts {
	if c == nil {
		return d
	}
	return &counts{
		add(c.fresh, d.fresh), add(c.old, d.old),
		add(c.urgentFresh, d.urgentFresh), add(c.urgentOld, d.urgentOld), c.urgent || d.urgent,
	}
}

// add adds without running over.
func add(a, b uint32) uint32 {
	if sum := a + b; sum >= a {
		return sum
	}
	return 1<<32 - 1
}

func (s *summary) append(b []byte) []byte {
	b = append(b, "Messages-Waiting: "...)
	if s.waiting {
		b = append(b, "yes\r\n"...)
	} else {
		b = append(b, "no\r\n"...)
	}
	if s.account != "" {
		b = append(b, "Message-Account: "+s.account+"\r\n"...)
	}
	for i, c := range s.classes {
		if c == nil {
			continue
		}
		b = fmt.Appendf(b, "%s: %d/%d", title(classes[i]), c.fresh, c.old)
		if c.urgent {
			b = fmt.Appendf(b, " (%d/%d)", c.urgentFresh, c.urgentOld)
		}
		b = append(b, "\r\n"...)
	}
	return b
}

// title writes the name of a class as the RFC does: Voice-Message.
func title(class string) string {
	parts := strings.Split(class, "-")
	for i, p := range parts {
		parts[i] = strings.ToUpper(p[:1]) + p[1:]
	}
	return strings.Join(parts, "-")
}
