package main

import (
	"errors"
	"fmt"
	"io"

	"rollcall/internal/store"
)

// Exit codes. They are part of the documentation of the program.
const (
	exitOK          = 0
	exitFailure     = 1 // anything without a code of its own
	exitUsage       = 2 // command line or configuration
	exitListen      = 3 // an address cannot be listened on
	exitUnavailable = 4 // the database cannot be opened or reached
	exitNotFound    = 5 // no such user or document
	exitRefused     = 6 // there already, or not valid
)

// usageError is a mistake in the command line or the configuration.
type usageError struct{ error }

// listenError says that an address cannot be listened on.
type listenError struct{ error }

// databaseError says that the database cannot be opened.
type databaseError struct{ error }

// refusedError says that what was given is not taken.
type refusedError struct{ error }

func (e usageError) Unwrap() error    { return e.error }
func (e listenError) Unwrap() error   { return e.error }
func (e databaseError) Unwrap() error { return e.error }
func (e refusedError) Unwrap() error  { return e.error }

// report prints err for a person and returns the exit code it stands for.
func report(w io.Writer, err error) int {
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(w, "rollcall: %v\n", err)
	code := exitCode(err)
	if code == exitUsage {
		fmt.Fprintln(w, `Try "rollcall help".`)
	}
	return code
}

func exitCode(err error) int {
	var (
		usage    usageError
		listen   listenError
		database databaseError
		refused  refusedError
		claimed  *store.ClaimedError
	)
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &listen):
		return exitListen
	case errors.As(err, &database), errors.Is(err, store.ErrUnavailable):
		return exitUnavailable
	case errors.Is(err, store.ErrNotFound):
		return exitNotFound
	case errors.As(err, &refused), errors.As(err, &claimed),
		errors.Is(err, store.ErrExists), errors.Is(err, store.ErrETagMismatch):
		return exitRefused
	}
	return exitFailure
}
