// Package mwi is the event package message-summary (RFC 3842): the mailbox of a
// user tells by PUBLISH how many messages wait, and the phones of that user
// subscribe to it. Several mailboxes of one user are shown as one.
package mwi
