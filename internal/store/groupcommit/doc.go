// Package groupcommit makes durability cheap: one goroutine collects the writes
// of many callers, merges them row by row into a single batch, has it written in
// one transaction and then releases everybody at once. A caller that is alone
// never waits for company; under load the group grows to the number of callers.
package groupcommit
