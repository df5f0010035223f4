package memory_test

import (
	"testing"

	"rollcall/internal/store"
	"rollcall/internal/store/memory"
	"rollcall/internal/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(_ *testing.T, opt *store.Options) store.Store {
		s := memory.New()
		s.Remember(opt.History, opt.Deleted)
		return s
	})
}
