// Package httpauth finds out who sent an HTTP request, for all handlers alike:
// by credentials, or by the word of a front end that is trusted. Whoever guesses
// passwords is slowed down.
package httpauth
