package explain

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"
)

// List is a list as it is read now, and what a watcher sees of its members.
type List struct {
	Watcher string    `json:"watcher"` // "anonymous" for one without identity
	List    string    `json:"list"`
	At      time.Time `json:"at"`
	Live    bool      `json:"live"` // false: from what is stored

	Owner    string `json:"owner"`
	Document string `json:"document"` // where it is defined
	// Defined is false for a list that users have without one, which is empty.
	Defined bool   `json:"defined"`
	Name    string `json:"name,omitempty"`
	// Refused tells that the watcher may not subscribe.
	Refused  bool     `json:"refused"`
	Packages []string `json:"packages"` // nil: all
	// Event is the package in which the states of members are; empty: not known.
	Event   string       `json:"event,omitempty"`
	Members []ListMember `json:"members"`
	// Unresolved are the entries that lead nowhere.
	Unresolved []Unresolved `json:"unresolved"`
	// Problem is why the list as a whole leads nowhere.
	Problem string `json:"problem,omitempty"`
}

// ListMember is a member of a list.
type ListMember struct {
	URI     string `json:"uri"`
	Name    string `json:"name,omitempty"`
	Foreign bool   `json:"foreign,omitempty"` // of another server
	List    bool   `json:"list,omitempty"`    // a list itself
	State   string `json:"state,omitempty"`   // empty: not known
	Reason  string `json:"reason,omitempty"`
}

// Unresolved is an entry that leads nowhere.
type Unresolved struct {
	Entry  string `json:"entry"`
	Reason string `json:"reason"`
}

// WriteText prints the list for a person.
func (l *List) WriteText(w io.Writer) error {
	out := bufio.NewWriter(w)
	p := printer{out}
	p.line("The list %s as %s finds it", plain(l.List), plain(l.Watcher))
	p.heading(l.At, l.Live)
	p.line("%s", l.summary())
	if l.Refused {
		p.line("%s may not use it: a subscription gets 403.", plain(l.Watcher))
	}
	p.section(1, "Where it is defined")
	l.writePlace(p)
	p.section(2, "Members")
	for _, m := range l.Members {
		p.line("   %s", m.says(l.Event))
	}
	if len(l.Members) == 0 {
		p.line("   none")
	}
	p.section(3, "Entries that cannot be resolved")
	for _, u := range l.Unresolved {
		p.line("   %s: %s", u.Entry, u.Reason)
	}
	if len(l.Unresolved) == 0 {
		p.line("   none")
	}
	return out.Flush()
}

func (l *List) summary() string {
	switch {
	case !l.Defined:
		return "It is empty: there is no service with this address yet."
	case l.Problem != "":
		return "It has no members: the resource-list that it refers to cannot be resolved (" + l.Problem + ")."
	case len(l.Unresolved) == 0:
		return fmt.Sprintf("It has %s.", count(len(l.Members), "member", "members"))
	}
	return fmt.Sprintf("It has %s; %s cannot be resolved.",
		count(len(l.Members), "member", "members"), count(len(l.Unresolved), "entry", "entries"))
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func (l *List) writePlace(p printer) {
	line := "a service in " + l.Document
	if !l.Defined {
		line = "by its address; a service in " + l.Document + " can fill it"
	}
	p.line("   %s", line)
	if l.Name != "" {
		p.line("   name: %q", l.Name)
	}
	p.line("   owner: %s", plain(l.Owner))
	packages := "all"
	if l.Packages != nil {
		packages = cmp.Or(strings.Join(l.Packages, ", "), "none")
	}
	p.line("   event packages: %s", packages)
}

func (m *ListMember) says(event string) string {
	who := plain(m.URI)
	if m.Name != "" {
		who += fmt.Sprintf(" (%q)", m.Name)
	}
	if m.Foreign {
		who += ", of another domain"
	}
	switch {
	case m.List:
		return who + ": a list itself"
	case m.State == "" && event == "":
		return who
	case m.State == "":
		return who + ": " + event + " not known yet"
	case m.Reason != "":
		return fmt.Sprintf("%s: %s %s (%s)", who, event, m.State, m.Reason)
	}
	return fmt.Sprintf("%s: %s %s", who, event, m.State)
}
