package usage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"

	"rollcall/internal/store"
	"rollcall/internal/xmlscan"
)

const nsXCAPCaps = "urn:ietf:params:xml:ns:xcap-caps"

// globalIndex is the path of the computed documents in the global trees.
const globalIndex = "index"

// XCAPCaps is the xcap-caps usage (RFC 4825 §12): one generated document in the
// global tree, nothing in the users' trees.
func XCAPCaps() *Usage {
	return &Usage{
		AUID:           "xcap-caps",
		MIMEType:       "application/xcap-caps+xml",
		DefaultNS:      nsXCAPCaps,
		Namespaces:     []string{nsXCAPCaps},
		FixedDocuments: func(string) bool { return false },
		ReadOnly:       true,
		Global: func(_ context.Context, env Env, key store.DocumentKey) ([]byte, string, bool, error) {
			if key.Path != globalIndex {
				return nil, "", false, nil
			}
			body := capabilities(env.Usages)
			return body, contentTag(body), true, nil
		},
	}
}

// capabilities writes the xcap-caps document. The element extensions is there
// even without extensions: Blink's schema requires it.
func capabilities(usages []*Usage) []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	b.WriteString(`<xcap-caps xmlns="` + nsXCAPCaps + `">` + "\n <auids>\n")
	for _, u := range usages {
		writeItem(&b, "auid", u.AUID)
	}
	b.WriteString(" </auids>\n <extensions/>\n <namespaces>\n")
	listed := map[string]bool{}
	for _, u := range usages {
		for _, ns := range u.Namespaces {
			if !listed[ns] {
				listed[ns] = true
				writeItem(&b, "namespace", ns)
			}
		}
	}
	b.WriteString(" </namespaces>\n</xcap-caps>\n")
	return b.Bytes()
}

func writeItem(b *bytes.Buffer, element, text string) {
	b.WriteString("  <" + element + ">")
	b.Write(xmlscan.Escape(nil, text))
	b.WriteString("</" + element + ">\n")
}

// contentTag is the entity-tag of a computed document: equal content has equal tags.
func contentTag(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:16])
}
