// Package pidf reads presence documents (RFC 3863 with the data model of
// RFC 4479 and the extensions of RFC 4480) and composes what several devices
// publish into the one document that tells of a presentity.
//
// A Document is an index over source bytes: its components are never
// re-serialised. When it is read each component is made ready to be copied: it
// gets the namespace declarations that its ancestors had made, and nothing is
// changed but what would make the result invalid: children out of schema order, a
// missing status, an unreadable timestamp or priority. Composition copies these
// pieces, renames ids that clash or are no NCName, and leaves out elements whose
// time is over. Equal inputs give equal bytes, in whatever order they come.
//
// The rules of composition:
//
//   - The override, which the user has stored, is all that is said of what it
//     speaks of: of services when it has tuples, of the person when it has persons
//     or notes. It is over at the latest until in it, if there is one.
//   - Publications are soft state. The hard-state document counts only while
//     there is no soft state.
//   - Tuples all pass, except that of several with the same contact and the
//     same deviceID from different publications the newest stays.
//   - Devices with the same deviceID: the newest stays as a whole.
//   - Persons of the same class (mostly: without one) become one person. Each kind
//     of child element comes from the first person that has it, so that a mood set
//     on one device and activities set on another are both seen. The first is the
//     newest, or, if so configured, the one whose activities leave the least room:
//     engaged before away before the rest. The id is that of the oldest publication.
//   - A publication whose devices all appear in a later one is forgotten as far as
//     persons and notes go: what a device does not say any more disappears.
//   - "Newest" goes by the timestamp of the component, but not later than its
//     publication arrived, else by that arrival; for persons, not later than when
//     they began to say what they say.
//   - What is to come (from) is passed on, but neither its sphere nor its activities
//     decide anything yet.
//   - A timed status whose time has come is the basic status of its tuple until it
//     is over (RFC 4481 §3).
//   - A registration adds an open tuple for the address-of-record unless a
//     published tuple covers it: one of the same device, one that does not say
//     of which device it is, or any that is closed.
//   - A call adds the activity on-the-phone to the person and hides nothing.
//   - If there is no other state, one closed tuple says so.
//
// Disagreeing spheres are shown as the first person has it, but Composed.Sphere
// is then empty: no rule may build on it (RFC 5025 §3.1.2).
//
// Effective makes of such a document the gist for clients that look at one tuple.
package pidf
