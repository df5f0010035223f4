package xcap

import (
	_ "embed"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

//go:embed testdata/blink.txt
var blinkExchange string

// TestBlinkExchange replays what two fresh Blink devices sent to a permissive
// server, with the entity-tags of that server translated to ours. The answers
// must be the same, and what was written must come back to the byte.
func TestBlinkExchange(t *testing.T) {
	ts := newTestServer(t)
	ours := map[string]string{}
	written := map[string]string{} // bodies by target
	owner := regexp.MustCompile(`/users/([^/]+)/`)
	steps := strings.Split(blinkExchange, "#### request\n")[1:]
	if len(steps) < 30 {
		t.Fatalf("only %d requests", len(steps))
	}
	for _, step := range steps {
		request, reply, _ := strings.Cut(step, "#### answer\n")
		head, body, _ := strings.Cut(request, "\n\n")
		line, fields, _ := strings.Cut(head, "\n")
		words := strings.Fields(line)
		method, target := words[0], words[1]
		who := alice
		if m := owner.FindStringSubmatch(target); m != nil {
			who = m[1]
		}
		headers := []string{assertedIdentity, who}
		for _, field := range strings.Split(fields, "\n") {
			name, value, _ := strings.Cut(field, ": ")
			switch name {
			case "If-Match", "If-None-Match":
				if tag, ok := ours[value]; ok {
					value = tag
				}
				headers = append(headers, name, value)
			case "Content-Type", "Accept", "User-Agent", "Accept-Encoding":
				headers = append(headers, name, value)
			case "Content-Length":
				n, err := strconv.Atoi(value)
				if err != nil {
					t.Fatal(err)
				}
				body = strings.TrimPrefix(body, "\n")[:n]
			}
		}
		if method == http.MethodGet {
			body = ""
		}
		want, err := strconv.Atoi(strings.Fields(reply)[1])
		if err != nil {
			t.Fatal(err)
		}
		a := ts.do(method, target, body, headers...)
		expect(t, line, a, want, "")
		if method == http.MethodPut {
			written[target] = body
		}
		if _, rest, ok := strings.Cut(reply, "ETag: "); ok {
			tag, _, _ := strings.Cut(rest, "\n")
			if before, known := ours[tag]; known && before != a.etag() && tag != `"caps"` {
				t.Errorf("%s: entity-tag %s, was %s", line, a.etag(), before)
			}
			ours[tag] = a.etag()
		}
	}
	if got := ts.counted("rollcall_http_requests_total"); int(got) != len(steps) {
		t.Errorf("%v requests counted", got)
	}
	if len(written) == 0 {
		t.Error("nothing was written")
	}
	for target, body := range written {
		a := ts.do(http.MethodGet, target, "", assertedIdentity, owner.FindStringSubmatch(target)[1])
		if a.StatusCode != http.StatusOK || a.body != body {
			t.Errorf("GET %s: %d %q, written %q", target, a.StatusCode, a.body, body)
		}
	}
	caps := ts.get(root + "/xcap-caps/global/index").body
	for _, needed := range []string{"<auid>resource-lists</auid>", "<auid>rls-services</auid>", "<auid>org.openmobilealliance.pres-rules</auid>", "<extensions/>"} {
		if !strings.Contains(caps, needed) {
			t.Errorf("capabilities lack %s: the client would stay away for an hour", needed)
		}
	}
}
