// Rollcall-bench puts load on a presence and XCAP server and measures what it
// does under it: how long a change takes to reach its watchers, how many
// NOTIFYs per second, what a subscription costs. It also checks the outcome:
// after the last change every watcher must have been told the last state, in
// order. It shares no code with the server, so that a misreading of the
// standards on one side does not hide on the other. It only talks to this
// machine.
package main
