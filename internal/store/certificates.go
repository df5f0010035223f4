package store

import "context"

// Certificates keeps what was got over ACME (RFC 8555): account key, private keys
// with their certificates, tokens of open challenges. Every node sees the same.
type Certificates interface {
	// Certificate returns ErrNotFound when there is nothing of that name.
	Certificate(ctx context.Context, name string) ([]byte, error)
	// PutCertificate stores value, instead of what the name stood for.
	PutCertificate(ctx context.Context, name string, value []byte) error
	// DeleteCertificate removes name; it is no error that there is none.
	DeleteCertificate(ctx context.Context, name string) error
}
