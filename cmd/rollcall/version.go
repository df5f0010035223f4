package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the linker for releases.
var version = ""

type versionCmd struct{}

// Run prints the version.
func (*versionCmd) Run(con console) error {
	_, err := fmt.Fprintf(con.stdout, "rollcall %s %s %s/%s\n", versionText(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// versionText is the version, or the commit where none was set.
func versionText() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "development"
	}
	revision, modified := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = "+"
		}
	}
	if revision == "" {
		return "development"
	}
	return "development " + revision + modified
}
