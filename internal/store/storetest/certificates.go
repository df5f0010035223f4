package storetest

import (
	"context"
	"errors"
	"testing"

	"rollcall/internal/store"
)

func testCertificates(t *testing.T, s store.Store) {
	ctx := context.Background()
	if _, err := s.Certificate(ctx, "example.org"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("absent certificate: %v", err)
	}
	must(t, s.DeleteCertificate(ctx, "example.org"))
	for _, value := range []string{"first", "second", "\x00\xff", ""} {
		must(t, s.PutCertificate(ctx, "example.org", []byte(value)))
		got, err := s.Certificate(ctx, "example.org")
		must(t, err)
		equal(t, "certificate", string(got), value)
	}
	must(t, s.PutCertificate(ctx, "example.org+rsa", []byte("other")))
	must(t, s.DeleteCertificate(ctx, "example.org"))
	if _, err := s.Certificate(ctx, "example.org"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("deleted certificate: %v", err)
	}
	got, err := s.Certificate(ctx, "example.org+rsa")
	must(t, err)
	equal(t, "the other", string(got), "other")
}
