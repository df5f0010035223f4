package rls

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/textproto"
	"strings"

	"rollcall/sip/event"
	"rollcall/sip/wire"
)

// typeMixed is the type of a body of several parts. RFC 5363 §4.1: those among them
// that are recipient lists are one list.
const typeMixed = "multipart/mixed"

// maxParts bounds the parts of a body.
const maxParts = 32

// ReadBody undoes the content coding of a body and finds the list in it. Lists are
// kept as they are or, when they came compressed, in the zlib format. What is no list
// is for the package behind to read.
func (w *wrapped) ReadBody(req *wire.Request) ([]byte, error) {
	kind := req.ContentType
	if kind != typeLists && kind != typeMixed {
		return w.readOther(req)
	}
	coding := strings.ToLower(req.Header("Content-Encoding"))
	body, err := decode(req.Body, coding)
	if err != nil {
		return nil, err
	}
	switch kind {
	case typeMixed:
		lists, err := mixed(body, req.ContentTypeRaw)
		if errors.Is(err, errNoList) {
			return w.readOther(req)
		}
		if err != nil {
			return nil, err
		}
		body = lists
	case typeLists:
		ours, err := isRecipients(req.Header("Content-Disposition"))
		if !ours || err != nil {
			return nil, err
		}
	}
	linphone := strings.HasPrefix(req.Header("User-Agent"), "Linphone")
	if linphone && len(body)+len(linphonesMark) <= maxInflated {
		body = append(bytes.Clone(body), linphonesMark...)
	}
	if coding != "" && coding != "identity" || linphone {
		return w.lists.coder.deflate(body), nil
	}
	return bytes.Clone(body), nil
}

// readOther reads a body that is no list.
func (w *wrapped) readOther(req *wire.Request) ([]byte, error) {
	if r, ok := w.Package.(event.BodyReader); ok {
		return r.ReadBody(req)
	}
	if req.ContentType == typeMixed {
		return nil, &event.Refusal{Status: 415, Headers: []wire.Header{{Name: "Accept", Value: typeLists}}}
	}
	body, err := decode(req.Body, strings.ToLower(req.Header("Content-Encoding")))
	return bytes.Clone(body), err
}

// codings are the content codings that are understood.
const codings = "deflate, gzip, identity"

func decode(body []byte, coding string) ([]byte, error) {
	var err error
	switch coding {
	case "", "identity":
		return body, nil
	case "deflate":
		body, err = inflate(body)
	case "gzip", "x-gzip":
		body, err = gunzip(body)
	default:
		// RFC 3261 §8.2.3
		return nil, &event.Refusal{Status: 415, Headers: []wire.Header{{Name: "Accept-Encoding", Value: codings}}}
	}
	switch {
	case errors.Is(err, errInflated):
		return nil, &event.Refusal{Status: 413}
	case err != nil:
		return nil, &event.Refusal{Status: 400, Reason: "Body Cannot Be Inflated"}
	}
	return body, nil
}

// isRecipients reports whether a part with a disposition is a recipient list; one
// that is something else that is needed is refused (RFC 3261 §20.11).
func isRecipients(disposition string) (bool, error) {
	what, params, _ := strings.Cut(disposition, ";")
	what = strings.TrimSpace(what)
	switch {
	case what == "", strings.EqualFold(what, "recipient-list"): // RFC 5363 §4
		return true, nil
	case strings.EqualFold(strings.ReplaceAll(params, " ", ""), "handling=optional"):
		return false, nil
	}
	return false, &event.Refusal{Status: 415, Headers: []wire.Header{{Name: "Accept", Value: typeLists}}}
}

// mixed makes one multipart body of the recipient lists in another: what is kept
// does not depend on how the client wrote it. One list alone is kept as it is.
func mixed(body []byte, contentType string) ([]byte, error) {
	malformed := &event.Refusal{Status: 400, Reason: "Malformed Multipart Body"}
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil || params["boundary"] == "" {
		return nil, malformed
	}
	var lists [][]byte
	r := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	for i := 0; ; i++ {
		part, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || i == maxParts {
			return nil, malformed
		}
		list, err := listIn(part)
		if err != nil {
			return nil, err
		}
		if list != nil {
			lists = append(lists, list)
		}
	}
	switch len(lists) {
	case 0:
		return nil, errNoList
	case 1:
		return lists[0], nil
	}
	return bundle(lists), nil
}

// listIn returns the recipient list that a part is; nil: it is none and not needed.
func listIn(part *multipart.Part) ([]byte, error) {
	kind, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type"))
	disposition := part.Header.Get("Content-Disposition")
	ours, err := isRecipients(disposition)
	switch {
	case err != nil:
		return nil, err
	case !ours, kind != typeLists && disposition == "":
		return nil, nil
	case kind != typeLists:
		return nil, &event.Refusal{Status: 415, Headers: []wire.Header{{Name: "Accept", Value: typeLists}}}
	}
	switch strings.ToLower(part.Header.Get("Content-Transfer-Encoding")) {
	case "", "7bit", "8bit", "binary":
	default:
		return nil, &event.Refusal{Status: 415, Headers: []wire.Header{{Name: "Accept", Value: typeLists}}}
	}
	text, err := io.ReadAll(io.LimitReader(part, maxInflated+1))
	if err != nil || len(text) > maxInflated {
		return nil, &event.Refusal{Status: 400, Reason: "Malformed Multipart Body"}
	}
	return decode(text, strings.ToLower(part.Header.Get("Content-Encoding")))
}

// bundle writes several lists as one body, which begins with its boundary.
func bundle(lists [][]byte) []byte {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; ; i++ {
		boundary := fmt.Sprintf("list%d", i)
		if !bytes.Contains(bytes.Join(lists, nil), []byte("--"+boundary)) {
			_ = w.SetBoundary(boundary) // it is a valid one
			break
		}
	}
	for _, list := range lists {
		// A bytes.Buffer takes everything.
		part, _ := w.CreatePart(textproto.MIMEHeader{"Content-Type": {typeLists}})
		_, _ = part.Write(list)
	}
	_ = w.Close()
	return b.Bytes()
}

// unbundle returns the lists of a body as ReadBody keeps it.
func unbundle(body []byte) ([][]byte, error) {
	text, err := unpack(body)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(text, []byte("--list")) {
		return [][]byte{text}, nil
	}
	boundary, _, _ := bytes.Cut(text[2:], []byte("\r\n"))
	r := multipart.NewReader(bytes.NewReader(text), string(boundary))
	var lists [][]byte
	for {
		part, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return lists, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading a kept body: %w", err)
		}
		list, err := io.ReadAll(part)
		if err != nil {
			return nil, fmt.Errorf("reading a kept body: %w", err)
		}
		lists = append(lists, list)
	}
}
