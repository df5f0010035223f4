package route

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"rollcall/internal/sipuri"
)

// Hop is where requests for a domain go.
type Hop struct {
	URI sipuri.URI // of a server; without a Host: find the servers of the domain (RFC 3263)
	TLS bool       // nothing else will do
}

// Table maps domains to hops. The zero Table has no way to anywhere.
type Table struct {
	rows map[string]row
}

// row is what the table says of one domain.
type row struct {
	hop     Hop
	out, in bool // whether requests go there, and come from there
}

// others is the domain of the row for domains without one of their own.
const others = "*"

// Parse reads rows of the form DOMAIN=WAY. DOMAIN is a name or "*" for all that
// have no row; WAY is deny, dns, dns-tls or the SIP URI of a server, sips for TLS.
// Who is reached over TLS may send requests, too, when its certificate proves the
// domain; "WAY out" takes that away, and the WAY "in" leaves nothing else.
func Parse(rows []string) (Table, error) {
	t := Table{rows: make(map[string]row, len(rows))}
	for _, text := range rows {
		domain, way, ok := strings.Cut(text, "=")
		domain, way = strings.ToLower(strings.TrimSpace(domain)), strings.TrimSpace(way)
		if !ok || domain == "" || strings.ContainsAny(domain, "@: \t") {
			return Table{}, fmt.Errorf("%q is not DOMAIN=deny, DOMAIN=dns, DOMAIN=dns-tls, DOMAIN=in or DOMAIN=URI", text)
		}
		if _, twice := t.rows[domain]; twice {
			return Table{}, fmt.Errorf("%q is there twice", domain)
		}
		r, err := parseWay(way)
		if err != nil {
			return Table{}, fmt.Errorf("%q: %w", text, err)
		}
		t.rows[domain] = r
	}
	return t, nil
}

func parseWay(way string) (row, error) {
	way, only, restricted := strings.Cut(way, " ")
	if restricted && (strings.TrimSpace(only) != "out" || slices.Contains([]string{"deny", "in"}, way)) {
		return row{}, fmt.Errorf("%q cannot follow %s", strings.TrimSpace(only), way)
	}
	switch way {
	case "deny":
		return row{}, nil
	case "in":
		return row{in: true}, nil
	case "dns":
		return row{out: true}, nil
	case "dns-tls":
		return row{hop: Hop{TLS: true}, out: true, in: !restricted}, nil
	}
	uri, err := sipuri.Parse(way)
	if err != nil {
		return row{}, err
	}
	if uri.Scheme != "sip" && uri.Scheme != "sips" || uri.Host == "" || uri.HasUser {
		return row{}, fmt.Errorf("%s is not the SIP URI of a server", way)
	}
	secure := uri.Scheme == "sips"
	return row{hop: Hop{URI: uri, TLS: secure}, out: true, in: secure && !restricted}, nil
}

// row returns what there is for a domain. Addresses are not names: they need a row
// of their own, so that "*" does not open a network that happens to be reachable.
func (t Table) row(domain string) (r row, found bool) {
	r, found = t.rows[domain]
	if !found && net.ParseIP(strings.Trim(domain, "[]")) == nil {
		r, found = t.rows[others]
	}
	return r, found
}

// Next returns the way to a domain, which is in lower case; ok=false: there is none.
func (t Table) Next(domain string) (hop Hop, ok bool) {
	r, _ := t.row(domain)
	return r.hop, r.out
}

// Denies reports whether there is a row that says no to a domain.
func (t Table) Denies(domain string) bool {
	r, found := t.row(domain)
	return found && !r.out
}

// Admits reports whether a server may send requests of the users of a domain, once
// it has proved that it is of that domain.
func (t Table) Admits(domain string) bool {
	r, _ := t.row(domain)
	return r.in
}
