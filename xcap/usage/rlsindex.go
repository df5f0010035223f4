package usage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"

	"rollcall/internal/store"
	"rollcall/internal/xmlscan"
)

// maxIndex bounds the computed index of all services, in bytes.
const maxIndex = 64 << 20

var errIndexTooLarge = errors.New("the index of all services is too large")

// globalServices computes rls-services/global/index: every service of every
// user's document named index (RFC 4826 §4.4.7), as of now.
func globalServices(ctx context.Context, env Env, key store.DocumentKey) ([]byte, string, bool, error) {
	if key.Path != globalIndex {
		return nil, "", false, nil
	}
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	b.WriteString(`<rls-services xmlns="` + nsRLSServices + `">` + "\n")
	err := env.Documents.AUIDDocuments(ctx, "rls-services", globalIndex, func(doc store.Document) error {
		if doc.XUI == "" {
			return nil
		}
		d, err := xmlscan.Scan(doc.Body, xmlscan.Limits{Bytes: len(doc.Body)})
		if err != nil {
			// Not through us: one bad document must not cost everyone the index.
			slog.Error("services left out of the index", "user", doc.XUI, "error", err)
			return nil
		}
		for service := range d.Children(0) {
			writeSelfContained(&b, d, service)
			b.WriteByte('\n')
		}
		if b.Len() > maxIndex {
			return errIndexTooLarge
		}
		return nil
	})
	if err != nil {
		return nil, "", false, fmt.Errorf("index of services: %w", err)
	}
	b.WriteString("</rls-services>\n")
	return b.Bytes(), contentTag(b.Bytes()), true, nil
}

// writeSelfContained copies element i with all namespace bindings that are in
// scope there, so that it means the same under another parent.
func writeSelfContained(b *bytes.Buffer, d *xmlscan.Doc, i int) {
	e := &d.Elements[i]
	own := map[string]bool{}
	for _, decl := range d.Declared(i) {
		own[decl.Prefix] = true
	}
	nameEnd := int(e.Start) + 1 + len(qualified(e.Prefix, e.Local))
	b.Write(d.Src[e.Start:nameEnd])
	defaultBound := own[""]
	for _, decl := range d.Scope(i) {
		if decl.Prefix == "" {
			defaultBound = true
		}
		if own[decl.Prefix] || decl.Prefix == "" && decl.URI == nsRLSServices {
			continue
		}
		b.WriteString(" xmlns")
		if decl.Prefix != "" {
			b.WriteString(":" + decl.Prefix)
		}
		b.WriteString(`="`)
		b.Write(xmlscan.EscapeAttr(nil, decl.URI))
		b.WriteByte('"')
	}
	if !defaultBound {
		b.WriteString(` xmlns=""`)
	}
	b.Write(d.Src[nameEnd:e.End])
}
