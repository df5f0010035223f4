package rls

import (
	"errors"
	"testing"

	"rollcall/internal/store"
)

func TestCovers(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, r *rig) {
		r.putServices(`<list>` + entries(bo, cy) + `</list>`)
		stored := store.Subscription{Event: "presence", Resource: theirs, Watcher: amy}
		brought := store.Subscription{
			Event: "presence", Resource: r.lists.Resource("sip:rls@example.test", amy), Watcher: amy,
			ContentType: typeLists, Body: []byte(recipients(di)),
		}
		for _, tt := range []struct {
			name   string
			row    store.Subscription
			member string
			want   bool
		}{
			{"a member", stored, bo, true},
			{"nobody of the list", stored, di, false},
			{"a member of a list that came with the SUBSCRIBE", brought, di, true},
			{"not on that one", brought, bo, false},
			{"a subscription to a user", store.Subscription{Event: "presence", Resource: bo, Watcher: amy}, bo, false},
			{"a list that is gone", store.Subscription{Event: "presence", Resource: "sip:gone@example.test", Watcher: amy}, bo, false},
		} {
			if got, err := r.lists.Covers(t.Context(), tt.row, tt.member); err != nil || got != tt.want {
				t.Errorf("%s: %t, %v", tt.name, got, err)
			}
		}
		if err := problemOnly(store.ErrUnavailable); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("an error of the store became %v", err)
		}
		if got := SubscriptionOf("2a77 " + bo); got != "2a77" {
			t.Errorf("subscription %q", got)
		}
	})
}
