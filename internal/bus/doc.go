// Package bus tells the parts of the server that something changed, not what
// it means. In one process delivery is a synchronous call: when Publish
// returns, every subscriber has marked what it must look at again, so whoever
// answers a request afterwards answers with the change in force.
package bus
