package usage

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"time"

	"rollcall/internal/store"
	"rollcall/internal/xcapuri"
	"rollcall/internal/xmlscan"
)

const nsXCAPDirectory = "urn:oma:xml:xdm:xcap-directory"

// XCAPDirectory is the usage org.openmobilealliance.xcap-directory: the document
// directory.xml of each user lists what the user has stored, by application
// usage. It is made when it is asked for.
func XCAPDirectory() *Usage {
	return &Usage{
		AUID:           "org.openmobilealliance.xcap-directory",
		MIMEType:       "application/vnd.oma.xcap-directory+xml",
		DefaultNS:      nsXCAPDirectory,
		Namespaces:     []string{nsXCAPDirectory},
		FixedDocuments: func(string) bool { return false },
		ReadOnly:       true,
		Personal: func(ctx context.Context, env Env, key store.DocumentKey) ([]byte, string, bool, error) {
			if key.Path != "directory.xml" {
				return nil, "", false, nil
			}
			docs, err := env.Documents.ListDocuments(ctx, key.XUI, "")
			if err != nil {
				return nil, "", false, fmt.Errorf("directory of %s: %w", key.XUI, err)
			}
			body := directory(env, key.XUI, docs)
			return body, contentTag(body), true, nil
		},
	}
}

// directory writes the listing: a folder for each usage that stores documents of
// users, whether there are any or not.
func directory(env Env, xui string, docs []store.Document) []byte {
	entries := map[string][]store.Document{}
	for _, doc := range docs {
		entries[doc.AUID] = append(entries[doc.AUID], doc)
	}
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	b.WriteString(`<xcap-directory xmlns="` + nsXCAPDirectory + `">` + "\n")
	for _, u := range env.Usages {
		if u.ReadOnly || u.Personal != nil {
			continue
		}
		b.WriteString(` <folder auid="`)
		b.Write(xmlscan.EscapeAttr(nil, u.AUID))
		b.WriteString("\">\n")
		for _, doc := range entries[u.AUID] {
			writeEntry(&b, documentURI(env, doc.DocumentKey), doc)
		}
		b.WriteString(" </folder>\n")
	}
	b.WriteString("</xcap-directory>\n")
	return b.Bytes()
}

func writeEntry(b *bytes.Buffer, uri string, doc store.Document) {
	b.WriteString(`  <entry uri="`)
	b.Write(xmlscan.EscapeAttr(nil, uri))
	b.WriteString(`" etag="`)
	b.Write(xmlscan.EscapeAttr(nil, doc.ETag))
	b.WriteString(`" last-modified="` + doc.Modified.UTC().Format(time.RFC3339) + `" size="` + strconv.Itoa(doc.Size) + `"/>` + "\n")
}

// documentURI names a document as far as the configured root does: with the host
// or by the path.
func documentURI(env Env, key store.DocumentKey) string {
	r := xcapuri.Request{XUI: key.XUI, AUID: key.AUID, Path: key.Path}
	if len(env.Roots) > 0 {
		r.Root = env.Roots[0]
	}
	return r.DocumentURI()
}
