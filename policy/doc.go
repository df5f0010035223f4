// Package policy decides who may see a presentity's presence, and how much of it.
//
// It implements common policy (RFC 4745), presence authorization rules (RFC 5025)
// and the conditions OMA added to them. It is the only place where that is
// decided. All rule documents of a presentity, of the application usages
// pres-rules and org.openmobilealliance.pres-rules, are compiled into one rule
// set; lists they refer to become hash sets. A decision for a watcher names how
// the subscription is handled and the transformation to apply to the composed
// presence document.
//
// Rules are positive grants: the permissions of all rules that apply are united,
// type by type (RFC 4745 §10.2). OMA documents, and documents that use OMA
// conditions, add a precedence: of their applicable rules only those of the
// highest kind count - anonymous-request, then identity, then external-list, then
// other-identity. When a presentity has documents of both kinds, the precedence
// selects among the rules of all OMA documents together, and what it selects is
// united with every applicable rule of the IETF documents. The condition
// other-identity looks at all documents: it is false for a watcher whom any rule of
// the set refers to by identity or external list, even if another condition of that
// rule is false at the moment. A rule switched off by a false-condition refers to
// nobody.
//
// What cannot be read reveals less, never more: an unknown condition is false, a
// list that exists but cannot be read matches nobody and turns "allow" for the
// unlisted into "confirm", a rule document that cannot be read turns every "allow"
// into "confirm". A presentity without any rule document has no policy, which
// means confirm; a document without a rule that applies means block. The presentity
// itself always sees everything. What no document and no matching rule mean, and
// bounds for what rules may say, are for the operator of a domain to decide (Tenant).
package policy
