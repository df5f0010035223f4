package main

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestParseMessage(t *testing.T) {
	m, err := parseMessage([]byte("NOTIFY sip:a@127.0.0.1 SIP/2.0\r\nv: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1;rport\r\nVia: SIP/2.0/UDP b\r\n" +
		"To: \"A; B\" <sip:a@x;p=1>;tag=t1\r\nCSeq: 7  NOTIFY\r\nSubject: one\r\n two\r\nContact: sip:c@x;expires=3\r\nl: 2\r\n\r\nhixx"))
	if err != nil {
		t.Fatal(err)
	}
	n, method := m.cseq()
	for _, tt := range []struct{ what, got, want string }{
		{"method", m.method, "NOTIFY"},
		{"compact form", param(m.get("via"), "branch"), "z9hG4bK1"},
		{"number of Via", strings.Repeat("x", len(m.values("via"))), "xx"},
		{"tag behind a display name with a semicolon", param(m.get("to"), "tag"), "t1"},
		{"URI in brackets", addrSpec(m.get("to")), "sip:a@x;p=1"},
		{"bare URI", addrSpec(m.get("contact")), "sip:c@x"},
		{"CSeq method", method, "NOTIFY"},
		{"folded line", m.get("subject"), "one two"},
		{"body cut to Content-Length", string(m.body), "hi"},
		{"absent parameter", param(m.get("to"), "x"), ""},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %q, want %q", tt.what, tt.got, tt.want)
		}
	}
	if n != 7 {
		t.Errorf("CSeq %d", n)
	}
	if m, err := parseMessage([]byte("SIP/2.0 200 OK\r\n\r\n")); err != nil || m.status != 200 {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestParseMessageRefuses(t *testing.T) {
	for _, text := range []string{"", "\r\n\r\n", "NOTIFY\r\n\r\n", " sip:a SIP/2.0\r\n\r\n", "SIP/2.0 abc\r\n\r\n", "SIP/2.0 99 X\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
		"SIP/2.0 200 OK\r\nno colon\r\n\r\n", "SIP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhi", "SIP/2.0 200 OK\r\nContent-Length: -1\r\n\r\n"} {
		if _, err := parseMessage([]byte(text)); !errors.Is(err, errMessage) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestReadMessages(t *testing.T) {
	r := bufio.NewReader(strings.NewReader("\r\n\r\nSIP/2.0 200 OK\r\nContent-Length: 3\r\n\r\nabcSIP/2.0 404 Not Found\r\n\r\n"))
	for _, want := range []struct {
		status int
		body   string
	}{{200, "abc"}, {404, ""}} {
		m, err := readMessage(r)
		if err != nil || m.status != want.status || string(m.body) != want.body {
			t.Fatalf("%+v, %v", m, err)
		}
	}
	if _, err := readMessage(r); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

func FuzzParseMessage(f *testing.F) {
	f.Add([]byte("NOTIFY sip:a@b SIP/2.0\r\nTo: <sip:a@b>;tag=1\r\nCSeq: 1 NOTIFY\r\nContent-Length: 1\r\n\r\nx"))
	f.Add([]byte(" 0 SIP/2.0\r\n\r\n"))
	f.Add([]byte("SIP/2.0 200 OK\r\nx:\r\n y\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseMessage(data)
		if err != nil {
			return
		}
		if (m.status == 0) == (m.method == "") {
			t.Errorf("neither request nor response: %+v", m)
		}
		for _, h := range m.headers {
			param(h.value, "tag")
			addrSpec(h.value)
		}
		m.cseq()
	})
}

func TestMarkers(t *testing.T) {
	type state struct{ index, number int }
	var got []state
	body := "<note>" + marker("ab", 3, 17) + "</note> bench ab x y. bench ab 1. " + marker("other", 1, 1) + marker("ab", 4, 1) + "bench ab 5 5"
	markers([]byte(body), "ab", func(index, number int) { got = append(got, state{index, number}) })
	if len(got) != 2 || got[0] != (state{3, 17}) || got[1] != (state{4, 1}) {
		t.Errorf("%v", got)
	}
}

func TestRLMIVersion(t *testing.T) {
	for _, tt := range []struct {
		body string
		want int64
		ok   bool
	}{
		{`--b` + "\r\n" + `Content-Type: x; version=9` + "\r\n\r\n" + `<list uri="a" version="12" fullState="true">`, 12, true},
		{`<r:list fullState='false' version='0' uri="a">`, 0, true},
		{`<presence version="1">`, -1, false},
		{`<list fullState="true">`, -1, false},
	} {
		if got, ok := rlmiVersion([]byte(tt.body)); ok != tt.ok || ok && got != tt.want {
			t.Errorf("%s: %d, %v", tt.body, got, ok)
		}
	}
}
