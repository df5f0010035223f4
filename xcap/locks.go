package xcap

import (
	"context"
	"hash/maphash"

	"rollcall/internal/store"
)

// locks let the writers of one document in this process queue up instead of
// undoing each other's work. That no update is lost does not depend on them:
// the store compares entity-tags.
type locks struct {
	seed    maphash.Seed
	stripes [256]chan struct{}
}

func newLocks() *locks {
	l := &locks{seed: maphash.MakeSeed()}
	for i := range l.stripes {
		l.stripes[i] = make(chan struct{}, 1)
	}
	return l
}

// lock waits for its turn, as long as ctx lasts.
func (l *locks) lock(ctx context.Context, key store.DocumentKey) (unlock func(), err error) {
	stripe := l.stripes[maphash.Comparable(l.seed, key)%uint64(len(l.stripes))]
	select {
	case stripe <- struct{}{}:
		return func() { <-stripe }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
