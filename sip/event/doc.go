// Package event is the notifier of RFC 6665: it keeps the SUBSCRIBE dialogs,
// their deadlines and their NOTIFY requests, and knows no event package. What a
// watcher is to see comes from a Package through the Source of each
// subscription. News is only a mark on a subscription: when its dialog is free
// to carry a NOTIFY, the Source is asked for the newest view, and that one is
// sent if it differs from what the watcher was sent last. So nothing queues
// behind a slow watcher, and states that nobody could have seen are never
// rendered. All of a subscription happens on the shard of its resource.
package event
