// Package events is a stream of server-sent events over HTTP: a user's documents,
// those who watch the user, and the presence of the members of the user's lists.
//
// What a user is told of is a table of items, each with the number of its newest
// change. A client is told the items whose number is above the last one it has
// seen, oldest first. So nothing queues behind a slow client, changes that it has
// missed fall together, and the number of the last event it got, which clients
// send when they come back, is all that is needed to go on. Where that number
// means nothing any more the client is told to forget what it knows and gets
// everything. The table is filled from what is there now whenever something is
// said to have changed, on the goroutines of the clients that are there.
package events
