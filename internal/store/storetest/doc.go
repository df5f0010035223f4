// Package storetest is the contract of a store in executable form: a store is
// done when it passes. Every implementation runs the same suite.
package storetest
