// Package eventstate is the event state compositor of RFC 3903 as far as it is
// the same for every event package: the rules of PUBLISH (Desk), who may publish
// for whom (Admission), which event packages there are (Router), and, for packages
// that need no more than their publications, the whole keeping of them (Service).
//
// The publications of one resource and event package belong to the shard of the
// resource. What a publication holds is the package's own type.
package eventstate
