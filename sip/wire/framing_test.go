package wire

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const options = "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKa\r\nContent-Length: %d\r\n\r\n%s"

// frames runs the framer over chunks and writes down what comes out.
func frames(chunks ...string) string {
	f := framer{max: 64 << 10}
	var out []string
	for _, c := range chunks {
		f.feed([]byte(c))
		for {
			fr, ok, err := f.next()
			if err != nil {
				return strings.Join(append(out, "error"), "|")
			}
			if !ok {
				break
			}
			switch {
			case fr.ping:
				out = append(out, "ping")
			case fr.tooLarge:
				out = append(out, "large")
			case fr.fatal:
				out = append(out, "fatal")
			default:
				out = append(out, string(fr.message))
			}
			if fr.fatal {
				return strings.Join(out, "|")
			}
		}
	}
	return strings.Join(out, "|")
}

func TestFraming(t *testing.T) {
	empty, four := fmt.Sprintf(options, 0, ""), fmt.Sprintf(options, 4, "b\n\r\x00")
	folded := strings.Replace(four, "Content-Length: 4", "l\t:\r\n  4", 1)
	for _, tc := range []struct{ name, in, want string }{
		{"one", empty, empty},
		{"two in one segment, in order", four + empty, four + "|" + empty},
		{"folded and compact length", folded, folded},
		{"ping", "\r\n\r\n", "ping"},
		{"two pings and a message", "\r\n\r\n\r\n\r\n" + empty, "ping|ping|" + empty},
		{"one line end before a message is skipped", "\r\n" + empty, empty},
		{"line end after a message does not add up to a ping", "\r\n" + empty + "\r\n", empty},
		{"ping after a message", empty + "\r\n\r\n" + four, empty + "|ping|" + four},
		{"no length", strings.Replace(empty, "Content-Length: 0\r\n", "", 1), "fatal"},
		{"negative length", strings.Replace(empty, ": 0", ": -1", 1), "fatal"},
		{"lengths that differ", strings.Replace(empty, "Content-Length: 0", "Content-Length: 0\r\nl: 1", 1), "fatal"},
		{"body above the limit", strings.Replace(empty, ": 0", ": 65536", 1), "large"},
		{"header section without end", empty[:30] + strings.Repeat("X: y\r\n", maxHead/6), "fatal"},
		{"TLS", "\x16\x03\x01\x02\x00", "error"},
		{"HTTP", "GET / HTTP/1.1\r\n", "error"},
		{"endless line", strings.Repeat("a", maxLine), "error"},
		{"lone CR and rubbish", "\rX", "error"},
	} {
		if got := frames(tc.in); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
		// RFC 3261 §18.3: segments have no meaning.
		if got := frames(strings.Split(tc.in, "")...); got != tc.want {
			t.Errorf("%s, byte by byte: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// However a stream is cut into segments, the same messages come out.
func TestFramingAnySegments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var stream, want []string
		for i := range rapid.IntRange(1, 5).Draw(t, "messages") {
			if rapid.Bool().Draw(t, "ping") {
				stream, want = append(stream, "\r\n\r\n"), append(want, "ping")
			}
			body := rapid.StringMatching(`[a-z\r\n]{0,40}`).Draw(t, "body")
			m := fmt.Sprintf(strings.Replace(options, "h;", fmt.Sprintf("h%d;", i), 1), len(body), body)
			stream, want = append(stream, m), append(want, m)
		}
		all := strings.Join(stream, "")
		var chunks []string
		for all != "" {
			n := rapid.IntRange(1, len(all)).Draw(t, "segment")
			chunks, all = append(chunks, all[:n]), all[n:]
		}
		if got := frames(chunks...); got != strings.Join(want, "|") {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}

func FuzzFraming(f *testing.F) {
	f.Add([]byte("\r\n\r\n"+fmt.Sprintf(options, 4, "body")), uint64(1))
	f.Add([]byte(fmt.Sprintf(options, 99999, "body")), uint64(2))
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		whole := frames(string(data))
		var chunks []string
		r := rand.New(rand.NewPCG(seed, 0))
		for rest := data; len(rest) > 0; {
			n := 1 + r.IntN(len(rest))
			chunks, rest = append(chunks, string(rest[:n])), bytes.Clone(rest[n:])
		}
		if got := frames(chunks...); got != whole {
			t.Errorf("in segments %q, at once %q", got, whole)
		}
	})
}
