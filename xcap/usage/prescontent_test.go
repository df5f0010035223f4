package usage

import (
	"encoding/base64"
	"strings"
	"testing"

	"rollcall/internal/xmlscan"
)

const (
	contentHead = `<content xmlns="urn:oma:xml:prs:pres-content" xmlns:x="urn:x">`
	pngMagic    = "\x89PNG\r\n\x1a\n"
)

// icon is a pres-content document.
func icon(mimeType, encoding, data string) string {
	return contentHead + "<mime-type>" + mimeType + "</mime-type><encoding>" + encoding +
		`</encoding><description xml:lang="en">me</description><data>` + data + "</data></content>"
}

func base64Of(image string) string { return base64.StdEncoding.EncodeToString([]byte(image)) }

func TestPresContent(t *testing.T) {
	png, jpeg, gif := base64Of(pngMagic+"rest"), base64Of("\xff\xd8\xff\xe0rest"), base64Of("GIF89arest")
	for _, tt := range []struct {
		name, doc       string
		element, phrase string
	}{
		{"png", icon("image/png", "base64", png), "", ""},
		{"jpeg", icon("image/jpeg", "base64", jpeg), "", ""},
		{"gif, in another case and with blanks", icon(" image/GIF ", "BASE64", gif[:4]+"\n  \t"+gif[4:]+"\n"), "", ""},
		{"extensions", strings.Replace(icon("image/png", "base64", png), "</content>", "<x:y/></content>", 1), "", ""},

		{"other root", `<data xmlns="urn:oma:xml:prs:pres-content"/>`, SchemaValidationError, "root element must be content"},
		{"no data", contentHead + `<mime-type>image/png</mime-type><encoding>base64</encoding></content>`, SchemaValidationError, "expected description or data"},
		{"order", contentHead + `<data/><encoding>base64</encoding></content>`, SchemaValidationError, "<encoding> cannot stand here"},
		{"unknown element", contentHead + `<data/><size>1</size></content>`, SchemaValidationError, "<size> cannot stand here"},

		{"no encoding", contentHead + `<mime-type>image/png</mime-type><data>` + png + `</data></content>`, ConstraintFailure, "encoding must be base64"},
		{"another encoding", icon("image/png", "binary", png), ConstraintFailure, `not "binary"`},
		{"no type", contentHead + `<encoding>base64</encoding><data>` + png + `</data></content>`, ConstraintFailure, "mime-type must be"},
		{"a type that browsers run", icon("image/svg+xml", "base64", base64Of("<svg/>")), ConstraintFailure, "mime-type must be"},
		{"not base64", icon("image/png", "base64", "%%%"), ConstraintFailure, "not in base64"},
		{"empty", icon("image/png", "base64", " "), ConstraintFailure, "no data"},
		{"png that says it is a gif", icon("image/gif", "base64", png), ConstraintFailure, "no image/gif"},
		{"page that says it is a picture", icon("image/jpeg", "base64", base64Of("<html>")), ConstraintFailure, "no image/jpeg"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, c := judge(t, newEnv(t), "org.openmobilealliance.pres-content", alice, tt.doc)
			checkConflict(t, c, tt.element, tt.phrase, nil)
		})
	}
}

// The limit counts decoded bytes, whatever the encoded text takes.
func TestIconSize(t *testing.T) {
	validate := func(u *Usage, size int) *Conflict {
		d, err := xmlscan.Scan([]byte(icon("image/png", "base64", base64Of(pngMagic+strings.Repeat("x", size-len(pngMagic))))), xmlscan.Limits{Bytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		return u.Validate(d)
	}
	if c := validate(PresContent(100), 100); c != nil {
		t.Errorf("100 bytes: %s", c.Phrase)
	}
	checkConflict(t, validate(PresContent(100), 101), ConstraintFailure, "101 bytes; 100 are allowed", nil)
	if c := validate(PresContent(0), DefaultIconBytes); c != nil {
		t.Errorf("the default: %s", c.Phrase)
	}
	if base64.StdEncoding.EncodedLen(DefaultIconBytes)+1024 > xmlscan.DefaultLimits().Bytes {
		t.Error("the largest icon does not fit a document")
	}
}
