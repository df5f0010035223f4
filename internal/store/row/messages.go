package row

import "rollcall/internal/store"

// Messages describes the messages table.
func Messages() Table[store.Message, store.MessageKey] {
	return Table[store.Message, store.MessageKey]{
		Name: "messages",
		Key:  []string{"recipient", "id"},
		Columns: []string{"recipient", "id", "expires", "size", "received", "sender", "call_id", "cseq",
			"content_type", "head", "body"},
		KeyValues: func(k store.MessageKey) []any { return []any{k.Recipient, k.ID} },
		Values: func(m *store.Message) []any {
			return []any{m.Recipient, m.ID, Time(m.Expires), int64(m.Size()), Time(m.Received), m.From, m.CallID, int64(m.CSeq),
				m.ContentType, Bytes(m.Head), Bytes(m.Body)}
		},
		Targets: func(m *store.Message) []any {
			var size int64 // follows from head and body
			return []any{&m.Recipient, &m.ID, ScanTime{&m.Expires}, &size, ScanTime{&m.Received}, &m.From, &m.CallID, &m.CSeq,
				&m.ContentType, &m.Head, &m.Body}
		},
	}
}

// WaitingMessages describes the columns of the messages table that are loaded at
// start. Nothing is written by it.
func WaitingMessages() Table[store.WaitingMessage, store.MessageKey] {
	t := Messages()
	return Table[store.WaitingMessage, store.MessageKey]{
		Name: t.Name, Key: t.Key, Columns: t.Columns[:4], KeyValues: t.KeyValues,
		Values: func(m *store.WaitingMessage) []any {
			return []any{m.Recipient, m.ID, Time(m.Expires), int64(m.Size)}
		},
		Targets: func(m *store.WaitingMessage) []any {
			return []any{&m.Recipient, &m.ID, ScanTime{&m.Expires}, &m.Size}
		},
	}
}
