// Package rls is the resource list server of RFC 4662 and RFC 4826: one
// subscription to a list stands for subscriptions to all its members.
//
// Wrap puts it in front of the presence package: a subscription whose resource is
// the URI of a service in somebody's rls-services document, or user+presence of a
// user, is a list and served here; all others pass through. So is a list that
// comes in the body of a SUBSCRIBE (RFC 5367), to an address that all users share:
// it is its sender's, stays with the subscription, and a SUBSCRIBE in the dialog
// may bring another one. A list subscription
// watches every member in process, in the name of its owner, so that each
// member's own policy decides what the owner sees and the owner appears in the
// member's watcher information. Which members changed since the last NOTIFY is a
// set; when the dialog is free to carry one, their newest views are compared with
// what the watcher was told last, and only what differs is sent: as RLMI and
// presence documents in one multipart body. The documents a list was read from are
// indexed, so that an edit touches the lists that use it and no others; members it
// adds are watched at once, members it removes are told as terminated once.
//
// No member is ever left out silently. Addresses that nobody can subscribe to, and
// users that do not exist, are terminated with reason noresource. To members in
// other domains there are back-end subscriptions (Remote), one for each user whose
// lists have them; where there is no way to a domain its members are terminated
// with reason giveup.
package rls
