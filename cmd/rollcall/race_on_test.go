//go:build race

package main

// raceFlags build the program under test as the tests are: with the race detector.
var raceFlags = []string{"-race"}
