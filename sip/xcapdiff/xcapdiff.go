package xcapdiff

import (
	"context"
	"sync"
	"time"

	"rollcall/internal/bus"
	"rollcall/internal/store"
	"rollcall/internal/wheel"
	"rollcall/sip/event"
)

// Event is the name of the package (RFC 5875 §4.1).
const Event = "xcap-diff"

// contentType is that of an XCAP diff document (RFC 5874 §5).
const contentType = "application/xcap-diff+xml"

// Documents is what the package reads.
type Documents interface {
	Document(ctx context.Context, key store.DocumentKey) (store.Document, error)
	ListDocuments(ctx context.Context, xui, auid string) ([]store.Document, error)
}

// Usage is what the package has to know of an application usage.
type Usage struct {
	// Namespaces are those that unprefixed names in node selectors stand for, the
	// default document namespace first.
	Namespaces []string
	// Global returns a document of the global tree if there is one and who may
	// read it; nil when the usage has none.
	Global func(ctx context.Context, who, path string) (store.Document, bool, error)
	// Personal returns a document of a user that is made when it is read, if there
	// is one of that name; nil when the documents of the usage are stored. Such
	// documents depend on what the user stores and on who watches the user.
	Personal func(ctx context.Context, key store.DocumentKey) (store.Document, bool, error)
}

// Config is what a Service is made of.
type Config struct {
	Documents Documents
	Usages    map[string]Usage // by AUID
	Roots     []string         // XCAP root URIs or their paths; the first is the one relative references mean
	Root      func() string    // URI of the first root, as documents name it
	// Readable reports whether a watcher may read a user's document. Nil: the
	// owner may.
	Readable func(who string, key store.DocumentKey) bool
	// History, if not nil, lets changes be told as patches to those who ask.
	History History
	Wheel   *wheel.Wheel
}

// Service is the event package and its connection to the bus.
type Service struct {
	cfg   Config
	asked func(*event.Subscription) mode

	mu       sync.Mutex
	watching map[string]map[*source]struct{} // by topic
}

// New returns the package.
func New(cfg Config) *Service {
	if cfg.Readable == nil {
		cfg.Readable = func(who string, key store.DocumentKey) bool { return who == key.XUI }
	}
	return &Service{cfg: cfg, asked: modeAsked, watching: make(map[string]map[*source]struct{})}
}

// Event implements event.Package.
func (s *Service) Event() string { return Event }

// Terms implements event.Package: RFC 5875 §4.4, §4.5, §4.10.
func (s *Service) Terms() event.Terms {
	return event.Terms{DefaultExpires: time.Hour, ContentTypes: []string{contentType}, Pace: 5 * time.Second,
		Params: []string{"diff-processing"}}
}

// Open implements event.Package. Whoever subscribes at somebody else's address
// must be allowed to read at least one of the documents there.
func (s *Service) Open(_ context.Context, sub *event.Subscription) (event.Source, error) {
	if sub.Watcher == "" {
		return nil, &event.Refusal{Status: 403}
	}
	src := &source{s: s, sub: sub}
	targets, err := s.parse(sub)
	if err != nil {
		return nil, err
	}
	if sub.Watcher != sub.Resource && len(targets) == 0 {
		return nil, &event.Refusal{Status: 403}
	}
	src.targets = targets
	if !sub.Fetch {
		s.watch(src, nil, src.topics())
	}
	return src, nil
}

// DocumentChanged tells the subscriptions that a document may concern. It may be
// called on any goroutine.
func (s *Service) DocumentChanged(e bus.DocumentChanged) {
	if e.OldETag == e.NewETag && e.NewETag != "" {
		return
	}
	s.tell(e.Key.XUI, globalTopic(e.Key.AUID))
}

// WatchersChanged does so for subscriptions to documents that tell who watches a
// user.
func (s *Service) WatchersChanged(presentity string) { s.tell(watchersTopic(presentity)) }

func (s *Service) tell(topics ...string) {
	s.mu.Lock()
	var told []*source
	for _, topic := range topics {
		for src := range s.watching[topic] {
			told = append(told, src)
		}
	}
	s.mu.Unlock()
	for _, src := range told {
		src.sub.Changed()
	}
}

// globalTopic is the topic of a usage's computed documents, which depend on what
// users store.
func globalTopic(auid string) string { return "global/" + auid }

// watchersTopic is the topic of what is computed from who watches a user.
func watchersTopic(xui string) string { return "watchers/" + xui }

// watch moves a source from some topics to others.
func (s *Service) watch(src *source, from, to []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, topic := range from {
		delete(s.watching[topic], src)
		if len(s.watching[topic]) == 0 {
			delete(s.watching, topic)
		}
	}
	for _, topic := range to {
		if s.watching[topic] == nil {
			s.watching[topic] = make(map[*source]struct{})
		}
		s.watching[topic][src] = struct{}{}
	}
}
