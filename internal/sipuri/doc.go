// Package sipuri reads, compares and canonicalises the URIs that name people
// and services: sip, sips, pres, im and tel. Three notions of sameness live
// here and must not be mixed: Equal is the comparison of RFC 3261 §19.1.4
// (contacts), Canonical the normal form of RFC 4826 §5 (list entries), and AOR
// reduces whatever a client wrote to the one key under which a user is known.
package sipuri
