package store

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"
)

// Options are what a store is opened with; a nil pointer stands for the zero value.
type Options struct {
	Hook    CommitHook    // is told of every group commit
	History int           // versions of each document to keep; 0 records none
	Deleted time.Duration // how long the history of a removed document stays; 0: as long as its owner
}

// Origin tells where a change of a document came from.
type Origin struct {
	By      string // canonical AOR of the author, empty for the operator
	Client  string // product, such as the User-Agent
	Address string // of the client
	Method  string // PUT, DELETE, or the command
}

// Longest texts of an origin that are kept, in bytes.
const (
	maxClient  = 120
	maxAddress = 64
)

// Cut returns the origin with what the client chose cut to a bounded length and
// freed of what no terminal or database should get.
func (o Origin) Cut() Origin {
	o.Client = cut(o.Client, maxClient)
	o.Address = cut(o.Address, maxAddress)
	return o
}

func cut(s string, limit int) string {
	if len(s) > 4*limit { // control characters go first, but only so many
		s = s[:4*limit]
	}
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	for len(s) > limit {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}

// Version is one entry of the history of a document. Its Modified is the time
// of the change.
type Version struct {
	Document
	Number  int  // 1 for the first, counting upwards
	Deleted bool // the document was removed; there is neither ETag nor body
}

// History is the part of a store that remembers earlier versions of documents.
// PutDocument and DeleteDocument record in the same transaction what they do,
// and what was there before if that is not recorded yet.
type History interface {
	// Versions returns the history of a document without bodies, newest first;
	// none when there is no such document or nothing is remembered of it.
	Versions(ctx context.Context, key DocumentKey) ([]Version, error)
	// Version returns one version with its body; ErrNotFound.
	Version(ctx context.Context, key DocumentKey, number int) (Version, error)
}
