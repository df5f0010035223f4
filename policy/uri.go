package policy

import (
	"strings"

	"rollcall/internal/sipuri"
)

// comparableURI is the form in which service-uri, contact and deviceID are
// compared: URI equality for addresses, the text itself for anything else.
func comparableURI(s string) string {
	s = strings.TrimSpace(s)
	if c, err := sipuri.Canonical(s); err == nil {
		return c
	}
	if aor, err := sipuri.AOR(s); err == nil {
		return aor
	}
	return s
}
