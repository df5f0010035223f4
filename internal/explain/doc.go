// Package explain tells why a watcher sees what it sees of a presentity.
//
// It follows the way of the data: registrations and publications, the state they
// make together, the rules, the document the watcher gets, its subscriptions and
// its entry in the watcher information. It takes the facts from a Source - a running
// server, or what one has stored - and gives one Report, which prints as JSON and as
// text for people who do not know the RFCs. It changes nothing. Of a list it tells who is
// in it, and which entries lead nowhere.
package explain
