package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// server is just enough of a presence and XCAP server to test the load
// generator against, with faults on request.
type server struct {
	t    *testing.T
	addr string
	udp  net.PacketConn
	tcp  net.Listener
	http *httptest.Server
	wait sync.WaitGroup

	challenge bool   // ask for credentials
	fault     string // see the cases in notifyAll

	mu        sync.Mutex
	docs      map[string]string // path below the root -> body
	tags      int
	states    map[string]string // AOR -> published body
	dialogs   []*dialog
	contacts  map[string]peer // AOR -> who registered
	published int
	auths     int // requests with credentials
}

// peer sends to where a request came from.
type peer func(data []byte) error

type dialog struct {
	peer            peer
	resource        string
	from, to        string // as the subscriber sees them
	callID, contact string
	cseq, version   int
	members         []string
	ended           bool
}

// newServer listens on UDP and TCP with the same port.
func newServer(t *testing.T) *server {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, addr: tcp.Addr().String(), udp: udp, tcp: tcp, docs: map[string]string{}, states: map[string]string{}, contacts: map[string]peer{}}
	s.http = httptest.NewServer(http.HandlerFunc(s.serveHTTP))
	s.wait.Go(s.serveUDP)
	s.wait.Go(s.serveTCP)
	t.Cleanup(func() {
		s.stop()
		s.http.Close()
		s.wait.Wait()
	})
	return s
}

func (s *server) stop() {
	s.udp.Close()
	s.tcp.Close()
}

func (s *server) serveUDP() {
	buf := make([]byte, 64<<10)
	for {
		n, addr, err := s.udp.ReadFrom(buf)
		if err != nil {
			return
		}
		m, err := parseMessage(append([]byte(nil), buf[:n]...))
		if err != nil {
			s.t.Errorf("malformed: %v", err)
			continue
		}
		s.request(m, func(data []byte) error {
			_, err := s.udp.WriteTo(data, addr)
			return err
		})
	}
}

func (s *server) serveTCP() {
	for {
		conn, err := s.tcp.Accept()
		if err != nil {
			return
		}
		s.wait.Go(func() {
			defer conn.Close()
			r := bufio.NewReader(conn)
			for {
				m, err := readMessage(r)
				if err != nil {
					return
				}
				s.request(m, func(data []byte) error {
					_, err := conn.Write(data)
					return err
				})
			}
		})
	}
}

func (s *server) request(m *message, peer peer) {
	if m.status != 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.challenge {
		auth := m.get("authorization")
		if auth == "" {
			s.answer(m, peer, 401, "", `WWW-Authenticate: Digest realm="localhost", nonce="n1", qop="auth", algorithm=SHA-256`)
			return
		}
		p := parseParams(strings.TrimPrefix(auth, "Digest "))
		want := hash("SHA-256", strings.Join([]string{hash("SHA-256", p["username"]+":localhost:secret"), "n1", p["nc"], p["cnonce"], "auth",
			hash("SHA-256", m.method+":"+p["uri"])}, ":"))
		if p["response"] != want {
			s.answer(m, peer, 403, "")
			return
		}
		s.auths++
	}
	switch m.method {
	case "PUBLISH":
		s.publish(m, peer)
	case "SUBSCRIBE":
		s.subscribe(m, peer)
	case "REGISTER":
		s.contacts[addrSpec(m.get("to"))] = peer
		if strings.HasPrefix(m.get("expires"), "0") {
			s.answer(m, peer, 200, "")
			return
		}
		s.answer(m, peer, 200, "", "Contact: "+m.get("contact"))
	case "MESSAGE":
		s.relay(m, peer)
	default:
		s.answer(m, peer, 405, "")
	}
}

// relay passes a MESSAGE on and does not wait for its answer.
func (s *server) relay(m *message, peer peer) {
	to := s.contacts[addrSpec(m.get("to"))]
	times := 1
	if s.fault == "twice" {
		times = 2
	}
	for range times {
		s.write(to, fmt.Sprintf("MESSAGE %s SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK%p\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: 1 MESSAGE\r\nContent-Length: %d\r\n\r\n%s",
			addrSpec(m.get("to")), m, m.get("from"), m.get("to"), m.get("call-id"), len(m.body), m.body))
	}
	if s.fault != "refuse" {
		s.answer(m, peer, 200, "")
		return
	}
	s.answer(m, peer, 480, "")
}

func (s *server) publish(m *message, peer peer) {
	aor := addrSpec(m.get("to"))
	s.tags++
	s.answer(m, peer, 200, "", fmt.Sprintf("SIP-ETag: %d", s.tags))
	if len(m.body) == 0 {
		return
	}
	s.states[aor] = string(m.body)
	s.published++
	s.notifyAll(aor)
}

// notifyAll tells the watchers of aor, or misbehaves.
func (s *server) notifyAll(aor string) {
	for i, d := range s.dialogs {
		if d.ended || d.resource != aor && !strings.Contains(strings.Join(d.members, " ")+" ", aor+" ") {
			continue
		}
		if s.published > 6 && i == 0 {
			switch s.fault {
			case "stale":
				continue
			case "cseq":
				d.cseq -= 2
			case "version":
				d.version += 2
			}
		}
		s.notify(d, []string{aor})
	}
}

func (s *server) subscribe(m *message, peer peer) {
	var d *dialog
	for _, known := range s.dialogs {
		if known.callID == m.get("call-id") {
			d = known
		}
	}
	if d == nil {
		s.tags++
		d = &dialog{peer: peer, resource: addrSpec(m.get("to")), callID: m.get("call-id"), from: m.get("from"),
			to: m.get("to") + fmt.Sprintf(";tag=s%d", s.tags), contact: addrSpec(m.get("contact"))}
		if owner := strings.Replace(d.resource, "+presence@", "@", 1); owner != d.resource {
			for _, u := range regexp.MustCompile(`uri="([^"]*)"`).FindAllStringSubmatch(s.docs["/resource-lists/users/"+owner+"/index"], -1) {
				d.members = append(d.members, u[1])
			}
		}
		s.dialogs = append(s.dialogs, d)
	}
	if s.fault == "refuse" {
		s.answer(m, peer, 403, d.to)
		return
	}
	d.ended = strings.HasPrefix(m.get("expires"), "0")
	if s.fault == "early" {
		s.notify(d, d.members)
		s.answer(m, peer, 200, d.to)
		return
	}
	s.answer(m, peer, 200, d.to)
	s.notify(d, d.members)
}

func (s *server) answer(m *message, peer peer, status int, to string, lines ...string) {
	if to == "" {
		to = m.get("to")
	}
	lines = append(lines, "Via: "+m.get("via"), "From: "+m.get("from"), "To: "+to, "Call-ID: "+m.get("call-id"), "CSeq: "+m.get("cseq"))
	if m.method != "REGISTER" {
		lines = append(lines, "Contact: <sip:"+s.addr+">")
	}
	s.write(peer, fmt.Sprintf("SIP/2.0 %d X\r\n%s\r\n\r\n", status, strings.Join(lines, "\r\n")))
}

func (s *server) notify(d *dialog, members []string) {
	body, contentType := s.states[d.resource], "application/pidf+xml"
	if len(d.members) > 0 {
		contentType = "multipart/related"
		body = fmt.Sprintf("--b\r\n\r\n<list uri=\"x\" version=\"%d\" fullState=\"%t\"/>\r\n", d.version, d.cseq == 0)
		for _, aor := range members {
			body += "--b\r\n\r\n" + s.states[aor] + "\r\n"
		}
		d.version++
	}
	d.cseq++
	state := "active"
	if d.ended {
		state = "terminated;reason=timeout"
	}
	s.write(d.peer, fmt.Sprintf("NOTIFY %s SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK%p%d\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d NOTIFY\r\nSubscription-State: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		d.contact, d, d.cseq, d.to, d.from, d.callID, d.cseq, state, contentType, len(body), body))
}

func (s *server) write(peer peer, text string) {
	if err := peer([]byte(text)); err != nil {
		s.t.Logf("write: %v", err)
	}
}

func (s *server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.challenge {
		auth := r.Header.Get("Authorization")
		if !strings.Contains(auth, `uri="`+r.RequestURI+`"`) {
			w.Header().Add("WWW-Authenticate", `Digest realm="localhost", nonce="n2", qop="auth"`)
			w.WriteHeader(401)
			return
		}
		s.auths++
	}
	path, node, isElement := strings.Cut(r.URL.Path, "/~~/")
	doc, exists := s.docs[path]
	tag := fmt.Sprintf(`"%x"`, hash("MD5", doc))
	if match := r.Header.Get("If-Match"); match != "" && match != tag {
		w.WriteHeader(412)
		return
	}
	element := ""
	if isElement {
		uri := regexp.MustCompile(`@uri="([^"]*)"`).FindStringSubmatch(node)[1]
		element = regexp.MustCompile(`<entry uri="` + regexp.QuoteMeta(uri) + `">.*?</entry>`).FindString(doc)
	}
	switch {
	case r.Method == http.MethodPut:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			s.t.Error(err)
		}
		s.docs[path] = string(body)
		if isElement {
			s.docs[path] = strings.Replace(doc, element, string(body), 1)
			if s.fault == "corrupt" {
				s.docs[path] += " "
			}
		}
		w.Header().Set("ETag", fmt.Sprintf(`"%x"`, hash("MD5", s.docs[path])))
		if !exists {
			w.WriteHeader(201)
		}
	case !exists:
		w.WriteHeader(404)
	case r.Header.Get("If-None-Match") == tag:
		w.WriteHeader(304)
	default:
		w.Header().Set("ETag", tag)
		if isElement {
			doc = element
		}
		fmt.Fprint(w, doc)
	}
}

// inspect runs fn while nothing is served.
func (s *server) inspect(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn()
}
