package usage

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/auth"
	"rollcall/internal/store"
	"rollcall/internal/store/memory"
	"rollcall/internal/xmlscan"
)

const (
	alice = "sip:alice@example.test"
	bob   = "sip:bob@example.test"
)

func scan(t testing.TB, doc string) *xmlscan.Doc {
	t.Helper()
	d, err := xmlscan.Scan([]byte(doc), xmlscan.DefaultLimits())
	if err != nil {
		t.Fatalf("not well-formed: %v\n%s", err, doc)
	}
	return d
}

// users is a directory of accounts.
type users []string

func (u users) Get(_ context.Context, aor string) (store.User, error) {
	for _, have := range u {
		if have == aor {
			return store.User{AOR: aor}, nil
		}
	}
	return store.User{}, store.ErrNotFound
}

func newEnv(t testing.TB) Env {
	t.Helper()
	s := memory.New()
	t.Cleanup(func() { _ = s.Close() })
	return Env{
		Documents: s,
		Users:     users{alice, bob},
		Roots:     []string{"/xcap-root"},
		Domains:   []string{"example.test"},
		Usages:    All(Options{}),
	}
}

func byAUID(t testing.TB, auid string) *Usage {
	t.Helper()
	for _, u := range All(Options{TestUsages: true}) {
		if u.AUID == auid {
			return u
		}
	}
	t.Fatalf("no usage %s", auid)
	return nil
}

// judge runs all checks of a usage, as a PUT by the owner would.
func judge(t testing.TB, env Env, auid, xui, body string) ([]string, *Conflict) {
	t.Helper()
	u, d := byAUID(t, auid), scan(t, body)
	if c := u.Validate(d); c != nil {
		return nil, c
	}
	if u.Constrain == nil {
		return nil, nil
	}
	claims, c, err := u.Constrain(t.Context(), env, store.DocumentKey{XUI: xui, AUID: auid, Path: "index"}, d)
	if err != nil {
		t.Fatal(err)
	}
	return claims, c
}

func TestAllHasEveryUsageOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, u := range All(Options{TestUsages: true}) {
		if seen[u.AUID] {
			t.Errorf("%s occurs twice", u.AUID)
		}
		seen[u.AUID] = true
		if u.MIMEType == "" {
			t.Errorf("%s has no media type", u.AUID)
		}
	}
	for _, auid := range []string{"xcap-caps", "resource-lists", "rls-services", "pres-rules", "org.openmobilealliance.pres-rules",
		"org.openxcap.dialog-rules", "pidf-manipulation", "org.openmobilealliance.pres-content", "org.openmobilealliance.xcap-directory",
		"org.openxcap.watchers", "org.openmobilealliance.group-usage-list", "org.openmobilealliance.user-profile", "test-app"} {
		if !seen[auid] {
			t.Errorf("%s is missing", auid)
		}
	}
	for _, u := range All(Options{}) {
		if u.AUID == "test-app" {
			t.Error("test-app is there without being asked for")
		}
		if u.PublicRead != (u.AUID == "org.openmobilealliance.pres-content") {
			t.Errorf("%s: public %v", u.AUID, u.PublicRead)
		}
		if u.Personal != nil && (!u.ReadOnly || u.FixedDocuments == nil || u.FixedDocuments("index")) {
			t.Errorf("%s: what is made cannot be stored", u.AUID)
		}
	}
}

// What Blink was recorded to write must be accepted, or it retries for ever.
func TestDocumentsOfBlink(t *testing.T) {
	files, err := filepath.Glob("testdata/blink/*.xml")
	if err != nil || len(files) < 5 {
		t.Fatalf("recorded documents: %d, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			auid := strings.TrimSuffix(filepath.Base(file), ".xml")
			auid = auid[:strings.LastIndexByte(auid, '-')]
			claims, c := judge(t, newEnv(t), auid, alice, string(body))
			if c != nil {
				t.Fatalf("refused: %s: %s %v", c.Element, c.Phrase, c.Exists)
			}
			if auid == "rls-services" {
				want := []string{"sip:alice+presence@example.test", "sip:alice+dialog@example.test"}
				if diff := cmp.Diff(want, claims); diff != "" {
					t.Errorf("claims (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestFixedDocuments(t *testing.T) {
	for _, tt := range []struct {
		auid, path string
		want       bool
	}{
		{"pidf-manipulation", "index", true}, // RFC 4827 §9
		{"pidf-manipulation", "override", true},
		{"pidf-manipulation", "other", false},
		{"xcap-caps", "index", false}, // RFC 4825 §12: never in a user's tree
		{"org.openmobilealliance.pres-content", "oma_status-icon/index", true},
		{"org.openmobilealliance.pres-content", "oma_status-icon/rcs_status_icon", true},
		{"org.openmobilealliance.pres-content", "index", false},
		{"org.openmobilealliance.pres-content", "oma_status-icon/", false},
		{"org.openmobilealliance.pres-content", "oma_status-icon/a/b", false},
		{"org.openmobilealliance.pres-content", "oma_status-icon/" + strings.Repeat("x", 201), false},
		{"org.openmobilealliance.group-usage-list", "index", true},
		{"org.openmobilealliance.group-usage-list", "other", false},
	} {
		if got := byAUID(t, tt.auid).FixedDocuments(tt.path); got != tt.want {
			t.Errorf("%s/%s: %v", tt.auid, tt.path, got)
		}
	}
}

// RFC 4825 §12: the usage itself and its namespace are listed; Blink needs the
// element extensions between auids and namespaces.
func TestCapabilities(t *testing.T) {
	env := newEnv(t)
	caps := byAUID(t, "xcap-caps")
	body, tag, ok, err := caps.Global(t.Context(), env, store.DocumentKey{Path: "index"})
	if err != nil || !ok || tag == "" {
		t.Fatalf("global/index: %v, %v, %q", ok, err, tag)
	}
	d := scan(t, string(body))
	var order []string
	listed := map[string]bool{}
	for child := range d.Children(0) {
		order = append(order, d.Elements[child].Local)
		for item := range d.Children(child) {
			if text := d.Text(item); listed[text] {
				t.Errorf("%s listed twice", text)
			} else {
				listed[text] = true
			}
		}
	}
	if diff := cmp.Diff([]string{"auids", "extensions", "namespaces"}, order); diff != "" {
		t.Errorf("children (-want +got):\n%s", diff)
	}
	for _, want := range []string{"xcap-caps", nsXCAPCaps, "resource-lists", "rls-services", "org.openmobilealliance.pres-rules", nsPresRules, nsCommonPolicy} {
		if !listed[want] {
			t.Errorf("%s is not listed", want)
		}
	}
	if _, again, _, _ := caps.Global(t.Context(), env, store.DocumentKey{Path: "index"}); again != tag {
		t.Error("the entity-tag changed without reason")
	}
	if _, _, ok, _ := caps.Global(t.Context(), env, store.DocumentKey{Path: "other"}); ok {
		t.Error("there is only one document")
	}
	if !caps.ReadOnly || caps.GlobalReadable != nil {
		t.Error("anyone reads it and nobody writes it")
	}
}

// RFC 4826 §4.4.9: the index of services is for the configured readers.
func TestIndexReaders(t *testing.T) {
	readable := RLSServices([]string{bob}).GlobalReadable
	for _, tt := range []struct {
		who  auth.Identity
		want bool
	}{
		{auth.Identity{AOR: bob}, true},
		{auth.Identity{AOR: alice}, false},
		{auth.Identity{AOR: alice, Trusted: true}, false},
		{auth.Identity{}, false},
	} {
		if got := readable(tt.who); got != tt.want {
			t.Errorf("%+v: %v", tt.who, got)
		}
	}
	if RLSServices(nil).GlobalReadable(auth.Identity{}) {
		t.Error("without readers nobody may")
	}
}
