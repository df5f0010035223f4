// Package pidf reads presence documents (RFC 3863 with the data model of
// RFC 4479 and the extensions of RFC 4480) and composes what several devices
// publish into the one document that tells of a presentity.
//
// A Document or Composed is an index over source bytes: its components are
// never re-serialised. Composition copies each one as it was published, adds
// the namespace declarations its ancestors had made to its own start tag and
// changes nothing but what would make the result invalid: ids that clash or
// are no NCName, children out of schema order, a missing status, an unreadable
// timestamp or priority, elements whose time is over. Equal inputs give equal bytes.
//
// The rules of composition:
//
//   - Publications are soft state. The hard-state document counts only while
//     there is no soft state.
//   - Tuples all pass, except that of several with the same contact and the
//     same deviceID from different publications the newest stays.
//   - Devices with the same deviceID: the newest stays as a whole.
//   - Persons of the same class (mostly: without one) become one person. Its
//     start tag, id included, is that of the newest; each kind of child element
//     comes from the newest person that has it, so that a mood set on one
//     device and activities set on another are both seen.
//   - "Newest" goes by the timestamp of the component, but not later than its
//     publication arrived, else by that arrival.
//   - A registration adds an open tuple for the address-of-record unless a
//     published tuple covers it: one of the same device, one that does not say
//     of which device it is, or any that is closed.
//   - If nothing is left, one closed tuple says so.
//
// Disagreeing spheres are shown as the newest person has it, but Composed.Sphere
// is then empty: no rule may build on it (RFC 5025 §3.1.2).
package pidf
