// Package subscriber is the subscriber side of RFC 6665: it keeps subscriptions
// to resources in other domains for whoever is interested in them.
//
// A subscription is known by its Key: on whose behalf, to what, in which event
// package. All who Watch one key share one subscription, so the state that a
// notifier shows to one user never reaches another (RFC 4662 §7.2). What is known
// of a resource is a View, an immutable snapshot that any goroutine may read;
// everything else belongs to the shard of the resource. A subscription is data
// with one deadline on the wheel: the next SUBSCRIBE, the end of waiting for a
// NOTIFY (Timer N), the end of the subscription.
//
// A dialog begins with the first NOTIFY, which gives its route set and remote target
// (RFC 6665 §4.4.1); another one to the same SUBSCRIBE, from a fork, is told 481,
// as is every NOTIFY of a dialog that is not known, so that notifiers end what
// nobody needs. Dialogs do not outlive the process. What fails is tried again with
// growing, randomly spread delays, and new subscriptions start at a limited rate
// per domain, so that neither a restart here nor one over there makes a storm.
package subscriber
