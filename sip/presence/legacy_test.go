package presence

import (
	"bytes"
	"testing"
	"time"

	"rollcall/internal/pidf"
	"rollcall/internal/xmlscan"
)

// RFC 3261 §20.1: the type goes by Accept and its qualities; that of RFC 3863 is the
// one of those that are wanted equally.
func TestAcceptedTypes(t *testing.T) {
	const older, newer = pidf.AliasType, pidf.ContentType
	for _, tt := range []struct {
		accept []string
		want   string
	}{
		{nil, newer},
		{[]string{newer}, newer},
		{[]string{older}, older},
		{[]string{older, newer}, newer},
		{[]string{older + ";q=0.5", newer + ";q=0.9"}, newer},
		{[]string{older, newer + ";q=0.9"}, older},
		{[]string{older, "*/*;q=0.1"}, older},
		{[]string{"*/*"}, newer},
		{[]string{"application/*"}, newer},
	} {
		inBubble(t, Config{}, func(t *testing.T, r *rig) {
			r.rules(amy, "allow "+bo)
			r.must(amy, typed, document(tuple("a", "open")))
			sub := subscription("s1", bo, time.Hour)
			sub.Accept = tt.accept
			_, v, err := r.subscribe(sub)
			if err != nil || v.ContentType != tt.want || tuplesOf(t, v.Body)["a"] != "open" {
				t.Fatalf("%q: %v, %s\n%s", tt.accept, err, v.ContentType, v.Body)
			}
			d, err := xmlscan.Scan(v.Body, xmlscan.DefaultLimits())
			if err != nil || d.Is(0, pidf.Namespace, "presence") != (tt.want == newer) {
				t.Errorf("%q: %v\n%s", tt.accept, err, v.Body)
			}
			if plain := r.view(bo); (plain.Tag == v.Tag) != (tt.want == newer) || !bytes.Contains(plain.Body, []byte(pidf.Namespace)) {
				t.Errorf("%q: tag %s", tt.accept, v.Tag)
			}
		})
	}
}
