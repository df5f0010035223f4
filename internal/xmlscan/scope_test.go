package xmlscan

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// nested returns elements within each other that declare n prefixes in all.
func nested(n int) []byte {
	var open, end strings.Builder
	for i := 0; i < n; {
		open.WriteString("<e")
		for k := 0; k < 32 && i < n; k++ {
			fmt.Fprintf(&open, " xmlns:p%d='u'", i)
			i++
		}
		open.WriteString(">")
		end.WriteString("</e>")
	}
	return []byte(open.String() + end.String())
}

// What is in scope is bounded, what is declared one after the other is not.
func TestNamespacesInScope(t *testing.T) {
	// One place is taken by the prefix xml, or none.
	if _, err := Scan(nested(maxScope-1), DefaultLimits()); err != nil {
		t.Errorf("below the limit: %v", err)
	}
	var refused *Error
	if _, err := Scan(nested(maxScope+1), DefaultLimits()); !errors.As(err, &refused) || refused.Kind != TooLarge {
		t.Errorf("above the limit: %v", err)
	}
	siblings := "<r>" + strings.Repeat("<e xmlns:p='u' p:a=''/>", 2*maxScope) + "</r>"
	if _, err := Scan([]byte(siblings), DefaultLimits()); err != nil {
		t.Errorf("siblings: %v", err)
	}
}
