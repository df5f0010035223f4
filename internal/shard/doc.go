// Package shard runs work in order per key on a fixed number of goroutines.
//
// All that concerns one presentity runs on one shard, chosen by a hash of its
// address-of-record, so its state needs no lock and its entity-tags and CSeq
// numbers cannot race. Two kinds of work reach a shard: requests from outside,
// whose queue is bounded and refuses when full, and continuations of work the
// shard already owns (an answer to a NOTIFY, a deadline, "there is news"),
// which are bounded by the state they belong to and are never refused.
package shard
