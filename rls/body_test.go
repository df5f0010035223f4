package rls

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// parts is a multipart body; a part is its header lines, an empty one, and text.
func parts(parts ...string) string {
	var b strings.Builder
	b.WriteString("preamble\r\n")
	for _, p := range parts {
		b.WriteString("--b\r\n" + p + "\r\n")
	}
	return b.String() + "--b--\r\n"
}

const (
	mixedType = `multipart/mixed; boundary="b"`
	listPart  = "Content-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list\r\n\r\n"
)

// RFC 5363 §4.1: several recipient lists in a body are one.
func TestMultipartRecipients(t *testing.T) {
	other := "Content-Type: text/plain\r\n\r\nhello"
	for _, tt := range []struct {
		name   string
		body   string
		kind   string
		more   string
		status int
		want   []string // members
	}{
		{name: "two lists", body: parts(listPart+recipients(bo, cy), listPart+recipients(cy, di)), want: []string{bo, cy, di}},
		{name: "one list and something else", body: parts(other, listPart+recipients(cy)), want: []string{cy}},
		{name: "without disposition", body: parts("Content-Type: application/resource-lists+xml\r\n\r\n" + recipients(bo)), want: []string{bo}},
		{name: "another list that may be ignored", body: parts(listPart+recipients(bo), strings.Replace(listPart, "recipient-list", "recipient-list-history;handling=optional", 1)+recipients(cy)), want: []string{bo}},
		{name: "a part with a coding of its own", body: parts("Content-Encoding: gzip\r\n" + listPart + gzipped(t, recipients(di))), want: []string{di}},
		{name: "the whole body deflated", body: raw(t, parts(listPart+recipients(bo), listPart+recipients(di))), more: encoded, want: []string{bo, di}},
		{name: "one body, gzip", kind: typeLists, body: gzipped(t, recipients(bo)), more: "Content-Encoding: gzip\r\n", want: []string{bo}},
		{name: "looks like what is kept", kind: typeLists, body: "--list0\r\n\r\n", status: 400},
		{name: "a bomb in a part", body: parts("Content-Encoding: gzip\r\n" + listPart + gzipped(t, strings.Repeat(" ", 1<<20))), status: 413},
		{name: "a list of another kind", body: parts("Content-Type: text/plain\r\nContent-Disposition: recipient-list\r\n\r\nsip:bo@example.test"), status: 415},
		{name: "a part that is needed and unknown", body: parts(listPart+recipients(bo), "Content-Type: application/resource-lists+xml\r\nContent-Disposition: render\r\n\r\n"+recipients(cy)), status: 415},
		{name: "base64", body: parts("Content-Transfer-Encoding: base64\r\n" + listPart + "PGE+"), status: 415},
		{name: "no list", body: parts(other), status: 415},
		{name: "one of two is damaged", body: parts(listPart+recipients(bo), listPart+"<"), status: 400},
		{name: "no end", body: strings.TrimSuffix(parts(listPart+recipients(bo)), "--b--\r\n"), status: 400},
		{name: "no boundary", kind: "multipart/mixed", body: parts(listPart + recipients(bo)), status: 400},
		{name: "too many parts", body: parts(make([]string, maxParts+1)...), status: 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, options{}, func(t *testing.T, r *rig) {
				s := sub{resource: lists, body: tt.body, kind: or(tt.kind, mixedType), more: tt.more, expires: "3600"}
				if tt.status != 0 {
					if log := r.subscribe(s); len(log) != 1 || log[0].status() != tt.status {
						t.Fatalf("%+v, want %d", log, tt.status)
					}
					return
				}
				_, w := r.establish(s)
				var got []string
				for _, res := range w.last.Resources {
					got = append(got, res.URI)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("members (-want +got):\n%s", diff)
				}
			})
		})
	}
}
