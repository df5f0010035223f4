// Package relay takes SUBSCRIBE and PUBLISH of our users to other domains, and
// the NOTIFYs of what they subscribed to back to them: a transaction-stateful
// proxy for non-INVITE requests (RFC 3261 §16). What it has to know about a dialog
// travels in the Record-Route that it writes, signed, so that it keeps nothing:
// not over the life of a dialog, and not over a restart.
package relay
