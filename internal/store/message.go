package store

import (
	"context"
	"time"
)

// Message is a MESSAGE request that waits for its recipient (RFC 3428 §7). IDs
// of one recipient sort in the order in which the messages came.
type Message struct {
	Recipient   string // canonical AOR
	ID          string
	From        string // canonical AOR of the sender
	CallID      string
	CSeq        uint32
	ContentType string
	Head        []byte // header lines to send with it, each with its CRLF
	Body        []byte
	Received    time.Time
	Expires     time.Time
}

// MessageKey identifies a message.
type MessageKey struct{ Recipient, ID string }

// Key returns the message's identity.
func (m Message) Key() MessageKey { return MessageKey{m.Recipient, m.ID} }

// Size is what counts against the quota of the recipient, in bytes.
func (m Message) Size() int { return len(m.Head) + len(m.Body) }

// WaitingMessage is what is known of a message without reading it.
type WaitingMessage struct {
	MessageKey
	Size    int
	Expires time.Time
}

// Messages is the part of a store that reads what Batch.Messages wrote.
type Messages interface {
	// LoadMessages calls fn for every message that expires after now, in no
	// order, until fn fails.
	LoadMessages(ctx context.Context, now time.Time, fn func(WaitingMessage) error) error
	// Message returns ErrNotFound when it does not exist.
	Message(ctx context.Context, key MessageKey) (Message, error)
}
