package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"rollcall/internal/route"
	"rollcall/internal/sipuri"
)

// Place says where the data is and whose it is: what every command needs.
type Place struct {
	Config          string   `name:"config" env:"ROLLCALL_CONFIG" placeholder:"FILE" help:"Configuration file (YAML). Its keys are the names of the flags."`
	Domain          []string `name:"domain" env:"ROLLCALL_DOMAIN" default:"localhost" placeholder:"DOMAIN" help:"SIP domain to serve; repeat for more. Users without a domain belong to the first."`
	Data            string   `name:"data" env:"ROLLCALL_DATA" default:"rollcall-data" placeholder:"DIR" help:"Data directory."`
	Database        string   `name:"database" env:"ROLLCALL_DATABASE" placeholder:"URL" help:"sqlite:FILE (relative to the data directory) or postgres://USER:PASSWORD@HOST/NAME. Without it the file rollcall.db in the data directory."`
	DocumentHistory int      `name:"document-history" env:"ROLLCALL_DOCUMENT_HISTORY" default:"20" help:"Versions kept of each document, to look at and to bring back; 0 for none."`
	AdminListen     string   `name:"admin-listen" env:"ROLLCALL_ADMIN_LISTEN" default:"127.0.0.1:8081" placeholder:"HOST:PORT" help:"Health, metrics and profiles. Not for the public."`
}

// maxHistory bounds the versions of one document.
const maxHistory = 1000

// Tree says how documents are named.
type Tree struct {
	XCAPRoot []string `name:"xcap-root" env:"ROLLCALL_XCAP_ROOT" default:"/xcap-root" placeholder:"PATH" help:"Path of the XCAP root; repeat for more, each with documents of its own. Presence uses those of the first."`
}

// Config is every setting of a server.
type Config struct {
	Place    `embed:""`
	Tree     `embed:""`
	HTTP     `embed:""`
	SIP      `embed:""`
	XCAP     `embed:""`
	Lists    `embed:""`
	Policy   `embed:""`
	Presence `embed:""`

	Demo       bool     `name:"demo" env:"ROLLCALL_DEMO" help:"Add the users alice and bob and print what to type into a SIP client."`
	SIPListen  []string `name:"sip-listen" env:"ROLLCALL_SIP_LISTEN" default:"127.0.0.1:5060" placeholder:"HOST:PORT" help:"SIP over UDP and TCP; repeat for more. Port 0 takes a free one."`
	Advertise  string   `name:"advertise" env:"ROLLCALL_ADVERTISE" placeholder:"HOST" help:"Host that clients are told to answer to, where it is not the one listened on (containers, address translation)."`
	HTTPListen string   `name:"http-listen" env:"ROLLCALL_HTTP_LISTEN" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"XCAP over HTTP."`
	Trust      []string `name:"trust" env:"ROLLCALL_TRUST" placeholder:"CIDR" help:"Network whose requests carry an identity to be believed without a challenge (P-Asserted-Identity, else From): a proxy in front. Repeat for more."`

	ProvideDefault string        `name:"provide-default" env:"ROLLCALL_PROVIDE_DEFAULT" default:"none" enum:"none,all" help:"What an allow rule without transformations shows in IETF pres-rules documents: none (RFC 5025) or all. In OMA documents it shows all."`
	Pacing         string        `name:"pacing" env:"ROLLCALL_PACING" default:"gentle" enum:"off,gentle,rfc" help:"Space between NOTIFYs of one subscription: off, gentle (ten at once, then one a second) or rfc (one in the interval of the event package: 5 s for presence)."`
	ListWindow     time.Duration `name:"list-window" env:"ROLLCALL_LIST_WINDOW" default:"200ms" help:"How long after a NOTIFY of a list changes of its members are collected; what comes later is sent at once."`
	RLSUser        string        `name:"rls-user" env:"ROLLCALL_RLS_USER" default:"rls" placeholder:"USER" help:"User part of the address clients send lists in SUBSCRIBE to (RFC 5367); no account may have it. - for none."`
	MinExpires     time.Duration `name:"min-expires" env:"ROLLCALL_MIN_EXPIRES" default:"60s" help:"Shortest lifetime granted to registrations, publications and subscriptions; shorter ones get 423."`
	DefaultExpires time.Duration `name:"default-expires" env:"ROLLCALL_DEFAULT_EXPIRES" default:"1h" help:"Lifetime of registrations and publications that ask for none."`
	MaxExpires     time.Duration `name:"max-expires" env:"ROLLCALL_MAX_EXPIRES" default:"2h" help:"Longest lifetime granted."`

	StoreMessages     bool          `name:"store-messages" env:"ROLLCALL_STORE_MESSAGES" default:"true" negatable:"" help:"Keep MESSAGE requests to users who cannot be reached, and deliver them when they register."`
	MessageLifetime   time.Duration `name:"message-lifetime" env:"ROLLCALL_MESSAGE_LIFETIME" default:"168h" help:"How long such a message is kept, unless its Expires ends earlier."`
	MaxStoredMessages int           `name:"max-stored-messages" env:"ROLLCALL_MAX_STORED_MESSAGES" default:"100" help:"Messages kept for one user, of 1 MB together."`
	BlockMessages     bool          `name:"block-messages" env:"ROLLCALL_BLOCK_MESSAGES" default:"true" negatable:"" help:"Whom a user's presence rules block cannot send it a MESSAGE either."`

	Route []string `name:"route" env:"ROLLCALL_ROUTE" placeholder:"DOMAIN=WAY" help:"Way to another domain: deny, dns, dns-tls, the SIP URI of a server (sips for TLS), each with \" out\" to let nobody in who comes over TLS, or in for nothing else; domain * for all without a row. Repeat for more; without rows there is no way out."`

	BackendRate int `name:"backend-rate" env:"ROLLCALL_BACKEND_RATE" default:"20" help:"Subscriptions to members of lists in one other domain that begin per second; more wait."`
	MaxBackend  int `name:"max-backend" env:"ROLLCALL_MAX_BACKEND" default:"20000" help:"Subscriptions to members of lists in other domains, max-watching of them for one user; the members beyond show as terminated."`

	FlowGrace    time.Duration `name:"flow-grace" env:"ROLLCALL_FLOW_GRACE" default:"1m" help:"How long a registration outlives the TCP, TLS or WebSocket connection it came over, for its client to come back; twice that after a restart."`
	FlowTimer    time.Duration `name:"flow-timer" env:"ROLLCALL_FLOW_TIMER" default:"0s" help:"Flow-Timer told to clients with outbound (RFC 5626): how long they may be silent on a connection. 0s: not told."`
	ServiceRoute []string      `name:"service-route" env:"ROLLCALL_SERVICE_ROUTE" placeholder:"URI" help:"Route that clients are told to use for their requests (RFC 3608), e.g. sip:proxy.example.org;lr; repeat for more."`

	Publishers    []string `name:"publishers" env:"ROLLCALL_PUBLISHERS" placeholder:"AOR" help:"Account that may PUBLISH for every user, e.g. sip:pbx@example.org; repeat for more."`
	DialogPrivacy bool     `name:"dialog-privacy" env:"ROLLCALL_DIALOG_PRIVACY" help:"Show to others than the owner only that there is a call, not with whom."`

	MaxContacts     int           `name:"max-contacts" env:"ROLLCALL_MAX_CONTACTS" default:"16" help:"Registered contacts per user."`
	MaxWatching     int           `name:"max-watching" env:"ROLLCALL_MAX_WATCHING" default:"1000" help:"Subscriptions one watcher may hold."`
	MaxWatchers     int           `name:"max-watchers" env:"ROLLCALL_MAX_WATCHERS" default:"10000" help:"Subscriptions to one resource."`
	MaxListEntries  int           `name:"max-list-entries" env:"ROLLCALL_MAX_LIST_ENTRIES" default:"1000" help:"Members a list subscription is resolved to."`
	MaxMessageBytes int           `name:"max-message-bytes" env:"ROLLCALL_MAX_MESSAGE_BYTES" default:"16384" help:"Body of a MESSAGE; larger ones get 413."`
	DeletedHistory  time.Duration `name:"deleted-history" env:"ROLLCALL_DELETED_HISTORY" default:"720h" help:"How long a removed document can be brought back; 0 as long as the account is there."`
	QueueLimit      int           `name:"queue-limit" env:"ROLLCALL_QUEUE_LIMIT" default:"256" help:"SIP requests waiting per worker; above it they get 503."`

	EnableTestUsages bool          `name:"enable-test-usages" env:"ROLLCALL_ENABLE_TEST_USAGES" help:"Serve the XCAP application usage test-app, which has no schema."`
	ShutdownTimeout  time.Duration `name:"shutdown-timeout" env:"ROLLCALL_SHUTDOWN_TIMEOUT" default:"10s" help:"How long a stopping server waits for work in progress."`
	LogLevel         string        `name:"log-level" env:"ROLLCALL_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"debug, info, warn or error."`
	LogFormat        string        `name:"log-format" env:"ROLLCALL_LOG_FORMAT" default:"text" enum:"text,json" help:"text or json."`
}

// Normalize brings domains and paths to the form the rest of the program
// compares with and reports the first setting that makes no sense.
func (p *Place) Normalize() error {
	if len(p.Domain) == 0 {
		return errors.New("domain: at least one is needed")
	}
	seen := map[string]bool{}
	domains := p.Domain[:0:0]
	for _, d := range p.Domain {
		d = strings.ToLower(strings.TrimSpace(d))
		if !validHost(d) {
			return fmt.Errorf("domain: %q is not a domain name", d)
		}
		if !seen[d] {
			seen[d] = true
			domains = append(domains, d)
		}
	}
	p.Domain = domains
	if p.Data == "" {
		return errors.New("data: a directory is needed")
	}
	if p.Database != "" && !strings.HasPrefix(p.Database, "sqlite:") && !p.Postgres() {
		return fmt.Errorf("database: %q begins neither with sqlite: nor with postgres://", schemeOf(p.Database))
	}
	if p.DocumentHistory < 0 || p.DocumentHistory > maxHistory {
		return fmt.Errorf("document-history: must lie between 0 and %d", maxHistory)
	}
	return checkListen("admin-listen", p.AdminListen)
}

// Postgres reports whether the database is a PostgreSQL server.
func (p *Place) Postgres() bool {
	return strings.HasPrefix(p.Database, "postgres://") || strings.HasPrefix(p.Database, "postgresql://")
}

// Normalize gives roots their one form: a leading slash, none at the end.
func (t *Tree) Normalize() error {
	if len(t.XCAPRoot) == 0 {
		return errors.New("xcap-root: at least one is needed")
	}
	roots := make([]string, 0, len(t.XCAPRoot))
	for _, given := range t.XCAPRoot {
		root := "/" + strings.Trim(given, "/")
		if root == "/" || strings.ContainsAny(root, "?#%~ \t\"<>") || strings.Contains(root, "//") {
			return fmt.Errorf("xcap-root: %q is not a plain path like /xcap-root", given)
		}
		if slices.Contains(roots, root) {
			return fmt.Errorf("xcap-root: %s is given twice", root)
		}
		roots = append(roots, root)
	}
	t.XCAPRoot = roots
	return nil
}

// Normalize does for all settings what Place.Normalize does for its own.
func (c *Config) Normalize() error {
	if err := c.Place.Normalize(); err != nil {
		return err
	}
	if len(c.SIPListen) == 0 {
		return errors.New("sip-listen: at least one address is needed")
	}
	for _, a := range c.SIPListen {
		if err := checkListen("sip-listen", a); err != nil {
			return err
		}
	}
	if c.Advertise != "" && !validHost(strings.ToLower(c.Advertise)) {
		return fmt.Errorf("advertise: %q is not a host", c.Advertise)
	}
	if err := checkListen("http-listen", c.HTTPListen); err != nil {
		return err
	}
	if err := c.HTTP.Normalize(); err != nil {
		return err
	}
	if err := c.Tree.Normalize(); err != nil {
		return err
	}
	if _, err := c.TrustedPrefixes(); err != nil {
		return err
	}
	if _, err := c.PublisherSet(); err != nil {
		return err
	}
	var err error
	if err = c.SIP.normalize(c.TLS(), c.XCAPRoot); err != nil {
		return err
	}
	if c.EventsPath, err = ownPath("events-path", c.EventsPath, append(c.XCAPRoot[:len(c.XCAPRoot):len(c.XCAPRoot)], c.WSPath)); err != nil {
		return err
	}
	if err := c.XCAP.normalize(c.Domain[0]); err != nil {
		return err
	}
	if err := c.Lists.normalize(c.Domain[0]); err != nil {
		return err
	}
	if _, err := c.Routes(); err != nil {
		return err
	}
	if _, err := c.Rules(); err != nil {
		return err
	}
	if err := c.normalizeServiceRoute(); err != nil {
		return err
	}
	if c.RLSUser == "-" {
		c.RLSUser = ""
	} else if aor, err := sipuri.AOR("sip:" + c.RLSUser + "@localhost"); err != nil || aor != "sip:"+c.RLSUser+"@localhost" {
		return fmt.Errorf("rls-user: %q is not the user part of a SIP address", c.RLSUser)
	}
	if err := c.Presence.normalize(); err != nil {
		return err
	}
	return c.checkLimits()
}

// Routes returns the table of other domains.
func (c *Config) Routes() (route.Table, error) {
	t, err := route.Parse(c.Route)
	if err != nil {
		return t, fmt.Errorf("route: %w", err)
	}
	return t, nil
}

// normalizeServiceRoute gives routes the form of header values.
func (c *Config) normalizeServiceRoute() error {
	for i, given := range c.ServiceRoute {
		u, err := sipuri.Parse(strings.Trim(given, "<>"))
		if err != nil || u.Scheme != "sip" && u.Scheme != "sips" {
			return fmt.Errorf("service-route: %q is not a SIP URI", given)
		}
		if _, loose := u.Param("lr"); !loose {
			return fmt.Errorf("service-route: %q lacks the parameter lr (RFC 3608 §5)", given)
		}
		c.ServiceRoute[i] = "<" + u.String() + ">"
	}
	return nil
}

func (c *Config) checkLimits() error {
	if c.MinExpires < time.Second || c.MinExpires > time.Hour {
		// RFC 6665 §4.2.1.1: a request for an hour or more is never too brief.
		return errors.New("min-expires: must lie between 1s and 1h")
	}
	if c.MaxExpires < time.Hour {
		return errors.New("max-expires: must be at least 1h")
	}
	if c.DefaultExpires < c.MinExpires || c.DefaultExpires > c.MaxExpires {
		return errors.New("default-expires: must lie between min-expires and max-expires")
	}
	if c.ListWindow < 0 || c.ListWindow > time.Minute {
		return errors.New("list-window: must lie between 0s and 1m")
	}
	if c.DeletedHistory < 0 {
		return errors.New("deleted-history: must not be negative")
	}
	if c.MessageLifetime < time.Minute {
		return errors.New("message-lifetime: must be at least 1m")
	}
	if c.FlowGrace < 0 || c.FlowTimer < 0 {
		return errors.New("flow-grace, flow-timer: must not be negative")
	}
	if c.ShutdownTimeout <= 0 {
		return errors.New("shutdown-timeout: must be more than 0s")
	}
	return positive([]limit{
		{"max-contacts", c.MaxContacts}, {"max-watching", c.MaxWatching}, {"max-watchers", c.MaxWatchers},
		{"max-list-entries", c.MaxListEntries}, {"max-message-bytes", c.MaxMessageBytes},
		{"max-stored-messages", c.MaxStoredMessages}, {"queue-limit", c.QueueLimit},
		{"backend-rate", c.BackendRate}, {"max-backend", c.MaxBackend},
	})
}

// PublisherSet returns the canonical addresses of the publishers setting.
func (c *Config) PublisherSet() (map[string]bool, error) {
	out := make(map[string]bool, len(c.Publishers))
	for _, s := range c.Publishers {
		aor, err := sipuri.AOR(s)
		if err != nil {
			return nil, fmt.Errorf("publishers: %q is not an address like sip:pbx@example.org", s)
		}
		out[aor] = true
	}
	return out, nil
}

// TrustedPrefixes returns the networks of the trust setting; a bare address is
// a network of one.
func (c *Config) TrustedPrefixes() ([]netip.Prefix, error) { return prefixes("trust", c.Trust) }

func prefixes(setting string, list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range list {
		if a, err := netip.ParseAddr(s); err == nil {
			out = append(out, netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("%s: %q is neither an address nor a network like 10.0.0.0/8", setting, s)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

func checkListen(name, addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%s: %q is not HOST:PORT", name, addr)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n > 65535 {
		return fmt.Errorf("%s: %q has no port number between 0 and 65535", name, addr)
	}
	return nil
}

func validHost(d string) bool {
	if d == "" || len(d) > 253 {
		return false
	}
	if a, err := netip.ParseAddr(strings.Trim(d, "[]")); err == nil {
		return a.Is4() || strings.HasPrefix(d, "[")
	}
	for label := range strings.SplitSeq(d, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
				return false
			}
		}
	}
	return true
}

// schemeOf is what may be shown of a database URL: the rest may hold a password.
func schemeOf(url string) string {
	s, _, found := strings.Cut(url, ":")
	if !found {
		return url
	}
	return s + ":..."
}
