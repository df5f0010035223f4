package presence

import (
	"rollcall/internal/pidf"
	"rollcall/internal/sipuri"
)

// Forms implements event.Formed.
func (src *source) Forms() (forms []string) {
	if src.sub.Simple {
		forms = append(forms, "gist")
	}
	if src.wanted != nil {
		_, domain := sipuri.Split(src.sub.Resource)
		f := src.wanted.filters.For(src.sub.Resource, domain)
		if f != nil && f.Key() != "" {
			forms = append(forms, "filter")
		}
		if f != nil && f.HasTriggers() {
			forms = append(forms, "trigger")
		}
	}
	if src.sub.Prefers(partialType, pidf.ContentType) {
		forms = append(forms, "changes")
	}
	return forms
}
