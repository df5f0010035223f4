package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"rollcall/internal/store"
)

// message reads a message that was loaded and checks one against the other.
func (r *rows) message(ctx context.Context, s store.Store, w store.WaitingMessage) error {
	m, err := s.Message(ctx, w.MessageKey)
	if err != nil {
		return err
	}
	if m.Size() != w.Size || !m.Expires.Equal(w.Expires) {
		return fmt.Errorf("message %+v was announced as %+v", m, w)
	}
	r.Messages[m.Key()] = m
	return nil
}

func testNoMessage(t *testing.T, s store.Store) {
	ctx := context.Background()
	b := sample("alice", 1)
	must(t, s.Commit(ctx, b))
	key := b.Messages[0].Key()
	for _, k := range []store.MessageKey{{}, {Recipient: key.Recipient, ID: "other"}, {Recipient: "other", ID: key.ID}, {Recipient: "\xff", ID: "\x00"}} {
		if m, err := s.Message(ctx, k); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("message %+v: %+v, %v", k, m, err)
		}
	}
}
