package config

import (
	"errors"
	"fmt"
	"strings"

	"rollcall/internal/sipuri"
)

// XCAP says who besides the owner may use documents, and how much each user may
// store.
type XCAP struct {
	Quota `embed:""`

	GlobalReaders []string `name:"global-readers" env:"ROLLCALL_GLOBAL_READERS" placeholder:"USER" help:"Users that may read the index of all list services, rls-services/global/index; repeat for more."`
	SuperUsers    []string `name:"super-users" env:"ROLLCALL_SUPER_USERS" placeholder:"USER" help:"Users (programs, mostly) that may read and write everybody's documents and see everybody's registrations and mailboxes; repeat for more. Each use of documents is logged."`
	Delegates     []string `name:"delegates" env:"ROLLCALL_DELEGATES" placeholder:"USER=OWNER" help:"User that may read documents of another, as USER=OWNER[:AUID[:write]], e.g. assistant@example.org=boss@example.org:resource-lists:write; repeat for more. Each use is logged."`

	WriteRate  float64 `name:"write-rate" env:"ROLLCALL_WRITE_RATE" default:"20" help:"Changes of XCAP documents by one user, per second in the long run; above it they get 429. 0 for no limit."`
	WriteBurst int     `name:"write-burst" env:"ROLLCALL_WRITE_BURST" default:"1000" help:"Changes of XCAP documents by one user at once."`
}

// Quota is how much each user may store, over XCAP or by a command.
type Quota struct {
	MaxDocumentBytes int `name:"max-document-bytes" env:"ROLLCALL_MAX_DOCUMENT_BYTES" default:"262144" help:"An XCAP document; larger ones get 413."`
	MaxDocuments     int `name:"max-documents" env:"ROLLCALL_MAX_DOCUMENTS" default:"256" help:"XCAP documents of one user."`
	MaxTotalBytes    int `name:"max-total-bytes" env:"ROLLCALL_MAX_TOTAL_BYTES" default:"4194304" help:"All XCAP documents of one user together."`
	MaxEntries       int `name:"max-entries" env:"ROLLCALL_MAX_ENTRIES" default:"5000" help:"Entries of the lists in one XCAP document."`
	MaxIconBytes     int `name:"max-icon-bytes" env:"ROLLCALL_MAX_ICON_BYTES" default:"184320" help:"A status icon, decoded."`
}

// Normalize checks the limits.
func (q *Quota) Normalize() error {
	return positive([]limit{
		{"max-document-bytes", q.MaxDocumentBytes}, {"max-documents", q.MaxDocuments}, {"max-total-bytes", q.MaxTotalBytes},
		{"max-entries", q.MaxEntries}, {"max-icon-bytes", q.MaxIconBytes},
	})
}

// limit is a setting that must be more than 0.
type limit struct {
	name  string
	value int
}

func positive(limits []limit) error {
	for _, l := range limits {
		if l.value <= 0 {
			return fmt.Errorf("%s: must be more than 0", l.name)
		}
	}
	return nil
}

// Delegate lets User use documents of Owner.
type Delegate struct {
	User, Owner string // canonical AORs
	AUID        string // application usage; empty for all
	Write       bool   // else read only
}

func (x *XCAP) normalize(domain string) (err error) {
	if x.GlobalReaders, err = users("global-readers", x.GlobalReaders, domain); err != nil {
		return err
	}
	if x.SuperUsers, err = users("super-users", x.SuperUsers, domain); err != nil {
		return err
	}
	if _, err = x.Grants(domain); err != nil {
		return err
	}
	if !(x.WriteRate >= 0 && x.WriteRate <= 1e6) {
		return errors.New("write-rate: must lie between 0 and 1000000")
	}
	if err := x.Quota.Normalize(); err != nil {
		return err
	}
	return positive([]limit{{"write-burst", x.WriteBurst}})
}

// Grants returns what the delegates setting grants; users without a domain are of
// the one given.
func (x *XCAP) Grants(domain string) ([]Delegate, error) {
	var grants []Delegate
	for _, text := range x.Delegates {
		g, err := parseDelegate(text, domain)
		if err != nil {
			return nil, fmt.Errorf("delegates: %q: %w", text, err)
		}
		grants = append(grants, g)
	}
	return grants, nil
}

// everyAUID stands for all application usages.
const everyAUID = "*"

// parseDelegate reads USER=OWNER[:AUID[:write]].
func parseDelegate(text, domain string) (g Delegate, err error) {
	user, rest, ok := strings.Cut(text, "=")
	if !ok {
		return g, errors.New("is not of the form USER=OWNER:AUID")
	}
	parts := strings.Split(strings.TrimPrefix(strings.TrimSpace(rest), "sip:"), ":")
	if g.User, err = address(user, domain); err != nil {
		return g, err
	}
	if g.Owner, err = address(parts[0], domain); err != nil {
		return g, err
	}
	if len(parts) > 1 && parts[1] != everyAUID {
		if g.AUID = parts[1]; g.AUID == "" || strings.ContainsAny(g.AUID, "/ ") {
			return g, fmt.Errorf("%q is no application usage", g.AUID)
		}
	}
	switch {
	case len(parts) == 3 && parts[2] == "write":
		g.Write = true
	case len(parts) >= 3:
		return g, errors.New("only \"write\" may stand at the end")
	}
	return g, nil
}

// users brings addresses to their canonical form.
func users(setting string, given []string, domain string) ([]string, error) {
	var out []string
	for _, text := range given {
		aor, err := address(text, domain)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", setting, err)
		}
		out = append(out, aor)
	}
	return out, nil
}

// address brings one address to its canonical form.
func address(text, domain string) (string, error) {
	full := strings.TrimSpace(text)
	if full != "" && !strings.Contains(full, "@") {
		full += "@" + domain
	}
	aor, err := sipuri.AOR(full)
	if name, host := sipuri.Split(aor); err != nil || !strings.HasPrefix(aor, "sip:") || name == "" || host == "" {
		return "", fmt.Errorf("%q is not the address of a user", text)
	}
	return aor, nil
}
