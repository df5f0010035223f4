package usage

import (
	"context"

	"rollcall/internal/sipuri"
	"rollcall/internal/store"
	"rollcall/internal/xmlscan"
)

const nsUserProfile = "urn:oma:xml:xdm:user-profile"

// UserProfile is the usage org.openmobilealliance.user-profile (OMA XDM). The
// frame is checked; what a profile says is not, as the set of its elements
// differs from version to version.
func UserProfile() *Usage {
	s := newSchema(name{nsUserProfile, "user-profiles"}, nil, userProfileDeclarations())
	return &Usage{
		AUID:       "org.openmobilealliance.user-profile",
		MIMEType:   "application/vnd.oma.user-profile+xml",
		DefaultNS:  nsUserProfile,
		Namespaces: []string{nsUserProfile},
		Validate:   func(d *xmlscan.Doc) *Conflict { return s.validate(d) },
		Constrain: func(_ context.Context, _ Env, key store.DocumentKey, d *xmlscan.Doc) ([]string, *Conflict, error) {
			return nil, checkProfiles(d, key), nil
		},
	}
}

func userProfileDeclarations() declarations {
	const ns = nsUserProfile
	profile := &elementType{space: ns, open: true, anyAttr: true, attrs: []attribute{required("uri", anyURI)}}
	profiles := group(ns, sequence(element(ns, "user-profile", profile).anyNumber(), others(ns).anyNumber()))
	profiles.anyAttr = true
	return declarations{{ns, "user-profiles"}: profiles}
}

// checkProfiles checks that profiles are the owner's own.
func checkProfiles(d *xmlscan.Doc, key store.DocumentKey) *Conflict {
	for profile := range d.Children(0) {
		if !d.Is(profile, nsUserProfile, "user-profile") {
			continue
		}
		uri, _ := d.Attr(profile, "", "uri")
		if aor, err := sipuri.AOR(collapse(uri)); err != nil || aor != key.XUI {
			return constraint(d, profile, "wrong user profile URI: it must be "+quote(key.XUI)+", not "+quote(uri))
		}
	}
	return nil
}
