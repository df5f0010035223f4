package main

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

// stoppedMark is a file in the data directory that is there while no server runs
// and the last one ended in order, with everything written down.
const stoppedMark = "stopped"

// continued reports whether the run before ended in order, and takes the mark away:
// it is not there again unless this run does so, too.
func continued(dir string) bool {
	err := os.Remove(filepath.Join(dir, stoppedMark))
	if err == nil {
		err = syncDir(dir) // or a power failure would bring it back
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		slog.Warn("cannot tell how the last run ended", "error", err)
	}
	return err == nil
}

// markStopped notes that everything is written down.
func markStopped(dir string) error {
	f, err := os.Create(filepath.Join(dir, stoppedMark))
	if err != nil {
		return err
	}
	return f.Close()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
