package sip

import (
	"testing"
	"testing/synctest"
	"time"
)

// A request may wait for requestTimeout at least, and hardly longer; those of one
// moment share a context.
func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d deadlines
		first := d.context(time.Now())
		time.Sleep(999 * time.Millisecond)
		if d.context(time.Now()) != first {
			t.Error("another context within the same second")
		}
		time.Sleep(requestTimeout)
		if err := first.Err(); err != nil {
			t.Errorf("%v before its time", err)
		}
		if d.context(time.Now()) == first {
			t.Error("the context of an earlier request")
		}
		time.Sleep(2 * time.Millisecond)
		if first.Err() == nil {
			t.Error("a context without an end")
		}
	})
}
