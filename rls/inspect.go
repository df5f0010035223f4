package rls

import (
	"context"
	"errors"
	"slices"
	"strings"

	"rollcall/internal/resourcelist"
	"rollcall/internal/store"
	"rollcall/sip/event"
)

// SubscriptionOf returns the ID of the list subscription that an ID given to
// Presence.Watch belongs to.
func SubscriptionOf(watchID string) string {
	id, _, _ := strings.Cut(watchID, " ")
	return id
}

// Covers reports whether a stored subscription is one to a list that has a member,
// as the list is now. The error is that of the store.
func (s *Service) Covers(ctx context.Context, row store.Subscription, member string) (bool, error) {
	sub := &event.Subscription{
		Event: row.Event, Resource: row.Resource, Watcher: row.Watcher, ContentType: row.ContentType, Body: row.Body, Restored: true,
	}
	at, err := (&wrapped{lists: s}).locate(ctx, sub)
	if err != nil {
		return false, problemOnly(err)
	}
	c, err := (&list{svc: s, sub: sub, at: at}).content(ctx)
	if err != nil {
		return false, problemOnly(err)
	}
	return slices.ContainsFunc(c.Entries, func(e resourcelist.Entry) bool { return e.Problem == "" && e.URI == member }), nil
}

// problemOnly passes errors of the store: a list that is not one has no members.
func problemOnly(err error) error {
	var refusal *event.Refusal
	var wrong *packageError
	if errors.Is(err, errNoList) || errors.Is(err, errMalformed) || errors.Is(err, resourcelist.ErrUnresolved) ||
		errors.As(err, &refusal) || errors.As(err, &wrong) {
		return nil
	}
	return err
}
