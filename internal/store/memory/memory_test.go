package memory_test

import (
	"testing"

	"rollcall/internal/store"
	"rollcall/internal/store/memory"
	"rollcall/internal/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return memory.New() })
}
