package im

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"rollcall/internal/store"
	"rollcall/sip/wire"
)

// storable reports whether req is something to keep at all: a message, not a
// sign of somebody typing, and not over by now.
func (r *Relay) storable(req *wire.Request) bool {
	return r.cfg.Store != nil && !ephemeral(req) && r.expiry(req).After(time.Now())
}

// mayKeep reports whether there is room for req in b.
func (r *Relay) mayKeep(req *wire.Request, head []byte, b *box) bool {
	return r.storable(req) && r.fits(b, len(storedHead(head, req))+len(req.Body))
}

// keep stores req until the recipient registers, and returns what to answer. It
// runs on the shard of the recipient. 202 would say more (RFC 3428 §7), but there
// are clients that take only 200 for success.
func (r *Relay) keep(ctx context.Context, req *wire.Request, aor, from string, head []byte) wire.Response {
	if !r.storable(req) {
		return wire.Response{Status: 480}
	}
	m := store.Message{
		Recipient: aor, ID: messageID(req.Received), From: from, CallID: req.CallID, CSeq: req.CSeq,
		ContentType: req.ContentType, Head: storedHead(head, req), Body: req.Body,
		Received: req.Received, Expires: r.expiry(req),
	}
	if !r.fits(r.find(aor), m.Size()) {
		return wire.Response{Status: 480, Reason: "Mailbox Full"}
	}
	if err := r.cfg.Store.Commit(ctx, store.Batch{Messages: []store.Message{m}}); err != nil {
		slog.Error("message not stored", "aor", aor, "error", err)
		if errors.Is(err, store.ErrUnavailable) || ctx.Err() != nil {
			return wire.Overloaded()
		}
		return wire.Response{Status: 500}
	}
	r.arm(r.put(store.WaitingMessage{MessageKey: m.Key(), Size: m.Size(), Expires: m.Expires}))
	return wire.Response{Status: 200}
}

// expiry is when a message is of no use any more: RFC 3428 §7 counts Expires
// from Date, and without one from the receipt.
func (r *Relay) expiry(req *wire.Request) time.Time {
	end := req.Received.Add(r.cfg.Lifetime)
	if req.Expires < 0 {
		return end
	}
	sent := req.Received
	if date, err := http.ParseTime(req.Header("Date")); err == nil && date.Before(sent) {
		sent = date
	}
	if e := sent.Add(time.Duration(min(req.Expires, 1<<32)) * time.Second); e.Before(end) {
		return e
	}
	return end
}

// messageID sorts by the time of receipt.
func messageID(received time.Time) string {
	var random [4]byte
	rand.Read(random[:]) // never fails
	return fmt.Sprintf("%016x%s", received.UnixNano(), hex.EncodeToString(random[:]))
}

// storedHead is a forwarded head without the way the request came, which was
// answered, and with the time when it was sent.
func storedHead(head []byte, req *wire.Request) []byte {
	var b []byte
	for line := range strings.SplitAfterSeq(string(head), "\r\n") {
		switch name, _, _ := strings.Cut(line, ":"); strings.ToLower(strings.TrimSpace(name)) {
		case "via", "v", "record-route":
			continue
		}
		b = append(b, line...)
	}
	if req.Header("Date") == "" {
		b = append(b, "Date: "...)
		b = append(b, req.Received.UTC().Format(http.TimeFormat)...)
		b = append(b, "\r\n"...)
	}
	return b
}

const composingType = "application/im-iscomposing+xml"

// ephemeral reports whether req says only that somebody is typing (RFC 3994),
// bare or wrapped in CPIM (RFC 3862).
func ephemeral(req *wire.Request) bool {
	switch req.ContentType {
	case composingType:
		return true
	case "message/cpim":
		return wrappedType(req.Body) == composingType
	}
	return false
}

// wrappedType returns the media type of what a CPIM message holds: the header
// section behind the first empty line says it.
func wrappedType(body []byte) string {
	text := strings.ReplaceAll(string(body), "\r\n", "\n")
	_, rest, _ := strings.Cut(text, "\n\n")
	head, _, _ := strings.Cut(rest, "\n\n")
	for line := range strings.SplitSeq(head, "\n") {
		name, value, _ := strings.Cut(line, ":")
		if strings.EqualFold(strings.TrimSpace(name), "Content-Type") {
			media, _, _ := strings.Cut(value, ";")
			return strings.ToLower(strings.TrimSpace(media))
		}
	}
	return ""
}
