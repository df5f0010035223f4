// Package recent holds a bounded map that forgets: entries live in two
// generations, and when the young one is full or old enough the elder one is
// dropped whole. Tables that clients can fill are kept in it.
package recent
