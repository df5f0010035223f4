package explain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"rollcall/internal/pidf"
	"rollcall/internal/store"
	"rollcall/policy"
)

// Source is where the facts come from. What it cannot know it leaves empty.
type Source interface {
	// Live tells a running server from what one has stored.
	Live() bool
	// User returns store.ErrNotFound when there is no such account.
	User(ctx context.Context, aor string) (store.User, error)
	// Registrations are the devices of an account, the newest first.
	Registrations(ctx context.Context, aor string) ([]Registration, error)
	// State is what is published and stored of a presentity, and what that makes.
	State(ctx context.Context, aor string) (State, error)
	// Decide reports what the rules say.
	Decide(ctx context.Context, req policy.Request) (policy.Report, error)
	// View is what the watcher is shown. A Source that leaves the state empty has it
	// made from the decision and the composed state.
	View(ctx context.Context, presentity, watcher string) View
	// Subscriptions are those of watcher to presentity, also through lists.
	Subscriptions(ctx context.Context, presentity, watcher string) ([]Subscription, error)
	// Watchers is the watcher information of presentity (RFC 3857).
	Watchers(ctx context.Context, presentity string) ([]Watcher, error)
}

// Registration is a registered device.
type Registration struct {
	Contact    string    `json:"contact"`
	UserAgent  string    `json:"userAgent,omitempty"`
	Instance   string    `json:"instance,omitempty"`
	Flow       string    `json:"flow,omitempty"` // transport and address it came over
	Registered time.Time `json:"registered"`
	Renewed    time.Time `json:"renewed"`
	Expires    time.Time `json:"expires"`
	// Ends is before Expires when the connection is gone.
	Ends time.Time `json:"ends"`
}

// State is the presence of a presentity with what it is made of.
type State struct {
	Publications []Publication
	Hard         bool // there is a document in pidf-manipulation
	Override     bool // there is one that overrides devices
	Calling      bool // there is a call
	Composed     *pidf.Composed
	Seen         time.Time // when something was last heard of the presentity
	Ending       string    // how it went: Left, Expired, Dropped; empty: not known
}

// Publication is what one device published.
type Publication struct {
	Lineage   string    `json:"-"`
	UserAgent string    `json:"userAgent,omitempty"`
	Published time.Time `json:"published"` // when it last changed
	Expires   time.Time `json:"expires"`
	Ends      time.Time `json:"ends"` // before Expires when the connection is gone
	Says      string    `json:"says"`
	Body      string    `json:"body"`
}

// Subscription is one of a watcher.
type Subscription struct {
	ID      string    `json:"id"`
	List    string    `json:"list,omitempty"` // the list it is to, empty for one to the presentity itself
	State   string    `json:"state"`          // last told
	Flow    string    `json:"flow,omitempty"`
	Lost    bool      `json:"lost,omitempty"` // the connection of the watcher is gone
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	// Forms says that not the plain document is sent: "gist", "filter", "trigger",
	// "changes".
	Forms []string `json:"forms,omitempty"`
	// Waiting says that there is news that is not sent, or not answered yet.
	Waiting bool    `json:"waiting,omitempty"`
	Notify  *Notify `json:"notify,omitempty"` // the newest; nil: none since the server was started
}

// Notify is a NOTIFY and what became of it.
type Notify struct {
	Sent     time.Time `json:"sent"`
	CSeq     uint32    `json:"cseq"`
	Answered bool      `json:"answered"`
	Status   int       `json:"status,omitempty"`
	Failure  string    `json:"failure,omitempty"`
}

// Watcher is an entry of the watcher information.
type Watcher struct {
	Watcher string    `json:"watcher"`
	Name    string    `json:"name,omitempty"`
	Status  string    `json:"status"`
	Cause   string    `json:"cause"`
	Since   time.Time `json:"since"`
	Expires time.Time `json:"expires"`
}

// View is what the watcher is shown.
type View struct {
	State string `json:"state"` // of a subscription: active, pending, terminated
	Says  string `json:"says,omitempty"`
	Body  string `json:"body,omitempty"`
}

// Report is the whole chain.
type Report struct {
	Watcher    string    `json:"watcher"` // "anonymous" for one without identity
	Presentity string    `json:"presentity"`
	At         time.Time `json:"at"`
	Live       bool      `json:"live"`    // false: from what is stored
	Account    bool      `json:"account"` // the presentity has one
	Summary    []string  `json:"summary"`

	Registrations []Registration `json:"registrations"`
	Publications  []Publication  `json:"publications"`
	HardState     bool           `json:"hardState"`
	Override      bool           `json:"override"`
	Calling       bool           `json:"calling"`
	Reach         *Reach         `json:"reach,omitempty"` // nil: not known
	Origins       []Origin       `json:"origins"`
	Composed      string         `json:"composed"`
	ComposedSays  string         `json:"composedSays"`
	Sphere        string         `json:"sphere,omitempty"`
	Policy        policy.Report  `json:"policy"`
	View          View           `json:"view"`
	Subscriptions []Subscription `json:"subscriptions"`
	WatcherInfo   []Watcher      `json:"watcherInfo"`
	// Problems are facts that could not be found out.
	Problems []string `json:"problems,omitempty"`
}

// Anonymous is how a watcher without identity is named.
const Anonymous = "anonymous"

// Explain collects the facts about what watcher, a canonical address-of-record or ""
// for one without identity, sees of presentity.
func Explain(ctx context.Context, src Source, watcher, presentity string, now time.Time) *Report {
	r := &Report{Watcher: watcher, Presentity: presentity, At: now, Live: src.Live()}
	if watcher == "" {
		r.Watcher = Anonymous
	}
	_, err := src.User(ctx, presentity)
	r.Account = err == nil
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		r.problem("whether there is an account", err)
	}
	r.Registrations, err = src.Registrations(ctx, presentity)
	r.problem("registrations", err)
	state, err := src.State(ctx, presentity)
	r.problem("publications", err)
	r.Publications, r.HardState = state.Publications, state.Hard
	r.Override, r.Calling = state.Override, state.Calling
	r.recognize()
	if err == nil {
		r.reach(&state)
	}
	if state.Composed != nil {
		r.Composed, r.Sphere = string(state.Composed.Body), state.Composed.Sphere
		r.ComposedSays = Says(state.Composed.Body)
		r.origins(state.Composed.Origins)
	}
	r.Policy, err = src.Decide(ctx, policy.Request{Presentity: presentity, Watcher: watcher, Sphere: r.Sphere, Now: now})
	r.problem("rules", err)
	if r.View = src.View(ctx, presentity, watcher); r.View.State == "" {
		r.View = view(r, state.Composed, err == nil)
	}
	if r.View.Body != "" {
		r.View.Says = Says([]byte(r.View.Body))
	}
	r.Subscriptions, err = src.Subscriptions(ctx, presentity, watcher)
	r.problem("subscriptions", err)
	all, err := src.Watchers(ctx, presentity)
	r.problem("watcher information", err)
	r.WatcherInfo = slices.DeleteFunc(all, func(w Watcher) bool { return w.Watcher != r.Watcher })
	r.Summary = r.summary()
	r.Registrations, r.Publications = some(r.Registrations), some(r.Publications)
	r.Origins = some(r.Origins)
	r.Subscriptions, r.WatcherInfo = some(r.Subscriptions), some(r.WatcherInfo)
	p := &r.Policy
	p.Documents, p.Rules, p.Combination = some(p.Documents), some(p.Rules), some(p.Combination)
	return r
}

// some makes a list that JSON shows as [] when it is empty.
func some[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// recognize names the programs that published without saying who they are by the
// registered devices that the documents speak of.
func (r *Report) recognize() {
	for i := range r.Publications {
		p := &r.Publications[i]
		for _, reg := range r.Registrations {
			if p.UserAgent == "" && reg.Instance != "" && strings.Contains(p.Body, reg.Instance) {
				p.UserAgent = reg.UserAgent
			}
		}
	}
}

func (r *Report) problem(what string, err error) {
	if err != nil {
		r.Problems = append(r.Problems, fmt.Sprintf("%s: %v", what, err))
	}
}

// view is what the decision shows of the composed document.
func view(r *Report, c *pidf.Composed, decided bool) View {
	switch {
	case !r.Account:
		return View{State: "terminated"}
	case !decided || c == nil:
		return View{State: "pending"}
	}
	d := r.Policy.Decision
	var body []byte
	switch {
	case d.Handling == policy.Block:
		return View{State: "terminated"}
	case d.Handling == policy.PoliteBlock:
		body = pidf.Offline(r.Presentity, pidf.OfflineTupleID(r.Presentity))
	case d.Handling == policy.Allow && d.Transform != nil:
		body = d.Transform.Apply(c)
	default:
		return View{State: "pending"}
	}
	return View{State: "active", Body: string(body)}
}

func plain(aor string) string { return strings.TrimPrefix(aor, "sip:") }
