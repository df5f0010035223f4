package usage

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"

	"rollcall/internal/xmlscan"
)

const nsPresContent = "urn:oma:xml:prs:pres-content"

// DefaultIconBytes is the most that an image may have, decoded: in base64 it
// fits a document of the default size.
const DefaultIconBytes = 180 << 10

// iconFolder is where the documents with status icons are.
const iconFolder = "oma_status-icon/"

// PresContent is the usage org.openmobilealliance.pres-content: images that
// presence documents refer to. Watchers fetch them without credentials, so
// everything that is stored here is made sure to be a picture.
func PresContent(maxIcon int) *Usage {
	if maxIcon <= 0 {
		maxIcon = DefaultIconBytes
	}
	s := newSchema(name{nsPresContent, "content"}, nil, presContentDeclarations())
	return &Usage{
		AUID:       "org.openmobilealliance.pres-content",
		MIMEType:   "application/vnd.oma.pres-content+xml",
		DefaultNS:  nsPresContent,
		Namespaces: []string{nsPresContent},
		PublicRead: true,
		FixedDocuments: func(path string) bool {
			file, ok := strings.CutPrefix(path, iconFolder)
			return ok && file != "" && len(file) <= maxIconName && !strings.Contains(file, "/")
		},
		Validate: func(d *xmlscan.Doc) *Conflict {
			if c := s.validate(d); c != nil {
				return c
			}
			return checkIcon(d, maxIcon)
		},
	}
}

// maxIconName bounds the name of a document with an icon.
const maxIconName = 200

// presContentDeclarations is the schema of the OMA content format.
func presContentDeclarations() declarations {
	const ns = nsPresContent
	content := group(ns, sequence(
		element(ns, "mime-type", simple(ns, anyString)).optional(),
		element(ns, "encoding", simple(ns, anyString)).optional(),
		element(ns, "description", simple(ns, anyString, xmlLang)).anyNumber(),
		element(ns, "data", simple(ns, anyString)),
		others(ns).anyNumber(),
	))
	content.anyAttr = true
	return declarations{{ns, "content"}: content}
}

// imageTypes are the types that icons may have and what their data begins with.
var imageTypes = []struct{ mimeType, magic string }{
	{"image/jpeg", "\xff\xd8\xff"},
	{"image/png", "\x89PNG\r\n\x1a\n"},
	{"image/gif", "GIF87a"},
	{"image/gif", "GIF89a"},
}

// checkIcon checks that the content is a picture of the type it says, in base64.
func checkIcon(d *xmlscan.Doc, maxIcon int) *Conflict {
	var mimeType, encoding string
	data := 0
	for child := range d.Children(0) {
		if d.Elements[child].Space != nsPresContent {
			continue
		}
		switch d.Elements[child].Local {
		case "mime-type":
			mimeType = strings.ToLower(collapse(d.Text(child)))
		case "encoding":
			encoding = strings.ToLower(collapse(d.Text(child)))
		case "data":
			data = child
		}
	}
	if encoding != "base64" {
		return constraint(d, 0, "the encoding must be base64, not "+quote(encoding))
	}
	if !imageType(mimeType) {
		return constraint(d, 0, "the mime-type must be image/jpeg, image/png or image/gif, not "+quote(mimeType))
	}
	image, err := base64.StdEncoding.DecodeString(withoutBlanks(d.Text(data)))
	switch {
	case err != nil:
		return constraint(d, data, "the data is not in base64")
	case len(image) == 0:
		return constraint(d, data, "there is no data")
	case len(image) > maxIcon:
		return constraint(d, data, "the image has "+strconv.Itoa(len(image))+" bytes; "+strconv.Itoa(maxIcon)+" are allowed")
	}
	for _, t := range imageTypes {
		if t.mimeType == mimeType && bytes.HasPrefix(image, []byte(t.magic)) {
			return nil
		}
	}
	return constraint(d, data, "the data is no "+mimeType)
}

func imageType(mimeType string) bool {
	for _, t := range imageTypes {
		if t.mimeType == mimeType {
			return true
		}
	}
	return false
}

// withoutBlanks takes out the line breaks and indentation of base64 text.
func withoutBlanks(s string) string {
	if !strings.ContainsAny(s, " \t\r\n") {
		return s
	}
	return strings.Join(strings.Fields(s), "")
}
